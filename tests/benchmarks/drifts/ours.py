"""Our trigger and request policy over signals that were computed beforehand, as a device runs them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from agent.config import CommissioningConfig, DriftConfig
from agent.core.records import Now
from agent.core.request_outputs import OpenRequest, PolicyOutput, PolicySettings
from agent.core.request_policy import RequestPolicy
from agent.ipc import Alarm, Verdict
from agent.worker.drift.seen import Seen
from agent.worker.drift.trigger import Trigger
from agent.worker.pipeline import PipelineResult
from edge_models.drift.impact import calibrated_confidence
from edge_models.profile import Profile
from tests.benchmarks.drifts.cases import Pool

AT_ONCE = CommissioningConfig(hours=0.0)
_LEARNT_LOOKS = 100  # frames from one look at what was learnt to the next


def settings(*, commissioning: CommissioningConfig | None = None) -> DriftConfig:
    """The defaults, but for commissioning."""
    return DriftConfig(commissioning=commissioning or CommissioningConfig())


def result_of(values: NDArray[np.float64], predicted: int, calibrated: float | None = None) -> PipelineResult:
    """What a pipeline would have said."""
    return PipelineResult(predicted=predicted, confidence=calibrated, calibrated=calibrated, signals=values)


class Ours:
    """The trigger as a contestant; what it takes for commissioning to end is not waited for."""

    def __init__(self, profile: Profile, rate_hz: float = 1.0) -> None:
        self._trigger = Trigger(profile, settings(commissioning=AT_ONCE), rate_hz=rate_hz)
        self._named: str | None = None
        self._has_classes = profile.class_prior.size > 1
        self._position = 0

    def update(self, values: NDArray[np.float64], predicted: int) -> bool:
        """Take one frame."""
        position = self._position
        self._position += 1
        result = result_of(values, predicted) if self._has_classes else PipelineResult(signals=values)
        seen = self._trigger.update(np.array([position]), result, position, float(position))
        if seen.alarms:
            self._named = seen.alarms[0].signal
        return bool(seen.alarms)

    def blamed(self) -> tuple[str, ...]:
        """The signal that the alarm names."""
        return () if self._named is None else (self._named,)

    def reset(self) -> None:
        """It goes on by itself."""

    def state_bytes(self) -> int:
        """As the supervisor keeps it."""
        return len(dict(self._trigger.unsaved(at_once=True))["trigger"])


@dataclass(slots=True)
class Device:
    """Trigger and policy together, over days.

    Args:
        profile: The reference.
        rate_hz: Frames in a second.

    Attributes:
        alarms: All of them.
        verdicts: All of them.
        requests: Frame of each request.
        trigger: What watches.
        policy: What asks.
    """

    profile: Profile
    rate_hz: float
    config: DriftConfig = field(default_factory=settings)
    alarms: list[Alarm] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    trigger: Trigger = field(init=False)
    policy: RequestPolicy = field(init=False)
    _position: int = 0
    _requests: int = 0

    def __post_init__(self) -> None:
        self.trigger = Trigger(self.profile, self.config, rate_hz=self.rate_hz)
        policy = PolicySettings(confirm_verdicts=self.config.confirm_windows, cooldown_s=self.config.cooldown_s)
        self.policy = RequestPolicy(policy, new_id=self._new_id)

    def take(self, pool: Pool) -> None:
        """Frames, one after the other."""
        calibrated = calibrated_confidence(pool.logits, self.profile.temperature).tolist()
        predicted = pool.predicted.tolist()
        for row, values in enumerate(pool.values):
            result = result_of(values, predicted[row], calibrated[row])
            seen = self.trigger.update(np.array([self._position]), result, self._position, self.now.monotonic_s)
            if seen.alarms or seen.verdict is not None:
                self._told(seen)
            if self._position % _LEARNT_LOOKS == 0 and "contexts" in dict(self.trigger.unsaved()):
                self.policy.on_learnt()
            self._position += 1

    @property
    def now(self) -> Now:
        """The time of the next frame."""
        seconds = self._position / self.rate_hz
        return Now(monotonic_s=seconds, utc_s=1.8e9 + seconds)

    def call_benign(self, name: str) -> None:
        """The operator's word on the present drift."""
        self._noted(self.policy.call_benign(name, self._position, self.now))

    def rebaseline(self, name: str) -> None:
        """The operator has the present input learnt as a context."""
        self._noted(self.policy.rebaseline(self._position, self.now, name=name))
        self.trigger.reset(learn=name)

    def _told(self, seen: Seen) -> None:
        for one in seen.alarms:
            alarm = Alarm(position=one.position, signal=one.signal, detector=one.detector, value=one.value)
            self.alarms.append(alarm)
            self._noted(self.policy.on_alarm(alarm, self.now))
        if seen.verdict is not None:
            self.verdicts.append(seen.verdict)
            self._noted(self.policy.on_verdict(seen.verdict, self.now))

    def _noted(self, outputs: list[PolicyOutput]) -> None:
        self.requests += [output.position for output in outputs if isinstance(output, OpenRequest)]

    def _new_id(self) -> str:
        self._requests += 1
        return f"{self._requests:016x}"
