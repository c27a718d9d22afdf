"""Bring signals to 0..1 before a change detector sees them.

ADWIN's guarantee is for values in 0..1, and its sensitivity is relative to that range: a signal that only moves
between 0.1 and 0.2 would never alarm. With a reference profile the scale is the reference's distribution function
(then a signal that looks like the reference is uniform); without one it is the mean and spread of the stream's own
first frames.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import Protocol

from agent.worker.drift.loader import Statistic
from agent.worker.drift.statistics import mean, variance

OWN_SPREAD = 4.0  # standard deviations to each side of the own mean that fill 0..1


class Scale(Protocol):
    """Maps a signal's value to 0..1."""

    def __call__(self, signal: str, value: float) -> float | None:
        """The scaled value; None while there is no scale for this signal yet."""


class ReferenceScale:
    """The distribution function of a reference, linear between its quantile edges.

    Args:
        edges: For each signal its quantiles at equal steps of probability, ascending; at least two.

    Examples:
        >>> scale = ReferenceScale({"mean": [0.0, 1.0, 3.0]})
        >>> [scale("mean", x) for x in (-1.0, 0.5, 1.0, 2.0, 9.0)]
        [0.0, 0.25, 0.5, 0.75, 1.0]
        >>> scale("unknown", 1.0) is None
        True
    """

    def __init__(self, edges: Mapping[str, Sequence[float]]) -> None:
        # Plain lists: bisect on a list takes a tenth of numpy.searchsorted on a single value.
        self._edges = {name: [float(edge) for edge in values] for name, values in edges.items()}

    def __call__(self, signal: str, value: float) -> float | None:
        """The probability that the reference gives to values below this one."""
        edges = self._edges.get(signal)
        if edges is None:
            return None
        steps = len(edges) - 1
        first, last = bisect_left(edges, value), bisect_right(edges, value) - 1
        if last > first:  # an atom of the reference: the middle of the probability that it holds
            return (first + last) / (2 * steps)
        if last < 0:
            return 0.0
        if last >= steps:
            return 1.0
        return (last + (value - edges[last]) / (edges[last + 1] - edges[last])) / steps


class OwnPastScale:
    """Mean and spread of the stream's own first frames, for an artifact without a reference profile.

    Args:
        frames: How many frames are looked at before the first value is given.
    """

    def __init__(self, *, frames: int) -> None:
        self._frames = frames
        self._seen: dict[str, int] = {}
        self._moments: dict[str, tuple[float, float]] = {}
        self._means: dict[str, Statistic] = {}
        self._variances: dict[str, Statistic] = {}

    def __call__(self, signal: str, value: float) -> float | None:
        """Where the value lies in the range of the first frames, 0.5 for their mean."""
        if signal not in self._moments:
            self._learn(signal, value)
            return None
        mean, spread = self._moments[signal]
        return min(1.0, max(0.0, 0.5 + (value - mean) / (2 * OWN_SPREAD * spread)))

    def _learn(self, signal: str, value: float) -> None:
        spread_of = self._variances.setdefault(signal, variance())
        mean_of = self._means.setdefault(signal, mean())
        spread_of.update(value)
        mean_of.update(value)
        self._seen[signal] = self._seen.get(signal, 0) + 1
        if self._seen[signal] >= self._frames:
            spread = math.sqrt(max(0.0, spread_of.get() or 0.0))
            self._moments[signal] = (mean_of.get() or 0.0, spread or 1.0)
