"""Figures of full, non-overlapping windows of frames: what travels to the supervisor and on to ``stats``.

River's statistics summarise (mean confidence, latency quantiles), and the sketch counts each signal in the profile's
bins. How far that is from the reference is for verdicts to say (``agent.worker.drift.verdicts``), and for the fleet.

A frame that gating held counts like the frame whose answer it repeats, so a window is as long, and means the same, with
gating as without; only latencies are those of the frames that were run.
"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from agent.ipc import Window
from agent.worker.drift.loader import Statistic
from agent.worker.drift.statistics import mean, rolling_quantile
from agent.worker.pipeline import PipelineResult
from edge_models.profile import Profile
from edge_models.sketch import Sketch

MAX_QUANTILE_FRAMES = 1000  # River keeps this many latencies sorted; enough for a 95th percentile
BATCH_FRAMES = 256  # signals wait for each other: binning them at once costs a tenth of one by one


class WindowCounter:
    """Counts frames into windows.

    Args:
        size: Frames in a window, refused ones included, so that a stream of refused frames is seen too.
        profile: The artifact's reference; without one there are no sketches.
    """

    def __init__(self, *, size: int, profile: Profile | None) -> None:
        self._size = size
        self._profile = profile
        self._open: _OpenWindow | None = None

    def add(self, position: int, result: PipelineResult, now_s: float) -> Window | None:
        """Count one frame; the figures of the window that it fills, else None.

        Args:
            position: Of the frame in its source.
            result: What the pipeline made of it.
            now_s: Monotonic time of the frame.
        """
        if self._open is None:
            self._open = _OpenWindow(self._profile, size=self._size, start=position, started_s=now_s)
        self._open.count(result)
        if self._open.seen < self._size:
            return None
        full, self._open = self._open, None
        return full.figures(position, now_s)

    def reset(self) -> None:
        """Drop the window in progress."""
        self._open = None


class _OpenWindow:
    """A window that is not full yet."""

    def __init__(self, profile: Profile | None, *, size: int, start: int, started_s: float) -> None:
        self.seen = 0
        self._start, self._started_s = start, started_s
        self._refused = self._held = 0
        self._classes: Counter[int] = Counter()
        self._confidence = mean()
        frames = min(size, MAX_QUANTILE_FRAMES)
        self._p50 = rolling_quantile(0.5, window_size=frames)
        self._p95 = rolling_quantile(0.95, window_size=frames)
        self._profile = profile
        self._sketch = None if profile is None else Sketch.of(profile)
        self._waiting: list[tuple[NDArray[np.float64], int | None]] = []

    def count(self, result: PipelineResult) -> None:
        """Count one frame."""
        self.seen += 1
        if result.signals is None:
            self._refused += 1
            return
        if result.held:
            self._held += 1
        else:
            self._p50.update(result.times.latency_us)
            self._p95.update(result.times.latency_us)
        if result.confidence is not None:
            self._confidence.update(result.confidence)
        if result.predicted is not None:
            self._classes[result.predicted] += 1
        if self._sketch is not None:
            self._waiting.append((result.signals, result.predicted))
            if len(self._waiting) == BATCH_FRAMES:
                self._bin_waiting()

    def figures(self, position: int, now_s: float) -> Window:
        """The message about this window, which the frame at ``position`` filled."""
        seconds = max(0.0, now_s - self._started_s)
        self._bin_waiting()
        return Window(
            start=self._start,
            position=position,
            n=self.seen - self._refused,
            seconds=seconds,
            rate_hz=(self.seen - 1) / seconds if seconds > 0 else 0.0,
            p50_us=self._latency_us(self._p50),
            p95_us=self._latency_us(self._p95),
            mean_confidence=_finite(self._confidence.get()) if self._classes else None,
            classes={str(label): count for label, count in sorted(self._classes.items())},
            sketch="" if self._sketch is None else self._sketch.encode(),
            profile="" if self._profile is None else self._profile.id,
            refused=self._refused,
            held=self._held,
        )

    def _latency_us(self, quantile: Statistic) -> float | None:
        """None where no frame was run: nothing took 0 us."""
        return _finite(quantile.get()) if self.seen > self._refused + self._held else None

    def _bin_waiting(self) -> None:
        if self._sketch is None or self._profile is None or not self._waiting:
            return
        signals = np.stack([values for values, _ in self._waiting])
        predicted = [label for _, label in self._waiting if label is not None]
        self._sketch.add_batch(self._profile.bins(signals), np.array(predicted, np.int64) if predicted else None)
        self._waiting.clear()


def _finite(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else 0.0
