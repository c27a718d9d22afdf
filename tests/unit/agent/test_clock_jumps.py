"""A clock that jumps by years, in either direction, moves no interval of the agent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import Now
from agent.core.update_table import State
from tests.unit.agent.whole_core import FETCHED, Device
from tests.unit.agent.world import CONFIG, SETTINGS, channel, moment, running

TEN_YEARS_S = 10 * 365 * 86_400.0
JUMPS = [None, 0.0, TEN_YEARS_S, -TEN_YEARS_S]
POLLING = replace(CONFIG, update=replace(SETTINGS, poll_s=300.0))
STEP_S = 5.0


class JumpingDevice(Device):
    """Its wall clock is off by so much; None for no clock."""

    jump_s: float | None = 0.0

    def tell(self, *events: ev.Event) -> list[do.Action]:
        right = moment(self.after_s)
        utc_s = None if self.jump_s is None or right.utc_s is None else right.utc_s + self.jump_s
        now = Now(monotonic_s=right.monotonic_s, utc_s=utc_s)
        return [action for event in events for action in self.core.handle(event, now)]


def looks_in_an_hour(device: JumpingDevice, *jumps: float | None) -> int:
    """How often it looks at the channel, while the clock jumps again and again."""
    looks = 0
    for step in range(int(3600 / STEP_S)):
        device.jump_s = jumps[step % len(jumps)]
        if any(isinstance(action, do.StartCheck) for action in device.wait(STEP_S)):
            looks += 1
            device.tell(ev.CheckFailed(code="network", message="down", transient=True))
    return looks


@pytest.mark.parametrize("jump_s", JUMPS)
def test_looks_keep_their_interval_whatever_the_clock_says(jump_s: float | None) -> None:
    steady = looks_in_an_hour(JumpingDevice(running("a"), config=POLLING), 0.0)

    assert looks_in_an_hour(JumpingDevice(running("a"), config=POLLING), 0.0, jump_s) == steady
    assert 10 <= steady <= 14


@pytest.mark.parametrize("jump_s", JUMPS)
def test_deadline_of_a_state_is_neither_missed_nor_brought_forward(jump_s: float | None) -> None:
    device = JumpingDevice(running("a"), config=POLLING)
    phases = [device.state]
    device.look(channel("a", "b"))
    phases.append(device.state)
    device.jump_s = jump_s
    device.tell(FETCHED)
    phases.append(device.state)
    device.wait(SETTINGS.self_test_timeout_s - 1)
    phases.append(device.state)

    device.wait(2)

    assert phases == [State.IDLE, State.DOWNLOADING, State.VERIFYING, State.VERIFYING]
    assert device.state is not State.VERIFYING
