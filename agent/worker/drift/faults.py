"""Inputs that are no measurement: counted by kind, and told with the verdict that they fall into.

    refused        it did not fit the model's input, or the answer was no finite number
    nan            of those, the frame held a NaN or an infinite value
    constant       every value is the same: a covered lens, a broken wire
    repeated       not refused, and the very same values as the frame before: a camera that froze
    out_of_range   a signal is far beyond everything that the reference ever showed

A frame may be of several kinds. Held frames are looked at, too: a still scene has noise, a camera that froze has none.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_models.profile import Profile

REFUSED, NAN, CONSTANT = "refused", "nan", "constant"
REPEATED, OUT_OF_RANGE = "repeated", "out_of_range"
_PROBES = 16  # values compared first: almost every frame differs in one of them
_KEPT_BYTES = 1 << 20  # a larger frame is compared by every few of its values


class Faults:
    """Counts them.

    Attributes:
        counts: Frames by kind since the last ``take``.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._before: tuple[np.dtype[Any], bytes] | None = None
        self._run = 0

    @property
    def repeats(self) -> int:
        """How many frames in a row, up to the last one, repeat the one before."""
        return self._run

    def look(self, x: NDArray[Any], *, is_refused: bool, is_out_of_range: bool) -> None:
        """Take a frame as the source delivered it."""
        if is_refused:
            self.counts[REFUSED] += 1
            if x.dtype.kind == "f" and not np.isfinite(x).all():
                self.counts[NAN] += 1
        if is_out_of_range:
            self.counts[OUT_OF_RANGE] += 1
        kept = _thinned(x.reshape(-1))
        now = kept.dtype, kept.tobytes()  # bytes compare in a tenth of the time that arrays take
        if _is_constant(kept, now[1]):
            self.counts[CONSTANT] += 1
        if now == self._before and not is_refused:
            self.counts[REPEATED] += 1
            self._run += 1
        else:
            self._before, self._run = now, 0

    def take(self) -> dict[str, int]:
        """The counts so far, which then begin again."""
        taken = dict(sorted(self.counts.items()))
        self.counts.clear()
        return taken


def plausible_range(profile: Profile) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smallest and largest plausible value of each signal (k,): the reference's, and as much again to each side."""
    edges = profile.edges.astype(np.float64)
    low, high = edges[:, 0], edges[:, -1]
    width = np.maximum(high - low, 3.0 * profile.std)
    width = np.maximum(width, 1e-3 * np.maximum(np.abs(low), np.abs(high)) + 1e-6)
    return low - width, high + width


def _thinned(flat: NDArray[Any]) -> NDArray[Any]:
    return flat[:: max(1, -(-flat.nbytes // _KEPT_BYTES))] if flat.size else flat


def _is_constant(flat: NDArray[Any], data: bytes) -> bool:
    if flat.size < 2 or flat[0] != flat[0]:
        return False
    first, few = data[: flat.itemsize], min(flat.size, _PROBES)
    return data.startswith(first * few) and data == first * flat.size
