"""Figures that say how a model does on a stretch of frames: how far they are from its profile, whether it answers all
alike, how long it takes. The same ones for a candidate, for the active model beside it, and for a model's health.

They wait until they are asked for, or until there are many: one by one they would cost ten times as much.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_models.drift.effects import effects
from edge_models.profile import BINS, Profile

BATCH_FRAMES = 128  # signals that wait to be counted
MANY_UNLIKE = 50  # frames, before one output to all of them says something
_UNLIKE_SD = 0.5  # by which a signal of the input differs between two frames that count as unlike
_UNLIKE_SHARE = 0.1  # the same of its size, where no profile tells its spread
_TIED = 0.2  # share of the reference with one and the same output: a saturated model on a calm scene


class Distance:
    """How far frames are from a profile: the largest Kolmogorov-Smirnov distance of a signal from its best mixture of
    contexts, 0 to 1. Of n frames it is about 1 / sqrt(n) by chance alone.

    Args:
        profile: The reference.
    """

    def __init__(self, profile: Profile) -> None:
        self.n = 0
        self._profile = profile
        self._counts: NDArray[np.int64] = np.zeros((len(profile.signals), BINS), np.int64)
        self._waiting: list[NDArray[np.float64]] = []
        self._value: float | None = None
        self._value_n = 0

    def add(self, signals: NDArray[np.float64]) -> None:
        """Take the signals of a frame, (k,)."""
        self.n += 1
        self._waiting.append(signals)
        if len(self._waiting) >= BATCH_FRAMES:
            self._count()

    def value(self, *, every: int = 1) -> float | None:
        """The distance; None without frames. It is measured anew when ``every`` frames have come since."""
        if self.n >= self._value_n + every or (self._value is None and self.n):
            self._count()
            middle = np.full(len(self._counts), 0.5)  # means of ranks are of no use here
            self._value = float(effects(self._profile.contexts, self._counts, middle).distance.max())
            self._value_n = self.n
        return self._value

    def take_over(self, other: Distance) -> None:
        """Add the frames of another one of the same profile."""
        other._count()
        self._counts += other._counts
        self.n += other.n

    def _count(self) -> None:
        if self._waiting:
            self._counts += self._profile.histogram(np.stack(self._waiting)).astype(np.int64)
            self._waiting.clear()


class Constancy:
    """Whether unlike frames get one and the same output.

    A calm scene gives like frames, and a saturated model the same output to many: frames count only when their inputs
    differ, and an output that the reference is full of does not count.

    Args:
        outputs: How many of the signals, the last ones, are of the output; with 0 nothing is ever constant.
        profile: The reference; None without one.
    """

    def __init__(self, outputs: int, profile: Profile | None) -> None:
        self.changes = 0
        self._outputs = outputs
        self._profile = profile
        self._scale = None if profile is None else np.maximum(profile.std.astype(np.float64) * _UNLIKE_SD, 1e-9)
        self._output = b""
        self._inputs: NDArray[np.float64] | None = None
        self._signals: NDArray[np.float64] | None = None
        self._unlike = 0

    def add(self, signals: NDArray[np.float64], predicted: int | None) -> None:
        """Take a frame: its signals (k,) and its class."""
        if not self._outputs:
            return
        split = signals.size - self._outputs
        output = signals[split:].tobytes() + repr(predicted).encode()
        if output != self._output:
            self.changes += self._inputs is not None
            self._output, self._inputs, self._signals, self._unlike = output, signals[:split], signals, 1
        elif self._unlike < MANY_UNLIKE and self._is_unlike(signals[:split]):
            self._inputs = signals[:split]
            self._unlike += 1

    @property
    def is_constant(self) -> bool:
        """Whether the last many frames, which are unlike each other, got the same output."""
        if self._unlike < MANY_UNLIKE or self._signals is None:
            return False
        if self._profile is None:
            return True
        k = len(self._signals)
        bins = self._profile.bins(self._signals)[k - self._outputs :]
        shares = self._profile.reference[k - self._outputs :][np.arange(self._outputs), bins] / self._profile.n_ref
        return bool((shares < _TIED).any())

    def _is_unlike(self, inputs: NDArray[np.float64]) -> bool:
        if self._inputs is None:
            return True
        apart = np.abs(inputs - self._inputs)
        if self._scale is not None:
            return bool((apart > self._scale[: inputs.size]).any())
        return bool((apart > _UNLIKE_SHARE * (np.abs(inputs) + np.abs(self._inputs))).any())


class Latencies:
    """Processor times of the last frames.

    Args:
        frames: How many.
    """

    def __init__(self, frames: int) -> None:
        self._us: deque[float] = deque(maxlen=frames)
        self._p95: float | None = None
        self._unseen = 0

    def add(self, latency_us: float) -> None:
        """Take the time of a frame."""
        self._us.append(latency_us)
        self._unseen += 1

    def p95_us(self, *, every: int = 1) -> float | None:
        """95th percentile; None without frames. It is computed anew when ``every`` frames have come since."""
        if self._us and (self._p95 is None or self._unseen >= every):
            self._p95, self._unseen = float(np.quantile(self._us, 0.95)), 0
        return self._p95


def mean_of(values: Any) -> float | None:  # noqa: ANN401 - any sequence of numbers
    """The mean; None of nothing.

    >>> mean_of([1.0, 2.0]), mean_of([])
    (1.5, None)
    """
    return float(np.mean(values)) if len(values) else None
