"""Episodes of drift: what the request policy says, as messages, orders to the worker and a durable request.

The policy decides; this file gathers the evidence that travels with a request, tells the worker to collect evidence
and samples while it matters, and keeps ``request.json`` so that an open request survives a restart unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agent import ipc
from agent.config import AgentConfig
from agent.core import commands as do
from agent.core.records import ActiveRecord, Now, RequestRecord
from agent.core.reports import Voice, clipped_effects
from agent.core.request_policy import (
    CloseRequest,
    OpenRequest,
    PolicyOutput,
    PolicySettings,
    RequestPolicy,
    StateChanged,
    WindowFacts,
)
from agent.core.sample_budget import SampleBudget
from edge_models.wire.drift import DriftReport
from edge_models.wire.telemetry import DriftState, EventType, Severity
from edge_models.wire.update import MAX_EVIDENCE_CHARS, Evidence, ModelRequest, UpdatePhase
from edge_models.wire.values import Timestamp

_WATCHED = (DriftState.SUSPECT, DriftState.CONFIRMED)
_DRIFTING = (DriftState.SUSPECT, DriftState.CONFIRMED, DriftState.REQUESTED)
_EVENTS = {
    DriftState.SUSPECT: (EventType.DRIFT_SUSPECTED, Severity.INFO),
    DriftState.CONFIRMED: (EventType.DRIFT_CONFIRMED, Severity.WARNING),
    DriftState.REQUESTED: (EventType.MODEL_REQUESTED, Severity.WARNING),
    DriftState.RECOVERED: (EventType.DRIFT_RECOVERED, Severity.INFO),
}


@dataclass(slots=True, kw_only=True)
class _Since:
    ts: Timestamp | None = None
    position: int | None = None
    detector: str | None = None
    signal: str | None = None
    suspected: Timestamp | None = None


@dataclass(slots=True, kw_only=True)
class Episode:
    """The present episode, or the calm between two.

    Attributes:
        config: Of the agent.
        voice: Stamps messages.
        policy: Decides.
        budget: Of samples.
        capabilities: What the device can run, for requests.
        request: The open request exactly as it is published.
    """

    config: AgentConfig
    voice: Voice
    policy: RequestPolicy
    budget: SampleBudget
    capabilities: dict[str, str]
    request: ModelRequest | None = None
    _since: _Since = field(default_factory=_Since)
    _window: ipc.Window | None = None
    _position: int = 0

    def resumed(self, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """Messages that a broker must have after every connect; the request is the same one, byte for byte."""
        return [do.Publish(kind="model/request", message=self.request), *self.report(now, active)]

    def orders(self) -> list[do.Action]:
        """What a fresh worker has to be told."""
        return [do.TellWorker(message=ipc.EvidenceOn(on=self.policy.state in _WATCHED)), self._sampling()]

    def on_alarm(self, alarm: ipc.Alarm, now: Now, active: ActiveRecord) -> list[do.Action]:
        """A detector saw a change."""
        self._position = alarm.position
        outputs = self.policy.on_alarm(position=alarm.position, signal=alarm.signal, detector=alarm.detector)
        return self._carry_out(outputs, now, active)

    def on_window(self, window: ipc.Window, now: Now, active: ActiveRecord) -> list[do.Action]:
        """A window is full."""
        self._window, self._position = window, window.position
        is_new_day = self.budget.renew(now.monotonic_s)
        effects = window.effects if window.profile else {}
        facts = WindowFacts(start=window.start, position=window.position, n=window.n, effects=effects)
        was_learning = self.policy.is_learning
        outputs = self.policy.on_window(facts, _policy_time_s(now))
        actions = self._carry_out(outputs, now, active)
        if was_learning and not self.policy.is_learning:  # this device's normal is known now: keep it
            actions.append(do.StoreRequest(record=self._record(now)))
        if not outputs and self.policy.state is not DriftState.OK:  # effects moved, the state did not
            actions += self.report(now, active)
        if is_new_day:  # the worker counts down what it was given
            actions.append(self._sampling())
        if self.config.report.stats:
            actions.append(self.voice.stats(now, active, window))
        return actions

    def on_sample(self, sample: ipc.SampleOut, body: bytes, now: Now, active: ActiveRecord) -> list[do.Action]:
        """An input worth a label; it leaves only if the owner opted in and the budget allows."""
        if not self.config.samples.enabled or self.budget.left == 0:
            return []
        self.budget.used += 1
        return [self.voice.sample(now, active, sample, body)]

    def on_update_started(self, answers: str | None, now: Now) -> list[do.Action]:
        """A bundle is being installed; one that answers the request closes it."""
        outputs = [] if answers is None else self.policy.on_answer(answers)
        return self._carry_out(outputs, now, None)

    def on_update_failed(self, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """It was no good here; when it was the answer, the device is without one again."""
        return self._carry_out([], now, active, always=True) if self.policy.on_answer_failed() else []

    def caught_up(self, phase: UpdatePhase, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """After a restart: draw the conclusion that a power cut may have prevented when the update ended."""
        if phase is not UpdatePhase.COMMITTED or active is None:
            return self.on_update_failed(now, active)
        held = active.bundle if self.request is None else self.request.bundle
        return self.on_commit(now, active) if self.policy.is_answered or held != active.bundle else []

    def on_commit(self, now: Now, active: ActiveRecord) -> list[do.Action]:
        """Another bundle was committed."""
        self._window = None
        return self._carry_out(self.policy.on_commit(self._position), now, active, always=True)

    def dismiss(self, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """The operator wants no model for this."""
        return self._carry_out(self.policy.dismiss(self._position), now, active)

    def rebaseline(self, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """The operator says that the present input is normal."""
        actions = self._carry_out(self.policy.rebaseline(self._position), now, active, always=True)
        return [do.TellWorker(message=ipc.ResetDrift()), *actions]

    def report(self, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """The verdict as a message."""
        window = self._window
        effects = {} if window is None else clipped_effects(window.effects)
        signal = next(iter(effects), self._since.signal)
        message = DriftReport(
            ts=self.voice.ts(now),
            up=self.voice.up(now),
            state=self.policy.state,
            since=self._since.ts,
            position=self._since.position,
            bundle=None if active is None else active.bundle,
            artifact=None if active is None else active.artifact,
            severity=None if signal is None else effects.get(signal),
            signal=signal,
            detector=self._since.detector,
            effects=effects,
            class_effect=None if window is None else window.class_effect,
            n=0 if window is None else window.n,
            request=self.policy.request,
        )
        return [do.Publish(kind="drift", message=message)]

    def _carry_out(
        self, outputs: list[PolicyOutput], now: Now, active: ActiveRecord | None, *, always: bool = False
    ) -> list[do.Action]:
        if not outputs and not always:
            return []
        actions: list[do.Action] = []
        for output in outputs:
            match output:
                case StateChanged():
                    actions += self._on_changed(output, now)
                case OpenRequest():
                    self.request = self._request_of(output, now, active)
                    actions.append(do.Publish(kind="model/request", message=self.request))
                case CloseRequest(id=request, why=why):
                    self.request = None
                    actions.append(do.Publish(kind="model/request", message=None))
                    data = {"request": request, "why": why}
                    actions.append(self.voice.event(now, EventType.REQUEST_CLOSED, f"request {why}", data=data))
        return [do.StoreRequest(record=self._record(now)), *actions, *self.report(now, active), *self.orders()]

    def _on_changed(self, change: StateChanged, now: Now) -> list[do.Action]:
        suspected = self.voice.ts(now) if change.state is DriftState.SUSPECT else self._since.suspected
        self._since = _Since(
            ts=self.voice.ts(now),
            position=change.position,
            detector=change.detector,
            signal=change.signal,
            suspected=suspected,
        )
        if change.state not in _EVENTS:
            return []
        kind, severity = _EVENTS[change.state]
        data = {
            "position": change.position,
            "signal": change.signal,
            "detector": change.detector,
            "severity": None if change.severity is None else round(change.severity, 3),
        }
        return [self.voice.event(now, kind, f"drift {change.state.value}", severity=severity, data=data)]

    def _sampling(self) -> do.TellWorker:
        on = self.config.samples.enabled
        return do.TellWorker(
            message=ipc.SamplesOn(
                on=on,
                budget_left=self.budget.left if on else 0,
                signal=self._since.signal,
                drifting=self.policy.state in _DRIFTING,
            )
        )

    def _request_of(self, output: OpenRequest, now: Now, active: ActiveRecord | None) -> ModelRequest:
        return ModelRequest(
            ts=self.voice.ts(now),
            up=self.voice.up(now),
            id=output.id,
            reason=output.reason,
            model=self.config.model,
            bundle=None if active is None else active.bundle,
            artifact=None if active is None else active.artifact,
            position=output.position,
            signal=output.signal,
            evidence=self._evidence(output),
            capabilities=dict(sorted(self.capabilities.items())),
            samples_on_offer=self.budget.left if self.config.samples.enabled else 0,
        )

    def _evidence(self, output: OpenRequest) -> Evidence | None:
        window = self._window
        if window is None or not window.profile:
            return None
        merged = 0 < len(window.evidence) <= MAX_EVIDENCE_CHARS
        single = "" if len(window.sketch) > MAX_EVIDENCE_CHARS else window.sketch
        return Evidence(
            profile=window.profile,
            sketch=window.evidence if merged else single,
            n=window.evidence_n if merged else window.n,
            effects=dict(sorted(clipped_effects(window.effects).items())),  # as stored, so resent unchanged
            since=self._since.suspected,
            severity=output.severity,
        )

    def _record(self, now: Now) -> RequestRecord:
        policy = self.policy
        until_s = policy.cooldown_until_s
        return RequestRecord(
            state=policy.state,
            request=self.request,
            cooldown_until_s=until_s if until_s is not None and now.utc_s is not None else None,
            baseline=policy.baseline,
            is_learning=policy.is_learning,
        )


def begin_episode(
    config: AgentConfig,
    voice: Voice,
    record: RequestRecord | None,
    now: Now,
    *,
    new_id: Callable[[], str],
    budget: SampleBudget,
    capabilities: dict[str, str],
) -> Episode:
    """The episode that was under way when the agent stopped, or a calm one."""
    settings = PolicySettings(confirm_windows=config.drift.confirm_windows, cooldown_s=config.drift.cooldown_s)
    policy = RequestPolicy(settings, new_id)
    known = record if record is not None else RequestRecord()
    policy.cooldown_until_s = known.cooldown_until_s if now.utc_s is not None else None
    policy.baseline = dict(known.baseline)
    policy.restore(known.state, None if known.request is None else known.request.id, is_learning=known.is_learning)
    return Episode(
        config=config,
        voice=voice,
        policy=policy,
        budget=budget,
        capabilities=capabilities,
        request=known.request,
    )


def _policy_time_s(now: Now) -> float:
    """Time for the cool-down: the calendar's, which survives restarts, or else the time since the machine started."""
    return now.monotonic_s if now.utc_s is None else now.utc_s
