"""Carries out what the core decides: the only place that knows all adapters.

Commands are carried out in order. When a state or the pointer cannot be made durable, the work that would follow it is
not begun and the core hears of it. A way back to the last good model goes on without, and so does a commit: the disk
then still says that the new model is on trial, which the next start repeats.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from agent.active_slot import ActiveSlot
from agent.candidate_slot import CandidateSlot
from agent.config import AgentConfig
from agent.core import commands as do
from agent.core import events as ev
from agent.core.core import Core
from agent.core.records import Now
from agent.core.update_table import RESTING, State
from agent.delivery import Delivery
from agent.errors import StorageError
from agent.health import HealthProbe
from agent.inbound import Inbound
from agent.ipc import Feedback, ShadowOn
from agent.jobs import Jobs
from agent.outbox import Lane, Outbox
from agent.parts import Part
from agent.sink import Sink
from agent.state_dir import StateDir
from agent.state_report import StateReport
from edge_models.errors import FieldError
from edge_models.wire.channels import channel_named
from edge_models.wire.discovery import REMOVE, device_discovery, encode_discovery
from edge_models.wire.predictions import Prediction
from edge_models.wire.telemetry import Meta, Status
from edge_models.wire.telemetry import State as StateMessage
from edge_models.wire.topics import Topics, discovery_topic

log = logging.getLogger(__name__)

SAMPLES_USED = "samples_used"
SAMPLES_DAY = "samples_day"
ANNOUNCED = "announced"  # to Home Assistant
DAY_S = 86400
_GO_ON = RESTING | {State.ROLLING_BACK}  # these end an update: there is nothing left that could be given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """All adapters together.

    Attributes:
        config: Of the agent.
        about: What the device is, but for the time.
        core: For what is reported.
        state_dir: Records and bundles.
        jobs: Short-lived children.
        active: The active worker.
        candidate: The candidate.
        delivery: To the broker.
        inbound: From the broker.
        outbox: Behind delivery.
        health: Of the machine.
        others: Further parts that the loop serves, such as the local socket.
        sink: Of predictions, on this device.
    """

    config: AgentConfig
    about: Meta
    core: Core
    state_dir: StateDir
    jobs: Jobs
    active: ActiveSlot
    candidate: CandidateSlot
    delivery: Delivery
    inbound: Inbound
    outbox: Outbox
    health: HealthProbe
    others: tuple[Part, ...] = ()
    sink: Sink | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything that the loop serves, beside the link."""
        sinks = () if self.sink is None else (self.sink,)
        return (self.active, self.candidate, self.jobs, self.delivery, *sinks, *self.others)

    def carry_out(self, actions: Iterable[do.Action], now: Now) -> list[ev.Event]:
        """Do these; what happened at once comes back as events."""
        events: list[ev.Event] = []
        for action in actions:
            try:
                events += self._do(action, now)
            except StorageError as exc:
                log.error("storage failed action=%s reason=%s", type(action).__name__, exc)  # noqa: TRY400 - the reason says it
                if isinstance(action, (do.StoreUpdate, do.PointTo)):
                    events.append(ev.StorageFailed(message=str(exc)[:300]))
                    if self.core.machine.state not in _GO_ON:
                        return events
        return events

    def greet(self, now: Now) -> None:
        """What a broker has to know of this device after every connect."""
        topics = Topics(self.config.mqtt.base)
        meta = replace(self.about, ts=self.core.voice.ts(now), up=self.core.voice.up(now))
        self.delivery.publish(do.Publish(kind="meta", message=meta), now)
        self._status(Status.ONLINE, topics, now)
        self.discover(now)

    def discover(self, now: Now) -> None:
        """Tell Home Assistant; where that is switched off, an empty message takes away what an earlier start told."""
        topic = discovery_topic(self.config.id, prefix=self.config.homeassistant.prefix)
        if not self.config.homeassistant.enabled:
            if self.outbox.counter(ANNOUNCED):  # once: Home Assistant complains of a removal where nothing is
                self.delivery.send(topic, REMOVE, channel_named("discovery"), now)
                self.outbox.set_counter(ANNOUNCED, 0)
            return
        topics = Topics(self.config.mqtt.base)
        try:
            payload = encode_discovery(
                device_discovery(topics, self.about, state_interval_s=self.config.report.state_s)
            )
        except FieldError as exc:
            log.warning("discovery not sent reason=%s", exc)
            return
        self.delivery.send(topic, payload, channel_named("discovery"), now)
        if not self.outbox.counter(ANNOUNCED):
            self.outbox.set_counter(ANNOUNCED, 1)

    def say_goodbye(self, now: Now) -> None:
        """Publish that this device goes away on purpose."""
        self._status(Status.OFFLINE, Topics(self.config.mqtt.base), now)

    def close(self) -> None:
        """End all children and free everything but the link."""
        for part in self.parts:
            part.close()
        self.outbox.close()

    def state(self, now: Now, seq: int) -> StateMessage:
        """Measure the machine; what ``state`` would say."""
        report = StateReport(
            core=self.core, active=self.active, candidate=self.candidate, jobs=self.jobs, health=self.health,
            inbound=self.inbound, outbox=self.outbox,
        )  # fmt: skip
        return report.measured(now, seq)

    def publish_state(self, now: Now, seq: int) -> None:
        """Measure the machine and tell."""
        self.delivery.publish(do.Publish(kind="state", message=self.state(now, seq)), now)

    def _status(self, status: Status, topics: Topics, now: Now) -> None:
        self.delivery.send(topics.status(self.config.id), status.value.encode(), channel_named("status"), now)

    def _do(self, action: do.Action, now: Now) -> list[ev.Event]:
        match action:
            case (
                do.StoreUpdate() | do.PointTo() | do.StoreRequest() | do.StoreEpisode() | do.StoreDrift()
                | do.StoreAdapted() | do.KeepBundles()
            ):  # fmt: skip
                self._store(action)
                return []
            case do.Publish() | do.Resend() | do.DropSamples() | do.PublishState() | do.TellWorker():
                self._say(action, now)
                return []
            case _:
                return self._work(action, now.monotonic_s)

    def _store(self, action: do.Store) -> None:
        match action:
            case do.StoreUpdate(record=record):
                why = "" if record.error is None else f" code={record.error.code}"
                log.info("update state=%s attempt=%d%s", record.phase.value, record.attempt, why)
                self.state_dir.write_update(record)
            case do.PointTo(active=active):
                log.info("active bundle=%s", None if active is None else active.bundle[:12])
                self.state_dir.write_active(active)
            case do.StoreRequest(record=request):
                self.state_dir.write_request(request)
            case do.StoreEpisode(record=story):
                self.state_dir.write_episode(story)
            case do.StoreDrift(bundle=bundle, kind=kind, body=body):
                self.state_dir.write_drift(bundle, kind, body)
            case do.StoreAdapted(bundle=bundle, artifact=artifact, body=body):
                self.state_dir.write_adapted(bundle, artifact, body)
            case do.KeepBundles(keep=keep):
                self.state_dir.keep_bundles(keep)

    def _say(self, action: do.Publish | do.Resend | do.DropSamples | do.PublishState | do.TellWorker, now: Now) -> None:
        match action:
            case do.Publish(message=Prediction() as prediction) if self.sink is not None:
                self.sink.keep(prediction, now.monotonic_s)
                if self.sink.lets_out(now.monotonic_s):
                    self.delivery.publish(action, now)
            case do.Publish(kind=kind):
                self.delivery.publish(action, now)
                if kind == "sample":
                    self._count_sample(now)
            case do.Resend():
                self.delivery.resend(action, now)
            case do.DropSamples():
                self.outbox.drop(Lane.SAMPLE)
            case do.PublishState():
                self.publish_state(now, self.core.voice.next_state())
            case do.TellWorker(message=message):
                self.active.tell(message)
                if isinstance(message, Feedback):
                    self.candidate.tell(message)

    def _work(self, action: do.Work, now_s: float) -> list[ev.Event]:
        events: list[ev.Event] = []
        match action:
            case do.StartCheck():
                events = self.jobs.check(now_s)
            case do.StartFetch(target=target):
                events = self.jobs.fetch(target, now_s)
            case do.StartVerify(target=target):
                events = self.jobs.verify(target, now_s)
            case do.StartCandidate(bundle=bundle, artifact=artifact):
                events = self.candidate.start(bundle, artifact, now_s)
            case do.StartShadow(rate_hz=rate_hz):
                self.active.tell(ShadowOn(on=True, rate_hz=rate_hz))
            case do.StopTrial():
                self.jobs.stop_trial()
                self.candidate.stop()
                self.active.tell(ShadowOn(on=False))
            case do.RunActive():
                events = self.active.run(self.core.active, now_s)
        return events

    def _count_sample(self, now: Now) -> None:
        self.outbox.set_counter(SAMPLES_USED, self.core.episode.budget.used)
        if now.utc_s is not None:
            self.outbox.set_counter(SAMPLES_DAY, int(now.utc_s // DAY_S))
