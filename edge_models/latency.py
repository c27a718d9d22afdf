"""How long something takes, as a histogram with log-spaced buckets: small, and right to a few percent.

Buckets grow by a factor of 2 ** (1/8), so any quantile is within 4.4 % of the true one whatever the distribution, as
DDSketch has it (Masson, Rim, Lee 2019, section 2.1). From 1 us to 268 s that takes 224 counts. Plain Python without
numpy: the supervisor reads these, too.

    >>> fast = Latency()
    >>> for duration_us in (100, 110, 120, 5000):
    ...     fast.add(duration_us)
    >>> fast.n, round(fast.quantile_us(0.5)), round(fast.quantile_us(1.0))
    (4, 112, 5082)
    >>> fast.encoded()
    '53:1,54:1,55:1,98:1'
    >>> Latency.decoded(fast.encoded()).quantile_us(0.5) == fast.quantile_us(0.5)
    True
"""

from __future__ import annotations

import re
from math import log2
from typing import Self

from edge_models.errors import FieldError

PER_OCTAVE = 8
BUCKETS = 28 * PER_OCTAVE  # the last one takes everything from 266 s on
MAX_ENCODED_CHARS = 5000  # every bucket with a count of 16 digits
_ENTRY = re.compile(r"([0-9]{1,3}):([1-9][0-9]{0,15})")
_GROWTH = 2 ** (1 / PER_OCTAVE)
_MIDDLE = 2 / (1 + 1 / _GROWTH)  # of a bucket: the value with the same relative distance to both of its ends


class Latency:
    """Counts durations.

    Attributes:
        n: Durations counted.
    """

    __slots__ = ("_counts", "n")

    def __init__(self) -> None:
        self._counts = [0] * BUCKETS
        self.n = 0

    def add(self, duration_us: float) -> None:
        """Count one duration in microseconds; what is below 1 us counts as 1 us."""
        bucket = int(log2(duration_us) * PER_OCTAVE) if duration_us > 1.0 else 0
        self._counts[bucket if bucket < BUCKETS else BUCKETS - 1] += 1
        self.n += 1

    def quantile_us(self, share: float) -> float | None:
        """The duration that this share of all does not exceed, within 4.4 %; None when nothing was counted.

        Args:
            share: 0 to 1, such as 0.95.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"share {share}, expected 0 to 1")
        rank, seen = share * (self.n - 1), 0
        for bucket, count in enumerate(self._counts):
            seen += count
            if count and seen > rank:
                return _middle_us(bucket)
        return None

    def encoded(self) -> str:
        """As text: BUCKET:COUNT for each bucket that holds any."""
        return ",".join(f"{bucket}:{count}" for bucket, count in enumerate(self._counts) if count)

    @classmethod
    def decoded(cls, text: str) -> Self:
        """What ``encoded`` gave.

        Raises:
            FieldError: It is no such text.
        """
        made = cls()
        if len(text) > MAX_ENCODED_CHARS:
            raise FieldError("latency", f"{len(text)} characters", f"at most {MAX_ENCODED_CHARS}")
        for entry in text.split(",") if text else []:
            found = _ENTRY.fullmatch(entry)
            if found is None or int(found[1]) >= BUCKETS:
                raise FieldError("latency", repr(entry[:40]), f"BUCKET:COUNT with a bucket below {BUCKETS}")
            made._counts[int(found[1])] += int(found[2])
            made.n += int(found[2])
        return made


def _middle_us(bucket: int) -> float:
    return float(2 ** (bucket / PER_OCTAVE) * _MIDDLE)
