"""A hold ends when it was said to, whatever the clock does."""

from __future__ import annotations

from agent.core.hold import Hold
from agent.core.records import HoldEnd, Now, UpdateRecord
from agent.core.update_table import State
from edge_models.wire.command import Reply
from edge_models.wire.topics import CommandVerb
from edge_models.wire.update import ModelState
from tests.unit.agent.whole_core import Device, messages
from tests.unit.agent.world import channel, running

HOUR_S = 3600.0
TEN_YEARS_S = 10 * 365 * 86400.0


def at(monotonic_s: float, utc_s: float | None = None) -> Now:
    return Now(monotonic_s=monotonic_s, utc_s=utc_s)


def held(now: Now, for_s: float | None = HOUR_S) -> tuple[Hold, UpdateRecord]:
    hold = Hold()
    return hold, hold.begin(UpdateRecord(), now, for_s=for_s)


def restarted(record: UpdateRecord, now: Now) -> Hold:
    hold = Hold()
    hold.take_up(record, now)
    return hold


def test_hold_without_an_end_stays() -> None:
    hold, record = held(at(0, 1000), None)

    assert hold.end_s is None
    assert hold.on_time(record, at(1e9, 1e9)).held


def test_hold_ends_on_the_monotonic_clock_whatever_the_time_of_day_does() -> None:
    hold, record = held(at(0, 1000))

    for jump_s in (TEN_YEARS_S, -TEN_YEARS_S):
        assert hold.on_time(record, at(3599, max(0.0, 1000 + jump_s))).held
    over = hold.on_time(record, at(3600, 1000))
    assert (over.held, over.hold, hold.end_s) == (False, None, None)


def test_restart_counts_what_passed_while_the_power_was_off() -> None:
    _, record = held(at(0, 1000))

    assert restarted(record, at(50, 1000 + 3000)).end_s == 50 + 600
    assert not restarted(record, at(50, 9000)).on_time(record, at(50, 9000)).held


def test_clock_that_is_behind_cannot_make_it_longer() -> None:
    _, record = held(at(0, 1e9))

    assert restarted(record, at(50, 1e9 - TEN_YEARS_S)).end_s == 50 + HOUR_S


def test_unknown_clock_counts_anew_and_corrects_itself_once_the_time_is_there() -> None:
    _, record = held(at(0, 1000))
    hold = restarted(record, at(50))
    assert hold.end_s == 50 + HOUR_S

    assert not hold.on_time(record, at(60, 1000 + 2 * HOUR_S)).held


def test_hold_of_a_device_without_time_gets_its_end_once_the_time_is_there() -> None:
    hold, record = held(at(0))
    assert record.hold == HoldEnd(left_s=HOUR_S)

    known = hold.on_time(record, at(600, 50_000))

    assert known.hold == HoldEnd(left_s=3000, until_utc_s=53_000)


def command(device: Device, **arguments: bool | float | str) -> Reply:
    actions = device.command(CommandVerb.HOLD, None, **arguments)
    reply = messages(Reply, actions)[0]
    assert isinstance(reply, Reply)
    return reply


class TestCommand:
    """``cmd/hold``."""

    def test_hold_for_a_while_ends_by_itself_and_the_update_follows(self) -> None:
        device = Device(running("a"))
        assert command(device, on=True, for_s=2 * HOUR_S).ok
        assert device.core.next_deadline_s is not None

        device.look(channel("a", "b"))
        assert device.core.machine.record.target is None
        said = messages(ModelState, device.wait(2 * HOUR_S))[-1]
        device.look(channel("a", "b"))

        assert isinstance(said, ModelState)
        assert (said.held, said.held_until) == (False, None)
        assert device.state is State.DOWNLOADING

    def test_end_is_told(self) -> None:
        device = Device(running("a"))

        said = messages(ModelState, device.command(CommandVerb.HOLD, None, on=True, for_s=60))[-1]

        assert isinstance(said, ModelState)
        assert said.held
        assert said.held_until is not None

    def test_hold_off_ends_it(self) -> None:
        device = Device(running("a"))
        command(device, on=True, for_s=HOUR_S)

        assert command(device, on=False).ok
        assert (device.core.machine.record.held, device.core.hold.end_s) == (False, None)

    def test_wrong_time_is_refused(self) -> None:
        device = Device(running("a"))

        for wrong in (0, -1, True, "2h", 1e12):
            reply = command(device, on=True, for_s=wrong)
            assert (reply.ok, reply.code) == (False, "bad_args")
        assert not command(device, on=False, for_s=60).ok
        assert not device.core.machine.record.held
