"""``cmd/resend``: which orders are obeyed."""

from __future__ import annotations

import pytest

from agent.core import commands as do
from agent.core import events as ev
from agent.core.resend import MAX_RESENT
from edge_models.wire.command import Command, Reply
from edge_models.wire.topics import CommandVerb
from edge_models.wire.values import Scalar
from tests.unit.agent.whole_core import Device
from tests.unit.agent.world import only, published, running

GOOD: dict[str, Scalar] = {"kind": "stats", "boot": 4, "first": 3, "last": 5}


def ask(args: dict[str, Scalar]) -> tuple[list[do.Resend], Reply]:
    """What the outbox is told, and the reply."""
    actions = Device(running("a")).tell(ev.CommandSeen(verb=CommandVerb.RESEND, command=Command(id=None, args=args)))
    (reply,) = published("reply/resend", actions)
    assert isinstance(reply, Reply)
    return only(do.Resend, actions), reply


def test_range_is_sent_again() -> None:
    orders, reply = ask(GOOD)

    assert orders == [do.Resend(kind="stats", boot=4, first=3, last=5)]
    assert reply.ok


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "sample"}, {"kind": None}, {"boot": "4"}, {"boot": True}, {"boot": -1}, {"first": 6},
        {"first": 1.0}, {"last": 3 + MAX_RESENT}, {"last": None},
    ],
)  # fmt: skip
def test_order_that_is_none_is_refused_and_sends_nothing(wrong: dict[str, Scalar]) -> None:
    orders, reply = ask(GOOD | wrong)

    assert orders == []
    assert reply.code == "bad_args"
