"""What comes from the broker, and what of it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.config import MqttSource
from agent.core import events as ev
from agent.inbound import MAX_BLOCKS_PER_SECOND, MAX_PER_SECOND, Inbound
from agent.link_events import Message
from edge_models.wire.files import FileBlock
from edge_models.wire.topics import CommandVerb
from tests.unit.agent.world import CONFIG, SETTINGS, bundle, moment

CONFIGURED = replace(CONFIG, groups=("south",))
DESIRED = b'{"rev":3,"bundle":"%s"}' % bundle("b").encode()


@pytest.fixture
def inbound() -> Inbound:
    return Inbound(CONFIGURED)


def message(kind: str, payload: bytes, *, retained: bool = False, owner: str = "pi-1") -> Message:
    return Message(topic=f"driftline/{owner}/{kind}", payload=payload, retained=retained)


def test_hint_is_read(inbound: Inbound) -> None:
    event = inbound.event(message("desired", DESIRED, retained=True), moment())

    assert isinstance(event, ev.DesiredSeen)
    assert event.desired is not None
    assert event.desired.rev == 3


def test_empty_hint_takes_it_back(inbound: Inbound) -> None:
    assert inbound.event(message("desired", b""), moment()) == ev.DesiredSeen(desired=None)


def test_hint_to_a_group_names_the_group(inbound: Inbound) -> None:
    event = inbound.event(message("desired", DESIRED, owner="group/south"), moment())

    assert isinstance(event, ev.GroupDesiredSeen)
    assert event.group == "south"


def test_hint_to_a_group_that_the_device_has_left_is_refused(inbound: Inbound) -> None:
    event = inbound.event(message("desired", DESIRED, owner="group/north"), moment())

    assert isinstance(event, ev.MessageRefused)


@pytest.mark.parametrize("payload", [b"", b"{}", b'{"id":"c1","args":{"on":false}}'])
def test_command_is_read_with_or_without_a_body(inbound: Inbound, payload: bytes) -> None:
    event = inbound.event(message("cmd/hold", payload), moment())

    assert isinstance(event, ev.CommandSeen)
    assert event.verb is CommandVerb.HOLD


def test_retained_command_is_refused(inbound: Inbound) -> None:
    event = inbound.event(message("cmd/rollback", b"{}", retained=True), moment())

    assert isinstance(event, ev.MessageRefused)
    assert "retained" in event.reason


def test_oversize_command_is_refused(inbound: Inbound) -> None:
    event = inbound.event(message("cmd/check", b'{"id":"' + b"x" * 9000 + b'"}'), moment())

    assert isinstance(event, ev.MessageRefused)
    assert "9009 bytes" in event.reason


@pytest.mark.parametrize(
    ("kind", "payload"),
    [("desired", b"{"), ("desired", b"\xff\xfe"), ("desired", b'{"rev":1}'), ("desired", b'{"rev":-1,"bundle":"x"}'),
     ("feedback", b"[]"), ("cmd/check", b"[1]"), ("cmd/dance", b"{}"), ("desired", b"[" * 2000), ("state", b"{}")],
)  # fmt: skip
def test_wrong_message_is_refused(inbound: Inbound, kind: str, payload: bytes) -> None:
    assert isinstance(inbound.event(message(kind, payload), moment()), ev.MessageRefused)
    assert sum(inbound.refused.values()) == 1


def test_only_the_first_wrong_message_of_a_kind_is_reported(inbound: Inbound) -> None:
    events = [inbound.event(message("desired", b"{"), moment(at)) for at in range(5)]

    assert [event is not None for event in events] == [True, False, False, False, False]
    assert inbound.refused["desired"] == 5


def test_flood_is_cut_off(inbound: Inbound) -> None:
    events = [inbound.event(message("cmd/check", b"{}"), moment()) for _ in range(MAX_PER_SECOND + 10)]

    assert sum(isinstance(event, ev.CommandSeen) for event in events) == MAX_PER_SECOND


def test_a_flood_of_labels_keeps_no_command_out(inbound: Inbound) -> None:
    label = message("feedback", b'{"id":"4-17","label":3}')
    labels = [inbound.event(label, moment()) for _ in range(MAX_PER_SECOND + 10)]

    assert sum(isinstance(event, ev.FeedbackSeen) for event in labels) == MAX_PER_SECOND
    assert isinstance(inbound.event(message("cmd/rollback", b"{}"), moment()), ev.CommandSeen)
    assert isinstance(inbound.event(message("desired", DESIRED), moment()), ev.DesiredSeen)


def test_frames_of_the_source_go_to_the_worker_untouched() -> None:
    inbound = Inbound(replace(CONFIG, source=MqttSource(topic="cam/1", encoding="raw")))
    frame = Message(topic="cam/1", payload=b"\x00\x01", retained=False)

    first, second = inbound.frame(frame), inbound.frame(frame)

    assert first is not None
    assert second is not None
    assert (first.position, second.position, first.encoding) == (0, 1, "raw")
    assert "cam/1" in inbound.subscriptions


def test_retained_frame_is_old_news() -> None:
    inbound = Inbound(replace(CONFIG, source=MqttSource(topic="cam/1")))

    assert inbound.frame(Message(topic="cam/1", payload=b"[1]", retained=True)) is None
    assert inbound.event(Message(topic="cam/1", payload=b"[1]", retained=True), moment()) is None


def test_birth_of_home_assistant_is_recognised(inbound: Inbound) -> None:
    assert inbound.is_birth(Message(topic="homeassistant/status", payload=b"online", retained=False))
    assert not inbound.is_birth(Message(topic="homeassistant/status", payload=b"offline", retained=False))
    assert inbound.event(Message(topic="homeassistant/status", payload=b"offline", retained=False), moment()) is None


def test_subscriptions_are_for_this_device_only(inbound: Inbound) -> None:
    assert inbound.subscriptions == [
        "driftline/pi-1/desired", "driftline/pi-1/feedback", "driftline/pi-1/cmd/+", "driftline/group/south/desired",
        "homeassistant/status",
    ]  # fmt: skip


BLOCK = b'{"id":"check:t-0","size":2,"data":"e30="}'


def over_mqtt() -> Inbound:
    return Inbound(replace(CONFIG, update=replace(SETTINGS, over="mqtt")))


def test_blocks_are_heard_only_where_files_come_through_the_broker(inbound: Inbound) -> None:
    assert "driftline/pi-1/file/block" not in inbound.subscriptions
    assert inbound.block(message("file/block", BLOCK), moment()) is None

    assert "driftline/pi-1/file/block" in over_mqtt().subscriptions
    assert over_mqtt().block(message("file/block", BLOCK), moment()) == FileBlock(id="check:t-0", size=2, data="e30=")


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"id":"a b"}', b'{"id":"x","size":-1}', b" " * 40_000])
def test_block_that_is_none_is_counted_and_no_event(payload: bytes) -> None:
    inbound = over_mqtt()
    said = message("file/block", payload)

    assert inbound.block(said, moment()) is None
    assert inbound.event(said, moment()) is None
    assert inbound.refused["file/block"] == 1


def test_retained_block_is_not_taken() -> None:
    assert over_mqtt().block(message("file/block", BLOCK, retained=True), moment()) is None


def test_flood_of_blocks_is_cut_off_for_the_rest_of_the_second_and_keeps_no_command_out() -> None:
    inbound = over_mqtt()

    taken = [inbound.block(message("file/block", BLOCK), moment()) for _ in range(MAX_BLOCKS_PER_SECOND + 5)]

    assert [block is not None for block in taken[-6:]] == [True, False, False, False, False, False]
    assert isinstance(inbound.event(message("cmd/check", b"{}"), moment()), ev.CommandSeen)
    assert inbound.block(message("file/block", BLOCK), moment(1.0)) is not None
