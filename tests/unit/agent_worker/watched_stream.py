"""Streams of made-up signals for the trigger: no model, no artifact."""

from __future__ import annotations

import functools
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from agent.config import CommissioningConfig, DriftConfig
from agent.ipc import Verdict
from agent.worker.drift.port import Alarm
from agent.worker.drift.trigger import Trigger
from agent.worker.pipeline import PipelineResult
from edge_models.profile import Profile, build_profile

SIGNALS = ("light", "sharp", "tone")
CLASSES = 4
QUICK = DriftConfig(commissioning=CommissioningConfig(hours=0.0, n_effective=300, decorrelation_frames=512))


@functools.cache
def reference(seed: int = 0) -> Profile:
    """Three independent signals, four even classes."""
    rng = np.random.default_rng(seed)
    return build_profile(SIGNALS, rng.normal(size=(4000, 3)), rng.integers(0, CLASSES, 4000), CLASSES)


def normal(n: int, *, seed: int, shift: float = 0.0, signal: str = "light") -> NDArray[np.float64]:
    """Signals (n, 3) like the reference's, one of them shifted by so many standard deviations."""
    values = np.random.default_rng(seed).normal(size=(n, 3))
    values[:, SIGNALS.index(signal)] += shift
    return values


class Played:
    """A trigger, and what it said so far.

    Args:
        config: Of the trigger.
        profile: Its reference.
        rate_hz: Frames in a second.
    """

    def __init__(
        self, config: DriftConfig = QUICK, *, profile: Profile | None = None, rate_hz: float | None = 10.0
    ) -> None:
        self.trigger = Trigger(profile or reference(), config, rate_hz=rate_hz)
        self.alarms: list[Alarm] = []
        self.verdicts: list[Verdict] = []
        self.position = 0
        self._period_s = 0.1
        self._rng = np.random.default_rng(99)

    def play(self, values: NDArray[np.float64], *, same: bool = False) -> Played:
        """Frames with these signals; all of the same bytes if they are to be."""
        classes = self._rng.integers(0, CLASSES, len(values)).tolist()
        for row, label in zip(values, classes, strict=True):
            x = np.ones(8) if same else self._rng.normal(size=8)
            self.step(x, PipelineResult(predicted=label, confidence=0.9, calibrated=0.9, signals=row))
        return self

    def refuse(self, n: int) -> Played:
        """Frames that do not fit."""
        for _ in range(n):
            self.step(np.full(3, np.nan), PipelineResult(refused="no number"))
        return self

    def step(self, x: NDArray[np.float64], result: PipelineResult) -> None:
        """One frame."""
        seen = self.trigger.update(x, result, self.position, self.position * self._period_s)
        self.alarms += seen.alarms
        self.verdicts += [] if seen.verdict is None else [seen.verdict]
        self.position += 1

    def restarted(self, config: DriftConfig = QUICK, *, profile: Profile | None = None) -> Played:
        """Another worker that goes on with what this one left."""
        after = Played(config, profile=profile)
        after.position = self.position
        after.restore(self.trigger.unsaved(at_once=True))
        return after

    def restore(self, states: Iterable[tuple[str, bytes]]) -> None:
        """Take up states as the supervisor hands them over: contexts first."""
        for kind, body in sorted(states):
            self.trigger.restore("contexts" if kind == "contexts" else "trigger", body, self.position * self._period_s)

    @property
    def named(self) -> list[tuple[str, str]]:
        """Detector and signal of each alarm."""
        return [(alarm.detector, alarm.signal) for alarm in self.alarms]
