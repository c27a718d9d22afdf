"""Whether something grows: a straight line through samples, and how sure its slope is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

NORMAL_95 = 1.96  # for some dozen samples and more


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Growth for each unit of time, with its 95 % interval."""

    slope: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.slope:+.3g} ({self.low:+.3g} to {self.high:+.3g})"


def trend(times: Sequence[float], values: Sequence[float]) -> Trend:
    """Least squares; neighbouring samples are taken for as alike as they are (Bretherton and others 1999, eq. 31)."""
    n = len(times)
    mean_t, mean_v = sum(times) / n, sum(values) / n
    spread = sum((at - mean_t) ** 2 for at in times)
    slope = sum((at - mean_t) * (value - mean_v) for at, value in zip(times, values, strict=True)) / spread
    rest = [value - mean_v - slope * (at - mean_t) for at, value in zip(times, values, strict=True)]
    square = sum(one * one for one in rest)
    alike = sum(one * other for one, other in pairwise(rest)) / square if square else 0.0
    effective = max(n * (1 - alike) / (1 + alike), 3.0) if -1 < alike < 1 else 3.0
    error = math.sqrt(square / max(effective - 2, 1.0) / spread)
    return Trend(slope=slope, low=slope - NORMAL_95 * error, high=slope + NORMAL_95 * error)
