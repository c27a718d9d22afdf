"""The running figures of windows: River's where it is installed, else plain ones that tell the same.

River has no wheels for 32-bit systems. There the windows go on with these few lines, which need nothing.
"""

from __future__ import annotations

import bisect
import math
from collections import deque

from agent.worker.drift.loader import Statistic, is_installed, statistic


class PlainMean:
    """Mean of all values; 0 before the first, as River's."""

    def __init__(self) -> None:
        self._n = 0
        self._mean = 0.0

    def update(self, x: float) -> None:
        """Take one value."""
        self._n += 1
        self._mean += (x - self._mean) / self._n

    def get(self) -> float:
        """The mean so far."""
        return self._mean


class PlainVariance:
    """Sample variance of all values (Welford 1962); 0 before the second, as River's."""

    def __init__(self) -> None:
        self._n = 0
        self._mean = self._squares = 0.0

    def update(self, x: float) -> None:
        """Take one value."""
        self._n += 1
        before = x - self._mean
        self._mean += before / self._n
        self._squares += before * (x - self._mean)

    def get(self) -> float:
        """The variance so far."""
        return self._squares / (self._n - 1) if self._n > 1 else 0.0


class PlainRollingQuantile:
    """Quantile of the last values, linear between neighbours as River's; None before the first.

    Examples:
        >>> median = PlainRollingQuantile(q=0.5, window_size=3)
        >>> for value in (9.0, 1.0, 2.0, 4.0):
        ...     median.update(value)
        >>> median.get()
        2.0
    """

    def __init__(self, *, q: float, window_size: int) -> None:
        self._q = q
        self._size = window_size
        self._values: deque[float] = deque()
        self._sorted: list[float] = []

    def update(self, x: float) -> None:
        """Take one value; the oldest one goes when the window is full."""
        if len(self._values) == self._size:
            del self._sorted[bisect.bisect_left(self._sorted, self._values.popleft())]
        self._values.append(x)
        bisect.insort(self._sorted, x)

    def get(self) -> float | None:
        """The quantile of the window."""
        if not self._sorted:
            return None
        place = self._q * (len(self._sorted) - 1)
        low = math.floor(place)
        high = min(low + 1, len(self._sorted) - 1)
        return self._sorted[low] + (place - low) * (self._sorted[high] - self._sorted[low])


def mean() -> Statistic:
    """A running mean."""
    return statistic("Mean") if is_installed() else PlainMean()


def variance() -> Statistic:
    """A running variance."""
    return statistic("Var") if is_installed() else PlainVariance()


def rolling_quantile(q: float, *, window_size: int) -> Statistic:
    """A quantile of the last ``window_size`` values."""
    if is_installed():
        return statistic("RollingQuantile", q=q, window_size=window_size)
    return PlainRollingQuantile(q=q, window_size=window_size)
