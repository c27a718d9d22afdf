"""The agent's mind: every event goes in here, and the commands that follow come out, in order.

It joins the update machine, the choice of a bundle and the episodes of drift; each of them is a file of its own. The
shell (``agent.supervisor``) turns what happens into events and carries the commands out. One thread, no waiting.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from agent import ipc
from agent.config import AgentConfig, UpdateConfig
from agent.core import commands as do
from agent.core import events as ev
from agent.core.crash_loop import with_stop
from agent.core.episode import Episode
from agent.core.hold import Hold
from agent.core.operator import Operator
from agent.core.records import ActiveRecord, Now, UpdateRecord
from agent.core.recovery import Recovery
from agent.core.reports import Voice, update_entity
from agent.core.selection import (
    CHANNEL_REV,
    Schedule,
    decide,
    settled_record,
    with_group_desired,
    with_groups,
    with_own_desired,
)
from agent.core.update_events import OUTCOMES, trouble_event, unwell_event, update_event
from agent.core.update_machine import UpdateMachine
from agent.core.update_table import RESTING, State
from agent.core.worker_words import heard, kept_for_the_next, of_source
from edge_models.channel import Channel
from edge_models.manifest import BundleId
from edge_models.wire.telemetry import EventType, Severity
from edge_models.wire.update import UpdateError

_PROGRESS_S = 1.0  # between two model/state that differ in bytes only


@dataclass(slots=True, kw_only=True)
class _Told:
    """What the last model/state said, so that only changes are sent."""

    seen: object = None
    at_s: float = -_PROGRESS_S
    pending: bool = False


class Core:
    """All state of the agent but its processes and sockets.

    Args:
        config: The whole configuration.
        recovery: What was found on disk.
        voice: Stamps messages.
        episode: The episode that was under way.
        rng: Spreads polls.
        now: The moment of the start.
    """

    def __init__(
        self, *, config: AgentConfig, recovery: Recovery, voice: Voice, episode: Episode, rng: random.Random, now: Now
    ) -> None:
        settings = config.update or UpdateConfig(url="http://none.invalid", root="")  # never asked: no check starts
        self.config = config
        record = with_groups(recovery.record, config.groups)
        self.machine = UpdateMachine(
            settings=settings, record=record, active=recovery.active, max_deaths=config.worker.deaths
        )
        self.hold = Hold()
        self.hold.take_up(record, now)
        self.episode = episode
        self.voice = voice
        self.schedule = Schedule(poll_s=settings.poll_s, rng=rng, now_s=now.monotonic_s)
        self.latest: BundleId | None = None
        self._operator = Operator(
            config=config,
            machine=self.machine,
            episode=episode,
            voice=voice,
            schedule=self.schedule,
            hold=self.hold,
            update=self.update,
            reports=self.model_reports,
        )
        self._recovery = recovery
        self._refused: UpdateError | None = None
        self._failing: UpdateError | None = None
        self._told = _Told()
        self._unwell: set[tuple[BundleId, str]] = set()  # what was told of a model's health in this start

    @property
    def active(self) -> ActiveRecord | None:
        """What runs."""
        return self.machine.active

    @property
    def next_deadline_s(self) -> float | None:
        """When a Tick is needed at the latest."""
        times_s = [self.machine.next_deadline_s, self.schedule.next_s if self.config.update else None, self.hold.end_s]
        if self._told.pending:
            times_s.append(self._told.at_s + _PROGRESS_S)
        return min((time_s for time_s in times_s if time_s is not None), default=None)

    def start(self, now: Now) -> list[do.Action]:
        """Take up what was under way, once, before any event."""
        ts = self.voice.ts(now)
        actions = self._follow(lambda: self.machine.resume(self._recovery.move, now.monotonic_s, ts=ts), now)
        if self.machine.state in RESTING:
            actions += self.episode.caught_up(self.machine.state, now, self.active)
        data = {"state": self.machine.state.value, "mended": len(self._recovery.notes)}
        return [*actions, self.voice.event(now, EventType.STARTED, "agent started", data=data)]

    def stop(self) -> list[do.Action]:
        """End on purpose, once: this start counts for no crash loop."""
        return self.machine.remember(with_stop(self.machine.record))

    def handle(self, event: ev.Event, now: Now) -> list[do.Action]:
        """Commands that follow from an event, in order."""
        actions = self._dispatch(event, now)
        return [*actions, *self._tell_if_unwell(now), *self._tell(now)]

    def update(self, event: ev.UpdateEvent, now: Now) -> list[do.Action]:
        """Give the update machine an event, and draw the conclusions from where it then stands."""
        request = self.episode.policy.request
        ts = self.voice.ts(now)
        return self._follow(lambda: self.machine.handle(event, now.monotonic_s, open_request=request, ts=ts), now)

    def model_reports(self, now: Now) -> list[do.Action]:
        """Where the update stands, as messages."""
        machine = self.machine
        progress = (machine.bytes, machine.total)
        error = self._refused or self._failing
        return [
            self.voice.model_state(now, machine.record, machine.active, progress=progress, error=error),
            update_entity(self.config.model, machine.record, machine.active, latest=self.latest, progress=progress),
        ]

    def _dispatch(self, event: ev.Event, now: Now) -> list[do.Action]:
        match event:
            case ev.Tick():
                return [*self.update(event, now), *self._look_at_hold(now), *self._check_if_due(now)]
            case ev.ChannelSeen():
                return self._on_channel(event, now)
            case ev.CheckFailed():
                return self._on_check_failed(event, now)
            case (
                ev.WorkerAlarm() | ev.WorkerWindow() | ev.WorkerVerdict() | ev.WorkerSample() | ev.WorkerPrediction()
                | ev.WorkerStarted() | ev.SourceEnded() | ev.SourceDown() | ev.SourceUp() | ev.FrameSkipped()
            ):  # fmt: skip
                return self._on_worker_word(event, now)
            case (
                ev.Connected() | ev.DesiredSeen() | ev.GroupDesiredSeen() | ev.CommandSeen() | ev.FeedbackSeen()
                | ev.MessageRefused() | ev.SubscriptionRefused()
            ):  # fmt: skip
                return self._on_link_word(event, now)
            case ev.WorkerAdapted() | ev.WorkerDriftSaved():
                return kept_for_the_next(event, self.episode, self.voice, now, self.active)
            case ev.StorageFailed() | ev.WorkerDied():
                return [trouble_event(self.voice, now, event), *self.update(event, now)]
            case _:
                return self.update(event, now)

    def _on_link_word(self, event: ev.LinkEvent, now: Now) -> list[do.Action]:
        match event:
            case ev.Connected():
                return [*self.model_reports(now), *self.episode.resumed(now, self.active), do.PublishState()]
            case ev.SubscriptionRefused(topics=topics):
                message = f"the broker refuses {', '.join(topics)}; look at its access rules"
                return [self.voice.event(now, EventType.SUBSCRIPTION_REFUSED, message, severity=Severity.WARNING)]
            case ev.DesiredSeen(desired=desired):
                return self._on_hint(with_own_desired(self.machine.record, desired), now)
            case ev.GroupDesiredSeen(group=group, desired=group_desired):
                return self._on_hint(with_group_desired(self.machine.record, group, group_desired), now)
            case ev.CommandSeen():
                return self._operator.obey(event, now)
            case ev.FeedbackSeen(feedback=feedback):
                return [do.TellWorker(message=ipc.Feedback(id=feedback.id, label=feedback.label))]
            case ev.MessageRefused(kind=kind, reason=reason):
                message, data = f"{kind}: {reason}", {"kind": kind}
                return [self.voice.event(now, EventType.MESSAGE_REFUSED, message, severity=Severity.WARNING, data=data)]

    def _on_worker_word(
        self,
        event: ev.EpisodeEvent | ev.SourceEvent | ev.WorkerPrediction | ev.WorkerStarted,
        now: Now,
    ) -> list[do.Action]:
        active = self.active
        match event:
            case ev.WorkerStarted():
                return [*self.machine.orders(), *self.episode.first_orders()]
            case ev.SourceEnded() | ev.SourceDown() | ev.SourceUp() | ev.FrameSkipped():
                return [of_source(event, self.voice, now)]
            case _ if active is None:
                return []
            case ev.WorkerPrediction(prediction=prediction, bundle=bundle):
                return [self.voice.prediction(now, bundle or active.bundle, prediction)]
            case _:
                return heard(event, self.episode, now, active)

    def _follow(self, step: Callable[[], list[do.Action]], now: Now) -> list[do.Action]:
        before = self.machine.record
        actions = step()
        after = self.machine.record
        if after.phase is before.phase and after.target == before.target and after.attempt == before.attempt:
            return actions
        return [*actions, *self._conclude(before, now)]

    def _conclude(self, old: UpdateRecord, now: Now) -> list[do.Action]:
        """What a move means for the episode, for the next look at the channel, and for people."""
        before, record, active = old.phase, self.machine.record, self.active
        actions: list[do.Action] = []
        if record.phase is State.DOWNLOADING and record.target is not None:
            actions += self.episode.on_update_started(record.target.answers, now)
        if record.phase is State.COMMITTED and before is not State.COMMITTED and active is not None:
            actions += self.episode.on_commit(now, active)
        if record.phase in RESTING - {State.COMMITTED}:
            actions += self.episode.on_update_failed(now, active)
        if record.phase in RESTING and before not in RESTING and record.phase not in (State.FAILED, State.REJECTED):
            self.schedule.soon(now.monotonic_s)  # something newer may have been asked for meanwhile
        if record.phase in OUTCOMES and (before is not record.phase or old.target != record.target):
            actions.append(update_event(self.voice, now, record))
        return actions

    def _look_at_hold(self, now: Now) -> list[do.Action]:
        record = self.hold.on_time(self.machine.record, now)
        if self.machine.record.held and not record.held:
            self.schedule.soon(now.monotonic_s)
        return self.machine.remember(record)

    def _check_if_due(self, now: Now) -> list[do.Action]:
        if self.config.update is None or not self.schedule.is_due(now.monotonic_s):
            return []
        return [do.StartCheck()]

    def _on_channel(self, event: ev.ChannelSeen, now: Now) -> list[do.Action]:
        forced = self.schedule.done(now.monotonic_s)
        self._failing = None
        versions = {**event.metadata, CHANNEL_REV: event.channel.rev}
        actions = self.machine.remember(replace(self.machine.record, metadata=versions))
        return [*actions, *self._decide(event.channel, now, forced=forced)]

    def _decide(self, channel: Channel, now: Now, *, forced: bool) -> list[do.Action]:
        decision = decide(channel, self.config.id, self.machine.record, self.active, forced=forced, utc_s=now.utc_s)
        self.latest = decision.latest
        actions = self._refuse(decision.refused, now)
        if decision.target is not None:
            actions += self.update(ev.TargetChosen(target=decision.target), now)
        elif decision.settled:
            actions += self.update(ev.TargetWithdrawn(), now)
            if self.active is not None:
                actions += self.machine.remember(settled_record(self.machine.record, self.active, self.config.id))
        return actions

    def _refuse(self, refused: UpdateError | None, now: Now) -> list[do.Action]:
        if refused == self._refused:
            return []
        self._refused = refused
        if refused is None:
            return []
        return [self.voice.event(now, EventType.DESIRED_REFUSED, refused.message, severity=Severity.WARNING)]

    def _on_check_failed(self, event: ev.CheckFailed, now: Now) -> list[do.Action]:
        self.schedule.done(now.monotonic_s)
        if not event.transient:  # being offline is no news
            self._failing = UpdateError.of(event.code, event.message)
        return []

    def _on_hint(self, record: UpdateRecord, now: Now) -> list[do.Action]:
        if record != self.machine.record:
            self.schedule.soon(now.monotonic_s)
        return self.machine.remember(record)

    def _tell_if_unwell(self, now: Now) -> list[do.Action]:
        """Once for each thing that is wrong with a model, not again as it comes and goes."""
        unwell, active = self.machine.unwell, self.active
        if unwell is None or active is None or (active.bundle, unwell.code) in self._unwell:
            return []
        self._unwell.add((active.bundle, unwell.code))
        return [unwell_event(self.voice, now, active, unwell)]

    def _tell(self, now: Now) -> list[do.Action]:
        """model/state and model/update when they would say something new; bytes alone not more than once a second."""
        machine, told = self.machine, self._told
        seen = (machine.record, machine.active, self._refused, self._failing, self.latest)
        if seen == told.seen and (machine.bytes is None or machine.state is not State.DOWNLOADING):
            told.pending = False
            return []
        if seen == told.seen and now.monotonic_s < told.at_s + _PROGRESS_S:
            told.pending = True
            return []
        self._told = _Told(seen=seen, at_s=now.monotonic_s)
        return self.model_reports(now)
