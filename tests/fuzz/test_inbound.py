"""Whatever a broker sends to a device: the core takes it or it is refused, and nothing grows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import commands as do
from agent.core.operator import MAX_REPLIES
from agent.inbound import Inbound
from agent.link_events import Message
from edge_models.wire.codec import encode_message
from edge_models.wire.topics import KINDS, CommandVerb
from tests.fuzz.damage import damaged, fuzzed
from tests.unit.agent.whole_core import Device
from tests.unit.agent.world import CONFIG, bundle, moment, running

pytestmark = pytest.mark.fuzz
some = settings(fuzzed, max_examples=500)  # each one makes a whole device
CONFIGURED = replace(CONFIG, groups=("south",))
NAMES = ["on", "for_s", "as", "forget", "benign", "do", "n", "kind", "boot", "first", "last", "id", "rev"]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=40),
    st.sampled_from(["event", "stats", "deliver", "wipe", "night", bundle("b")]),
)  # fmt: skip
ARGS = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=10), VALUES, max_size=18)
BODIES = st.fixed_dictionaries(
    {}, optional={"id": VALUES, "args": ARGS, "rev": VALUES, "bundle": VALUES, "deadline": VALUES, "percent": VALUES}
)
OWNERS = ["pi-1", "group/south", "group/north", "pi-2", "+", "", "é"]


def topics() -> st.SearchStrategy[str]:
    known = st.builds("driftline/{}/{}".format, st.sampled_from(OWNERS), st.sampled_from(KINDS))
    return known | st.sampled_from(["homeassistant/status", "driftline", "/", ""]) | st.text(max_size=60)


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    text: Any = draw(BODIES)
    right = json.dumps(text).encode()  # NaN and Infinity too, which are no JSON
    return draw(st.sampled_from([right, b"", b"{}"]) | damaged(right) | st.binary(max_size=200))


@some
@given(st.lists(st.tuples(topics(), payloads(), st.booleans()), max_size=6))
def test_any_messages_in_any_order(messages: list[tuple[str, bytes, bool]]) -> None:
    inbound, device = Inbound(CONFIGURED), Device(running("a", previous="b"), config=CONFIGURED)
    for topic, payload, is_retained in messages:
        message = Message(topic=topic, payload=payload, retained=is_retained)
        inbound.is_birth(message)
        inbound.frame(message)
        event = inbound.event(message, moment())
        if event is None:
            continue
        for action in device.tell(event):
            if isinstance(action, do.Publish) and action.message is not None:
                encode_message(action.message)  # what it answers is a message of the contract
    assert len(inbound.refused) <= len(KINDS) + 2


@some
@given(st.sampled_from(CommandVerb), ARGS)
def test_any_arguments_of_a_command(verb: CommandVerb, args: dict[str, Any]) -> None:
    inbound, device = Inbound(CONFIGURED), Device(running("a", previous="b"), config=CONFIGURED)
    payload = json.dumps({"id": "c-1", "args": args}).encode()

    event = inbound.event(Message(topic=f"driftline/pi-1/cmd/{verb}", payload=payload, retained=False), moment())

    assert event is not None
    replies = [
        action for action in device.tell(event) if isinstance(action, do.Publish) and action.kind.startswith("reply/")
    ]
    assert len(replies) == (type(event).__name__ == "CommandSeen")


def test_replies_that_are_remembered_are_bounded() -> None:
    inbound, device = Inbound(CONFIGURED), Device(running("a"), config=CONFIGURED)
    for number in range(2 * MAX_REPLIES):
        payload = b'{"id":"c-%d"}' % number
        message = Message(topic="driftline/pi-1/cmd/snapshot", payload=payload, retained=False)
        event = inbound.event(message, moment(number))
        assert event is not None
        device.tell(event)

    operator = device.core._operator
    assert len(operator._replies) == MAX_REPLIES
