"""Which frames count as independent of each other.

Neighbouring frames of a camera show the same scene: a hundred of them say little more than one, and a test that takes
them for a hundred independent ones alarms by itself. The first frames of a stream tell how long they resemble each
other: the integrated autocorrelation time of the ranks of all columns (``edge_models.drift.decorrelation``). One of so
many frames then counts, and the threshold falls by the same factor, so that the budget in alarms a month stays.

A first estimate comes after 256 frames and better ones at every doubling; the one at the end of the measurement is the
commissioned one, below which no later one goes. It is measured anew each day. A change in the middle of a measurement
looks like a correlation over hundreds of frames, so each half or quarter is looked at, too, and the whole only counts
where it tells much the same as they do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge_models.drift.decorrelation import integrated_time, thin_of

FIRST_FRAMES = 256
_LARGEST_SIGNAL = 1e30  # of what float32 holds
REMEASURE_S = 86_400.0
_TRUSTED_SHARE = 16  # n frames can tell a correlation of n / 16 frames apart from a trend
_DISAGREE = 3
_QUARTERED = 1024  # a quarter of fewer frames tells too little


class Thinning:
    """Measures the correlation of neighbouring frames.

    Args:
        frames: Frames that the commissioned figure is measured on.
        ranks_of: Gives the ranks 0..1 of all columns (n, j) of the signals of n frames (n, k).

    Attributes:
        thin: One of so many frames counts; 1 until there is an estimate.
        commissioned: What the first whole measurement gave; None before its end.
        is_known: Whether there is an estimate.
    """

    def __init__(self, *, frames: int, ranks_of: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
        self._frames = frames
        self._ranks_of = ranks_of
        self.thin = 1
        self.commissioned: int | None = None
        self.is_known = False
        self._next_s: float | None = None  # of the next measurement; None while one is under way
        self._collected: list[NDArray[np.float32]] = []
        self._due = min(FIRST_FRAMES, frames)

    def collect(self, values: NDArray[np.floating] | None, now_s: float) -> bool:
        """Take the signals (k,) of one frame; whether there is another estimate now.

        Args:
            values: As the pipeline gives them; None of a refused frame, which is passed over as are wild numbers.
            now_s: Monotonic time of the frame.
        """
        if self._next_s is not None and now_s < self._next_s:
            return False
        if values is None or not (np.abs(values) < _LARGEST_SIGNAL).all():  # nor a NaN
            return False
        if self._next_s is not None:
            self._begin()
        self._collected.append(values.astype(np.float32))
        if len(self._collected) < self._due:
            return False
        before = self.thin, self.is_known
        self._estimate(self._ranks_of(np.stack(self._collected)))
        if len(self._collected) >= self._frames:
            self.commissioned = self.commissioned or self.thin
            self._finish(now_s)
        else:
            self._due = min(2 * self._due, self._frames)
        return before != (self.thin, self.is_known)

    def assume_independent(self) -> None:
        """Go on without an estimate, as when every frame is refused."""
        self.is_known = True

    def restore(self, thin: int, commissioned: int | None, now_s: float) -> None:
        """Go on with what an earlier worker measured; a measurement that it did not end begins again."""
        self.thin, self.commissioned = max(1, thin), commissioned
        self.is_known = self.is_known or commissioned is not None
        if commissioned is not None:
            self._finish(now_s)

    def _begin(self) -> None:
        self._collected = []
        self._next_s = None
        self._due = self._frames if self.commissioned is not None else min(FIRST_FRAMES, self._frames)

    def _finish(self, now_s: float) -> None:
        self._collected = []
        self._next_s = now_s + REMEASURE_S

    def _estimate(self, ranks: NDArray[np.float32]) -> None:
        parts = np.array_split(ranks, 4 if len(ranks) >= _QUARTERED else 2)
        whole, *each = (thin_of(integrated_time(part)) for part in (ranks, *parts))
        usual = sorted(each)[(len(each) - 1) // 2]  # a drift that comes and goes spoils two of four
        found = usual if whole > _DISAGREE * usual else whole
        found = max(1, min(found, len(ranks) // _TRUSTED_SHARE))
        if self.commissioned is not None:
            found = max(self.commissioned, min(found, 2 * self.thin))
        self.thin, self.is_known = found, True
