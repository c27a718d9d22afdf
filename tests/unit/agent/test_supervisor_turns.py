"""The supervisor's loop feeds the watchdog with turns that came to their end, and with nothing else."""

from __future__ import annotations

import logging
import random
import socket
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.config import AgentConfig
from agent.core import events as ev
from agent.inbound import Inbound
from agent.link_events import Down
from agent.supervisor import MOST_REASONS, Supervisor
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


def listening(link: SimpleNamespace) -> tuple[Supervisor, Inbound]:
    inbound = Inbound(AgentConfig(id=DeviceId("pi-1"), model="digits", state_dir="state"))
    hands = SimpleNamespace(inbound=inbound, delivery=SimpleNamespace(on_down=lambda: None))
    made = Supervisor(
        hands=cast("Any", hands), link=cast("Any", link), clock=FakeClock(), rng=random.Random(1),
        watchdog=cast("Any", Fed()),
    )  # fmt: skip
    return made, inbound


def test_reasons_for_no_connection_are_told_once_each_however_they_take_turns(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    downs = [Down(reason=reason) for reason in (*("refused", "timed out") * 50, *map(str, range(2 * MOST_REASONS)))]
    made, _ = listening(SimpleNamespace(generation=0, overflowed=0, drain=lambda _: downs))

    made._on_link()

    assert len(caplog.records) == MOST_REASONS
    assert [record.args for record in caplog.records[:2]] == [("refused",), ("timed out",)]


def test_messages_that_found_no_room_are_told_once_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    link = SimpleNamespace(generation=0, overflowed=0, drain=lambda _: [])
    made, inbound = listening(link)

    for link.overflowed in (0, 3, 7):
        made._on_link()

    assert sum(inbound.refused.values()) == 7
    assert [record.levelname for record in caplog.records] == ["WARNING"]
