"""A core in its surroundings: a device that a test tells things, and what it says to them."""

from __future__ import annotations

import itertools
import random

from agent import ipc
from agent.config import AgentConfig
from agent.core import commands as do
from agent.core import events as ev
from agent.core.core import Core
from agent.core.episode import begin_episode
from agent.core.records import ActiveRecord, UpdateRecord
from agent.core.recovery import recover
from agent.core.reports import Voice
from agent.core.request_record import RequestRecord
from agent.core.sample_budget import SampleBudget
from agent.core.update_table import State
from edge_models.channel import Channel
from edge_models.wire.command import Command
from edge_models.wire.telemetry import Event
from edge_models.wire.topics import CommandVerb
from tests.unit.agent.world import CONFIG, bundle, compared, moment, only

PROFILE = "0123456789abcdef"
FETCHED = ev.FetchDone(bundle=bundle("b"))
VERIFIED = ev.TargetVerified(model="digits", version="2.0", serial=2, artifact="tflite-int8")


class Device:
    """A core, its time, and everything it said."""

    def __init__(
        self,
        active: ActiveRecord | None = None,
        *,
        record: UpdateRecord | None = None,
        request: RequestRecord | None = None,
        config: AgentConfig = CONFIG,
    ) -> None:
        ids = itertools.count(1)
        present = frozenset(bundle(letter) for letter in "abcdef")
        voice = Voice(device=config.id, boot=4, started_s=moment().monotonic_s)
        episode = begin_episode(
            config, voice, request, moment(), new_id=lambda: f"q{next(ids)}",
            budget=SampleBudget(per_day=3, day_started_s=moment().monotonic_s), capabilities={"arch": "aarch64"},
        )  # fmt: skip
        self.after_s = 0.0
        self.core = Core(
            config=config, recovery=recover(record, active, present), voice=voice, episode=episode,
            rng=random.Random(1), now=moment(),
        )  # fmt: skip
        self.core.start(moment())
        self.position = 0

    @property
    def state(self) -> State:
        return self.core.machine.state

    def tell(self, *events: ev.Event) -> list[do.Action]:
        return [action for event in events for action in self.core.handle(event, moment(self.after_s))]

    def wait(self, seconds: float) -> list[do.Action]:
        self.after_s += seconds
        return self.tell(ev.Tick())

    def command(
        self, verb: CommandVerb, identity: str | None = "c1", **arguments: bool | float | str
    ) -> list[do.Action]:
        return self.tell(ev.CommandSeen(verb=verb, command=Command(id=identity, args=dict(arguments))))

    def look(self, seen: Channel) -> list[do.Action]:
        return [*self.wait(1000), *self.tell(ev.ChannelSeen(channel=seen, metadata={"root": 1}))]

    def verdicts(self, *effects: float, faults: dict[str, int] | None = None) -> list[do.Action]:
        actions: list[do.Action] = []
        for effect in effects:
            verdict = ipc.Verdict(
                start=self.position, position=self.position + 199, n=200, n_effective=200, profile=PROFILE,
                context="day", effects={"mean": effect, "std": 0.01}, signature={"mean": -effect, "std": 0.01},
                attribution={"mean": 0.8, "std": 0.2}, class_effect=0.1, class_n=200, accuracy=0.6, accuracy_low=0.5,
                accuracy_high=0.7, accuracy_reference=0.9, changed_at=self.position, evidence="ZXZpZGVuY2U=",
                evidence_n=400, faults=faults or {},
            )  # fmt: skip
            self.position += 200
            self.after_s += 20
            actions += self.tell(ev.WorkerVerdict(verdict=verdict))
        return actions

    def window(self) -> list[do.Action]:
        window = ipc.Window(
            start=self.position, position=self.position + 199, n=200, seconds=20.0, rate_hz=10.0, p50_us=300.0,
            p95_us=400.0, mean_confidence=0.9, classes={"1": 120, "7": 80}, sketch="c2tldGNo", profile=PROFILE,
            thin=4,
        )  # fmt: skip
        return self.tell(ev.WorkerWindow(window=window))

    def drift(self) -> list[do.Action]:
        alarm = ipc.Alarm(position=max(self.position - 1, 0), signal="mean", detector="e_bank", value=0.2)
        self.position += 1
        return [*self.tell(ev.WorkerAlarm(alarm=alarm)), *self.verdicts(0.5, 0.5)]

    def install(self, letter: str) -> list[do.Action]:
        ready = ev.WorkerReady(bundle=bundle(letter))
        ran = ev.WorkerRan(bundle=bundle(letter), frames=50)
        told = compared(n=100, agree=90)
        return self.tell(ev.FetchDone(bundle=bundle(letter)), VERIFIED, ev.CandidateTested(ok=True), told, ready, ran)


def messages(kind: type, actions: list[do.Action]) -> list[object]:
    return [action.message for action in only(do.Publish, actions) if isinstance(action.message, kind)]


def events(actions: list[do.Action]) -> list[str]:
    return [message.type for message in messages(Event, actions) if isinstance(message, Event)]
