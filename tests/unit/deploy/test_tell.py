"""Telling devices something at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from deploy.fleet.tell import reply_subscriptions, tell
from deploy.link import Delivery, Link
from edge_models.wire import Command, CommandVerb, Reply, Topics, decode_message, encode_message
from tests.unit.deploy import messages
from tests.unit.deploy.fakes import FakeClock

TOPICS = Topics()


@dataclass
class AnsweringLink:
    """A link behind which some devices answer."""

    clock: FakeClock
    replies: dict[str, Reply]
    published: list[tuple[str, bytes, bool, int | None]] = field(default_factory=list)
    waiting: list[Delivery] = field(default_factory=list)

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: int | None = None) -> None:
        self.published.append((topic, payload, retain, expiry_s))
        device = TOPICS.parse(topic).owner
        if device in self.replies:
            self.waiting.append(messages.delivery(device, "reply/rebaseline", encode_message(self.replies[device])))

    def receive(self, timeout_s: float) -> list[Delivery]:
        self.clock.sleep(timeout_s)
        found, self.waiting = self.waiting[:1], self.waiting[1:]
        return found

    def acknowledge(self, _deliveries: list[Delivery]) -> None:
        """Nothing to do."""


def reply(identity: str = "c1", *, ok: bool = True) -> Reply:
    return Reply(ts=messages.TS, up=1.0, id=identity, ok=ok, code="ok" if ok else "no_request")


def told(clock: FakeClock, replies: dict[str, Reply], *devices: str) -> tuple[AnsweringLink, dict[str, Reply | None]]:
    link = AnsweringLink(clock, replies)
    found = tell(
        cast("Link", link), TOPICS, devices, CommandVerb.REBASELINE, {"as": "night"}, identity="c1", timeout_s=5,
        clock=clock,
    )  # fmt: skip
    return link, found


def test_each_device_is_told_and_its_reply_returned(clock: FakeClock) -> None:
    link, found = told(clock, {"pi-1": reply(), "pi-2": reply(ok=False)}, "pi-1", "pi-2")

    assert [(topic, retain, expiry_s) for topic, _, retain, expiry_s in link.published] == [
        ("driftline/pi-1/cmd/rebaseline", False, 6),
        ("driftline/pi-2/cmd/rebaseline", False, 6),
    ]
    assert decode_message(Command, link.published[0][1]) == Command(id="c1", args={"as": "night"})
    assert {device: one is not None and one.ok for device, one in found.items()} == {"pi-1": True, "pi-2": False}


def test_it_does_not_wait_longer_than_it_must(clock: FakeClock) -> None:
    before_s = clock.now_s

    told(clock, {"pi-1": reply()}, "pi-1")

    assert clock.now_s - before_s < 1


def test_who_does_not_answer_in_time_has_no_reply(clock: FakeClock) -> None:
    before_s = clock.now_s

    _, found = told(clock, {"pi-1": reply()}, "pi-1", "pi-2")

    assert found["pi-1"] is not None
    assert found["pi-2"] is None
    assert 5 <= clock.now_s - before_s < 6


def test_the_reply_to_another_command_is_none_to_this(clock: FakeClock) -> None:
    _, found = told(clock, {"pi-1": reply("c0")}, "pi-1")

    assert found == {"pi-1": None}


def test_replies_are_subscribed_to_device_by_device() -> None:
    assert reply_subscriptions(TOPICS, ["pi-1"], CommandVerb.SAMPLES) == [("driftline/pi-1/reply/samples", 1)]
