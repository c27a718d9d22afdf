"""How long the client goes on, and what it tells meanwhile."""

from __future__ import annotations

import random

import pytest

from agent.update_client.errors import DeadlineError, ServerError
from agent.update_client.pacing import MAX_TRIES, Deadline, Retries
from tests.unit.update_client.fakes import Events, FakeTime


def test_waits_double_with_jitter_and_end() -> None:
    time = FakeTime()
    retries = Retries(Deadline(time, 1000.0), time, random.Random(3))

    for _ in range(MAX_TRIES - 1):
        retries.wait(ServerError("down"))
    with pytest.raises(ServerError, match="down"):
        retries.wait(ServerError("down"))

    longest = [0.5, 1.0, 2.0, 4.0, 8.0]
    assert all(limit / 2 <= wait <= limit for wait, limit in zip(time.waits, longest, strict=True))


def test_two_devices_do_not_wait_the_same() -> None:
    first, second = FakeTime(), FakeTime()

    Retries(Deadline(first, 100.0), first, random.Random(1)).wait(ServerError("down"))
    Retries(Deadline(second, 100.0), second, random.Random(2)).wait(ServerError("down"))

    assert first.waits != second.waits


def test_deadline_passes_once_and_for_all() -> None:
    time = FakeTime()
    deadline = Deadline(time, 5.0)
    assert deadline.left_s() == 5.0

    time.sleep(5.0)

    with pytest.raises(DeadlineError, match="not finished in 5 s"):
        deadline.left_s()


def test_passed_deadline_is_not_tried_again() -> None:
    time = FakeTime()
    calls: list[int] = []

    def late() -> None:
        calls.append(1)
        raise DeadlineError("late")

    with pytest.raises(DeadlineError):
        Retries(Deadline(time, 5.0), time, random.Random(1)).call(late)

    assert len(calls) == 1


def test_progress_is_told_four_times_a_second_and_at_the_end() -> None:
    time = FakeTime()
    events = Events(time)

    for step in range(1, 101):
        time.now_s += 0.01
        events.report.progress(step, 100)
    events.report.progress(100, 100)

    told = [line["bytes"] for line in events.lines]
    assert len(told) <= 6
    assert told[-1] == 100
    assert told == sorted(set(told))
