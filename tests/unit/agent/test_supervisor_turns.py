"""The supervisor's loop feeds the watchdog with turns that came to their end, and with nothing else."""

from __future__ import annotations

import random
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.config import AgentConfig
from agent.core import events as ev
from agent.inbound import Inbound
from agent.supervisor import Supervisor
from edge_models.wire.values import DeviceId
from tests.fakes.clock import FakeClock


class Fed:
    """A watchdog that counts."""

    def __init__(self) -> None:
        self.turns: list[float] = []

    def turned(self, now_s: float) -> None:
        self.turns.append(now_s)


def supervisor(watchdog: Fed, *, breaks: bool) -> Supervisor:
    def handle(*_: object) -> list[object]:
        if breaks:
            raise KeyError("a mistake of ours")
        return []

    hands = SimpleNamespace(core=SimpleNamespace(handle=handle), carry_out=lambda *_: [], parts=())
    made = Supervisor(
        hands=cast("Any", hands), link=cast("Any", SimpleNamespace(generation=0)), clock=FakeClock(),
        rng=random.Random(1), watchdog=cast("Any", watchdog),
    )  # fmt: skip
    made._events.append(ev.Tick())
    stubs: Any = made
    stubs._wait = lambda _: None
    stubs._on_time = lambda: None
    return made


def test_a_turn_that_ends_feeds_the_watchdog() -> None:
    watchdog, (wake, other) = Fed(), socket.socketpair()

    supervisor(watchdog, breaks=False)._turn(wake)

    assert watchdog.turns == [1000.0]
    wake.close()
    other.close()


def test_a_turn_that_fails_does_not(caplog: pytest.LogCaptureFixture) -> None:
    watchdog, (wake, other) = Fed(), socket.socketpair()

    supervisor(watchdog, breaks=True)._turn(wake)

    assert watchdog.turns == []
    assert "unforeseen failure=1" in caplog.text
    wake.close()
    other.close()


def test_messages_that_found_no_room_are_told_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    inbound = Inbound(AgentConfig(id=DeviceId("pi-1"), model="digits", state_dir="state"))
    link = SimpleNamespace(generation=0, overflowed=0, drain=lambda _: [])
    made = Supervisor(
        hands=cast("Any", SimpleNamespace(inbound=inbound)), link=cast("Any", link), clock=FakeClock(),
        rng=random.Random(1), watchdog=cast("Any", Fed()),
    )  # fmt: skip

    for link.overflowed in (0, 3, 7):
        made._on_link()

    assert sum(inbound.refused.values()) == 7
    assert [record.levelname for record in caplog.records] == ["WARNING"]
