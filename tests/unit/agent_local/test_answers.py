"""What the agent answers on its socket: commands go through the core as those of a topic do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from agent.config import SamplesConfig
from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import Now
from agent.local.answers import Answers
from agent.local.messages import Request
from edge_models.wire.command import Reply
from edge_models.wire.telemetry import Meta, State
from edge_models.wire.topics import CommandVerb
from edge_models.wire.values import DeviceId
from tests.unit.agent.whole_core import Device
from tests.unit.agent.world import CONFIG, START_S, UTC_S, only, running

ABOUT = Meta(ts=None, up=0.0, id=DeviceId("pi-1"), agent="1.2", model="digits", channel="stable")


@dataclass
class Surroundings:
    """Hands of which only the core is real; what it orders is kept."""

    device: Device
    ordered: list[do.Action] = field(default_factory=list)

    @property
    def config(self) -> Any:
        return self.device.core.config

    @property
    def core(self) -> Any:
        return self.device.core

    @property
    def about(self) -> Meta:
        return ABOUT

    def state(self, _now: Now, seq: int) -> State:
        return State(ts=None, up=1.0, boot=4, seq=seq, bundle=None, artifact=None, n=7, rate_hz=2.0)

    def carry_out(self, actions: Iterable[do.Action], _now: Now) -> list[ev.Event]:
        self.ordered += actions
        return [ev.Tick()]


def answers(hands: Surroundings) -> Answers:
    return Answers(cast("Any", hands), utc_s=lambda: UTC_S, is_connected=lambda: False)


def test_status_is_what_the_topics_say_and_more() -> None:
    hands = Surroundings(Device(running("a", previous="b")))

    answer, events = answers(hands)(Request(do="status"), START_S)

    status = answer.status
    assert status is not None
    assert (status.id, status.agent, status.connected, status.state.n) == ("pi-1", "1.2", False, 7)
    assert status.update.installed is not None
    assert status.update.installed.version == "v-a"
    assert (events, hands.ordered) == ([], [])


def test_why_has_what_runs_and_where_updates_and_drift_stand() -> None:
    hands = Surroundings(Device(running("a")))
    hands.device.drift()

    answer, _ = answers(hands)(Request(do="why"), START_S)

    why = answer.why
    assert why is not None
    assert why.active == running("a")
    assert why.update == hands.device.core.machine.record
    assert why.episode is not None
    assert why.drift == why.episode.state


def test_why_has_what_keeps_updates_from_going_on_though_no_record_does() -> None:
    hands = Surroundings(Device(running("a")))
    hands.device.tell(ev.CheckFailed(code="expired", message="of last year"))

    why = answers(hands)(Request(do="why"), START_S)[0].why
    status = answers(hands)(Request(do="status"), START_S)[0].status

    assert why is not None
    assert why.error is not None
    assert why.error.code == "expired"
    assert status is not None
    assert status.next_look_s is not None


def test_a_command_is_obeyed_and_its_reply_goes_to_who_asked_alone() -> None:
    hands = Surroundings(Device(running("a", previous="b")))

    answer, events = answers(hands)(Request(do="command", verb=CommandVerb.ROLLBACK), START_S)

    assert (answer.ok, answer.code) == (True, "ok")
    assert events == [ev.Tick()]
    assert only(do.PointTo, hands.ordered)[0].active is not None
    assert not [order for order in only(do.Publish, hands.ordered) if isinstance(order.message, Reply)]


def test_a_refused_command_says_why() -> None:
    answer, _ = answers(Surroundings(Device(running("a"))))(Request(do="command", verb=CommandVerb.ROLLBACK), START_S)

    assert (answer.ok, answer.code) == (False, "nothing_to_roll_back_to")


def test_a_hold_for_two_hours_ends_in_two_hours() -> None:
    hands = Surroundings(Device(running("a")))
    ask = answers(hands)

    ask(Request(do="command", verb=CommandVerb.HOLD, args={"on": True, "for_s": 7200.0}), START_S)
    held, _ = ask(Request(do="status"), START_S + 200)
    ask(Request(do="command", verb=CommandVerb.HOLD, args={"on": False}), START_S + 300)
    free, _ = ask(Request(do="status"), START_S + 300)

    assert held.status is not None
    assert free.status is not None
    assert (held.status.update.held, held.status.hold_left_s) == (True, 7000.0)
    assert (free.status.update.held, free.status.hold_left_s) == (False, None)


def test_samples_are_wiped_in_memory_and_in_the_outbox() -> None:
    config = replace(CONFIG, samples=SamplesConfig(enabled=True))
    hands = Surroundings(Device(running("a"), config=config))

    answers(hands)(Request(do="command", verb=CommandVerb.SAMPLES, args={"do": "wipe"}), START_S)

    assert only(do.DropSamples, hands.ordered)
    assert only(do.TellWorker, hands.ordered)


def test_a_command_without_a_verb_is_refused() -> None:
    answer, _ = answers(Surroundings(Device(running("a"))))(Request(do="command"), START_S)

    assert (answer.ok, answer.code) == (False, "bad_request")


def test_an_agent_that_gives_no_reply_is_no_success() -> None:
    silent: Any = SimpleNamespace(core=SimpleNamespace(handle=lambda *_: []), carry_out=lambda *_: [])

    answer, _ = Answers(silent, utc_s=lambda: None, is_connected=lambda: True)(
        Request(do="command", verb=CommandVerb.CHECK), 0.0
    )

    assert answer.code == "no_reply"
