"""Episodes of drift: what the request policy says, as messages, orders to the worker and durable records.

The policy decides; this file gathers the evidence that travels with a request, tells the worker to collect evidence
and samples while it matters, and keeps ``request.json`` and ``episode.json``, so that an open request survives a
restart unchanged and the last episode can be told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from agent import ipc
from agent.config import AgentConfig
from agent.core import commands as do
from agent.core.drift_messages import changed_event, drift_report, evidence_of, fitting_request
from agent.core.episode_history import EpisodeHistory, Stamp
from agent.core.episode_record import EpisodeRecord
from agent.core.records import ActiveRecord, Now
from agent.core.reports import Voice
from agent.core.request_outputs import CloseRequest, OpenRequest, PolicyOutput, PolicySettings, StateChanged
from agent.core.request_policy import RequestPolicy
from agent.core.request_record import RequestRecord
from agent.core.sample_budget import SampleBudget
from edge_models.wire.telemetry import DriftState, EventType
from edge_models.wire.update import ModelRequest, UpdatePhase

_WATCHED = (DriftState.SUSPECT, DriftState.CONFIRMED)
_DRIFTING = (DriftState.SUSPECT, DriftState.CONFIRMED, DriftState.REQUESTED)


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
        history: The story of the episode.
    """

    config: AgentConfig
    voice: Voice
    policy: RequestPolicy
    budget: SampleBudget
    capabilities: dict[str, str]
    request: ModelRequest | None = None
    history: EpisodeHistory = field(default_factory=EpisodeHistory)
    _stored: RequestRecord | None = None
    _window: ipc.Window | None = None
    _verdict: ipc.Verdict | None = None
    _position: int = 0
    _faults: Counter[str] = field(default_factory=Counter)  # of verdicts since the last row
    _entered: int | None = None  # frame at which the state was

    def resumed(self, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """Messages that a broker must have after every connect; the request is the same one, byte for byte."""
        return [do.Publish(kind="model/request", message=self.request), *self.report(now, active)]

    def orders(self) -> list[do.Action]:
        """What the worker has to collect from now on."""
        return [do.TellWorker(message=ipc.EvidenceOn(on=self.policy.state in _WATCHED)), self._sampling()]

    def first_orders(self) -> list[do.Action]:
        """What a fresh worker has to be told; a context that its forerunner was learning begins anew."""
        learning = self.policy.record.learning
        learn = [] if learning is None else [do.TellWorker(message=ipc.ResetDrift(learn=learning))]
        return [*learn, *self.orders()]

    def on_alarm(self, alarm: ipc.Alarm, now: Now, active: ActiveRecord) -> list[do.Action]:
        """A detector saw a change."""
        self._position = alarm.position
        return self._carry_out(self.policy.on_alarm(alarm, now), now, active)

    def on_window(self, window: ipc.Window, now: Now, active: ActiveRecord) -> list[do.Action]:
        """A window is full."""
        self._window, self._position = window, window.position
        outputs = [] if window.profile else self.policy.on_unmeasured(window.position, now)
        actions = self._carry_out(outputs, now, active)
        if self.budget.renew(now.monotonic_s):  # the worker counts down what it was given
            actions.append(self._sampling())
        if self.config.report.stats:
            actions.append(self.voice.stats(now, active, window, self._faults))
            self._faults.clear()
        return actions

    def on_verdict(self, verdict: ipc.Verdict, now: Now, active: ActiveRecord) -> list[do.Action]:
        """A stretch of independent frames was measured."""
        before, self._verdict, self._position = self._verdict, verdict, verdict.position
        self._faults.update(verdict.faults)
        outputs = self.policy.on_verdict(verdict, now)
        actions = self._carry_out(outputs, now, active, verdict=verdict)
        is_other = before is None or (before.context, before.commissioned) != (verdict.context, verdict.commissioned)
        if not outputs and (is_other or self.policy.state is not DriftState.OK):  # effects moved, the state did not
            actions += self.report(now, active)
        return actions

    def on_learnt(self, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """The worker knows the context that it was told to learn."""
        if self.policy.record.learning is None:
            return []
        self.policy.on_learnt()
        return [*self._kept(), *self.report(now, active)]

    def on_sample(self, sample: ipc.SampleOut, body: bytes, now: Now, active: ActiveRecord) -> list[do.Action]:
        """An input worth a label; it leaves only if the owner opted in and the budget allows."""
        if not self.config.samples.enabled or self.budget.left == 0:
            return []
        self.budget.used += 1
        return [self.voice.sample(now, active, sample, body)]

    def on_update_started(self, answers: str | None, now: Now) -> list[do.Action]:
        """A bundle is being installed; one that answers the request closes it."""
        outputs = [] if answers is None else self.policy.on_answer(answers, self._position, now)
        return self._carry_out(outputs, now, None)

    def on_update_failed(self, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """It was no good here; when it was the answer, the device is without one again."""
        return self._carry_out(self.policy.on_answer_failed(self._position, now), now, active)

    def caught_up(self, phase: UpdatePhase, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """After a restart: draw the conclusion that a power cut may have prevented when the update ended."""
        if phase is not UpdatePhase.COMMITTED or active is None:
            return self.on_update_failed(now, active)
        held = active.bundle if self.request is None else self.request.bundle
        return self.on_commit(now, active) if self.policy.is_answered or held != active.bundle else []

    def on_commit(self, now: Now, active: ActiveRecord) -> list[do.Action]:
        """Another bundle was committed; its worker runs already, and starts counting again."""
        self._window = self._verdict = None
        actions = self._carry_out(self.policy.on_commit(self._position, now), now, active, always=True)
        return [do.TellWorker(message=ipc.ResetDrift(learn=self.policy.record.learning)), *actions]

    def dismiss(self, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """The operator wants no model for this."""
        return self._carry_out(self.policy.dismiss(self._position, now), now, active)

    def call_benign(self, name: str, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """The operator says that the present drift is harmless whenever it comes."""
        return self._carry_out(self.policy.call_benign(name, self._position, now), now, active, always=True)

    def forget_benign(self, name: str, now: Now, active: ActiveRecord | None) -> list[do.Action] | None:
        """The operator takes that back; None when no drift has this name."""
        return self._carry_out([], now, active, always=True) if self.policy.forget(name) else None

    def rebaseline(self, now: Now, active: ActiveRecord | None, *, name: str | None, forget: bool) -> list[do.Action]:
        """The operator says that the present input is normal."""
        outputs = self.policy.rebaseline(self._position, now, name=name)
        actions = self._carry_out(outputs, now, active, always=True)
        dropped: list[do.Action] = []
        if forget and active is not None:
            dropped = [do.StoreDrift(bundle=active.bundle, kind="contexts", body=b"")]
        reset = ipc.ResetDrift(learn=self.policy.record.learning, forget=forget)
        return [*dropped, do.TellWorker(message=reset), *actions]

    def report(self, now: Now, active: ActiveRecord | None) -> list[do.Action]:
        """The verdict as a message."""
        report = drift_report(now, self.voice, self.policy, self._verdict, active, position=self._entered)
        return [do.Publish(kind="drift", message=report)]

    def _carry_out(
        self,
        outputs: list[PolicyOutput],
        now: Now,
        active: ActiveRecord | None,
        *,
        always: bool = False,
        verdict: ipc.Verdict | None = None,
    ) -> list[do.Action]:
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
        kept = [
            *self._kept(at_once=always or bool(outputs)),
            *self._told(outputs, now, active, verdict, changed=always or bool(outputs)),
        ]
        if not outputs and not always:
            return kept
        return [*kept, *actions, *self.report(now, active), *self.orders()]

    def _kept(self, *, at_once: bool = True) -> list[do.Action]:
        """request.json, when it would say something new; what a drift looks like can wait, for it moves every time."""
        record, stored = self.policy.kept(self.request), self._stored
        if stored is not None and not at_once:
            shift = stored.policy.shift or record.policy.shift
            alike = replace(record, policy=replace(record.policy, shift=shift))
        else:
            alike = record
        if alike == stored:
            return []
        self._stored = record
        return [do.StoreRequest(record=record)]

    def _told(
        self,
        outputs: list[PolicyOutput],
        now: Now,
        active: ActiveRecord | None,
        verdict: ipc.Verdict | None,
        *,
        changed: bool,
    ) -> list[do.Action]:
        """episode.json, when it is time."""
        ts, up, boot = self.voice.ts(now), self.voice.up(now), self.voice.boot
        stamp = Stamp(ts=ts, up=up, boot=boot, device=self.config.id, model=self.config.model, active=active)
        self.history.on_outputs(outputs, self.policy, stamp, self._position)
        if verdict is not None:
            self.history.on_verdict(verdict, self.policy, stamp)
        record = self.history.to_store(changed=changed)
        return [] if record is None else [do.StoreEpisode(record=record)]

    def _on_changed(self, change: StateChanged, now: Now) -> list[do.Action]:
        policy, ts = self.policy, self.voice.ts(now)
        suspected = ts if change.state is DriftState.SUSPECT else policy.record.suspected
        policy.record = replace(policy.record, since=ts, suspected=suspected)
        self._entered = change.position
        event = changed_event(change, self.policy, self.voice, now)
        return [] if event is None else [event]

    def _sampling(self) -> do.TellWorker:
        on = self.config.samples.enabled
        return do.TellWorker(
            message=ipc.SamplesOn(
                on=on,
                budget_left=self.budget.left if on else 0,
                signal=self.policy.record.signal,
                drifting=self.policy.state in _DRIFTING,
            )
        )

    def _request_of(self, output: OpenRequest, now: Now, active: ActiveRecord | None) -> ModelRequest:
        request = ModelRequest(
            ts=self.voice.ts(now),
            up=self.voice.up(now),
            id=output.id,
            reason=output.reason,
            model=self.config.model,
            bundle=None if active is None else active.bundle,
            artifact=None if active is None else active.artifact,
            position=output.position,
            signal=output.signal,
            evidence=evidence_of(output, self.policy, self._verdict, self._window),
            capabilities=dict(sorted(self.capabilities.items())),
            samples_on_offer=self.budget.left if self.config.samples.enabled else 0,
        )
        return fitting_request(request)


def begin_episode(
    config: AgentConfig,
    voice: Voice,
    record: RequestRecord | None,
    now: Now,
    *,
    new_id: Callable[[], str],
    budget: SampleBudget,
    capabilities: dict[str, str],
    story: EpisodeRecord | None = None,
) -> Episode:
    """The episode that was under way when the agent stopped, or a calm one.

    Args:
        config: Of the agent.
        voice: Stamps messages.
        record: request.json, or None.
        now: The moment of the start.
        new_id: Gives an id that no other request of the fleet has.
        budget: Of samples.
        capabilities: What the device can run, for requests.
        story: episode.json, or None.
    """
    settings = PolicySettings(confirm_verdicts=config.drift.confirm_windows, cooldown_s=config.drift.cooldown_s)
    policy = RequestPolicy(settings, new_id)
    known = record if record is not None else RequestRecord()
    policy.restore(known, now)
    return Episode(
        config=config,
        voice=voice,
        policy=policy,
        budget=budget,
        capabilities=capabilities,
        request=known.request,
        history=EpisodeHistory(record=story, kept=story),
    )
