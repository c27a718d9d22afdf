"""Mergeable sketches: how often each signal fell into each bin of a profile, small enough for one MQTT message.

Counts add, so sketches of windows merge into days and sketches of devices into fleets without any loss.
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.errors import SketchError
from edge_models.profile import BINS, MAX_SIGNALS, PROFILE_ID_DIGITS, count_bins

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from edge_models.profile import Profile

_MAGIC = b"DS1"
_MAX_COUNT = (1 << 32) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SketchBounds:
    """What a reader accepts from a peer."""

    max_chars: int = 16_384
    max_signals: int = MAX_SIGNALS
    max_classes: int = 1024


class Sketch:
    """Counts of one period on one profile's bins.

    Attributes:
        profile_id: Which profile's bins these are.
        signals: Name of each signal.
        counts: (k, 32) int64, each row sums to ``n``.
        classes: Predictions of each class, (c,) int64; sums to at most ``n``.
        n: Number of frames.
    """

    __slots__ = ("classes", "counts", "n", "profile_id", "signals")

    def __init__(self, *, profile_id: str, signals: tuple[str, ...], classes: int) -> None:
        """Start empty; ``Sketch.of`` takes names and sizes from a profile."""
        self.profile_id = profile_id
        self.signals = signals
        self.counts: NDArray[np.int64] = np.zeros((len(signals), BINS), np.int64)
        self.classes: NDArray[np.int64] = np.zeros(classes, np.int64)
        self.n = 0

    @classmethod
    def of(cls, profile: Profile) -> Sketch:
        """An empty sketch on the bins of ``profile``."""
        return cls(profile_id=profile.id, signals=profile.signals, classes=profile.class_prior.size)

    def add(self, bins: NDArray[np.intp], predicted: int | None = None) -> None:
        """Count one frame: the bin of each signal, ``Profile.bins``, and the predicted class if there is one."""
        self.counts[np.arange(len(self.signals)), bins] += 1
        if predicted is not None and self.classes.size:
            self.classes[predicted] += 1
        self.n += 1

    def add_batch(self, bins: NDArray[np.intp], predicted: NDArray[Any] | None = None) -> None:
        """Count n frames at once: bins (n, k) and predicted classes (n,)."""
        self.counts += count_bins(bins).astype(np.int64)
        if predicted is not None and self.classes.size:
            self.classes += np.bincount(predicted, minlength=self.classes.size)
        self.n += len(bins)

    def merge(self, other: Sketch) -> Sketch:
        """A new sketch of both periods or devices; exact.

        Raises:
            SketchError: They count in bins of different profiles, or together exceed 32 bits.
        """
        mine, theirs = (
            (self.profile_id, self.signals, self.classes.size),
            (
                other.profile_id,
                other.signals,
                other.classes.size,
            ),
        )
        if mine != theirs:
            raise SketchError(f"sketch of profile {other.profile_id} cannot be added to one of {self.profile_id}")
        if self.n + other.n > _MAX_COUNT:
            raise SketchError(f"{self.n + other.n} frames, expected at most {_MAX_COUNT} in one sketch")
        merged = Sketch(profile_id=self.profile_id, signals=self.signals, classes=self.classes.size)
        merged.counts = self.counts + other.counts
        merged.classes = self.classes + other.classes
        merged.n = self.n + other.n
        return merged

    @classmethod
    def merged(cls, sketches: Iterable[Sketch]) -> Sketch:
        """All of them in one; exact, in any order.

        Raises:
            SketchError: There is none, or they count in bins of different profiles, or exceed 32 bits.
        """
        parts = iter(sketches)
        first = next(parts, None)
        if first is None:
            raise SketchError("no sketch to merge, expected one at least")
        return functools.reduce(cls.merge, parts, first)

    def distance(self, profile: Profile) -> dict[str, float]:
        """Kolmogorov-Smirnov distance 0..1 from the reference by signal, on the 32 bins; 0 when nothing was counted.

        Raises:
            SketchError: ``profile`` is not the one whose bins these are.
        """
        self._check_profile(profile)
        if self.n == 0:
            return dict.fromkeys(self.signals, 0.0)
        seen = np.cumsum(self.counts, axis=1) / self.n
        reference = np.cumsum(profile.reference, axis=1, dtype=np.int64) / profile.n_ref
        return dict(zip(self.signals, np.abs(seen - reference).max(axis=1).tolist(), strict=True))

    def shift(self, reference: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """In which direction signals have moved, each -1 to 1: up in rank, and out to the ends (or in to the middle).

        Args:
            reference: Counts or shares of each signal in the bins, (k, 32), whose rows sum to more than 0.

        Returns:
            Mean of u less the reference's, and mean of abs(2u - 1) less the reference's, for the rank u at the middle
            of each bin; (k,) each, 0 when nothing was counted.
        """
        if self.n == 0:
            return np.zeros(len(self.signals)), np.zeros(len(self.signals))
        expected = np.asarray(reference, np.float64)
        moved = self.counts / self.n - expected / expected.sum(axis=1, keepdims=True)
        middles = (np.arange(BINS) + 0.5) / BINS
        return moved @ middles, moved @ np.abs(2 * middles - 1)

    def encode(self) -> str:
        """The sketch as text for a message: header, LEB128 counts, zlib, base64."""
        header = _MAGIC + "\n".join((self.profile_id, *self.signals)).encode("ascii") + b"\0"
        numbers = [self.n, self.classes.size, *self.classes.tolist(), *self.counts.reshape(-1).tolist()]
        return base64.b64encode(zlib.compress(header + _leb128(numbers), 9)).decode("ascii")

    @classmethod
    def decode(cls, text: str, bounds: SketchBounds | None = None) -> Sketch:
        """Read a sketch of a peer.

        Raises:
            SketchError: Too long, damaged, or with counts that do not add up.
        """
        bounds = bounds or SketchBounds()
        header, numbers = _unpack(text, bounds)
        try:
            profile_id, *signals = header.decode("ascii").split("\n")
        except UnicodeDecodeError as exc:
            raise SketchError("sketch has names that are not ASCII") from exc
        if not re.fullmatch(f"[0-9a-f]{{{PROFILE_ID_DIGITS}}}", profile_id):
            raise SketchError("sketch names no profile, expected 16 hex digits")
        if not 0 < len(signals) <= bounds.max_signals or len(set(signals)) != len(signals) or not all(signals):
            raise SketchError(f"sketch has {len(signals)} signals, expected 1 to {bounds.max_signals} different ones")
        if len(numbers) < 2 or numbers[1] > bounds.max_classes:
            raise SketchError(f"sketch has more than {bounds.max_classes} classes or none given")
        n, classes, *counts = numbers
        if len(counts) != classes + len(signals) * BINS:
            raise SketchError(f"sketch has {len(counts)} counts, expected {classes + len(signals) * BINS}")
        sketch = cls(profile_id=profile_id, signals=tuple(signals), classes=classes)
        sketch.n = n
        sketch.classes = np.array(counts[:classes], np.int64)
        sketch.counts = np.array(counts[classes:], np.int64).reshape(len(signals), BINS)
        if (sketch.counts.sum(axis=1) != n).any() or sketch.classes.sum() > n:
            raise SketchError(f"sketch counts do not sum to its {n} frames")
        return sketch

    def _check_profile(self, profile: Profile) -> None:
        if (profile.id, profile.signals, profile.class_prior.size) != (
            self.profile_id,
            self.signals,
            self.classes.size,
        ):
            raise SketchError(f"sketch of profile {self.profile_id} cannot be compared with profile {profile.id}")


def _unpack(text: str, bounds: SketchBounds) -> tuple[bytes, list[int]]:
    if len(text) > bounds.max_chars:
        raise SketchError(f"sketch of {len(text)} characters, expected at most {bounds.max_chars}")
    limit = 4096 + 5 * (2 + bounds.max_classes + bounds.max_signals * BINS)
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(text, validate=True), limit)
    except (binascii.Error, ValueError, zlib.error) as exc:
        raise SketchError(f"sketch is not zlib in base64 ({exc})") from exc
    if not inflate.eof or inflate.unused_data:
        raise SketchError("sketch is truncated, followed by other data or too large")
    header, separator, body = data.partition(b"\0")
    if not separator or not header.startswith(_MAGIC):
        raise SketchError("sketch has an unknown format, expected DS1")
    return header[len(_MAGIC) :], _numbers(body)


def _leb128(numbers: list[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        rest = number
        while rest > 0x7F:
            out.append(rest & 0x7F | 0x80)
            rest >>= 7
        out.append(rest)
    return bytes(out)


def _numbers(body: bytes) -> list[int]:
    numbers, value, shift = [], 0, 0
    for byte in body:
        value |= (byte & 0x7F) << shift
        if value > _MAX_COUNT or shift > 28:
            raise SketchError("sketch has a count above 32 bits")
        if byte & 0x80:
            shift += 7
        else:
            numbers.append(value)
            value, shift = 0, 0
    if shift:
        raise SketchError("sketch ends inside a number")
    return numbers
