"""Downloads that wait: for the daily budget, which is no failure, and for as long as the registry asks."""

from __future__ import annotations

from agent.core import commands as do
from agent.core import events as ev
from agent.core.update_table import Move, State
from edge_models.wire.update import UpdateError
from tests.unit.agent.stories import FETCHED, Story
from tests.unit.agent.whole_core import Device, events
from tests.unit.agent.world import SETTINGS, START_S, bundle, channel, only, running, target


def budget_is_used_up(wait_s: float = 36_000.0) -> ev.FetchFailed:
    message = "100 bytes count for today"
    return ev.FetchFailed(bundle=bundle("b"), code="budget", message=message, transient=True, retry_after_s=wait_s)


def test_used_up_budget_waits_until_it_opens_and_is_no_failure() -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")))

    for _ in range(10 * SETTINGS.attempts):  # days
        told = story.tell(budget_is_used_up())
        assert [action.record.error for action in only(do.StoreUpdate, told)] == [
            UpdateError.of("budget", "100 bytes count for today")
        ]
        assert story.machine.next_deadline_s == story.now_s + 36_000.0
        assert not story.wait(35_999.0)
        assert only(do.StartFetch, story.wait(1.1))
        assert story.machine.record.error is None

    assert (story.state, story.machine.record.attempt) == (State.DOWNLOADING, 1)
    story.tell(FETCHED)
    assert story.state is State.VERIFYING


def test_download_that_waited_for_its_budget_has_its_whole_time_again() -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")), budget_is_used_up())
    story.wait(36_000.1)

    assert story.machine.next_deadline_s == story.now_s + SETTINGS.download_timeout_s
    assert not only(do.StartFetch, story.wait(SETTINGS.download_timeout_s - 1))
    assert only(do.StoreUpdate, story.wait(2))[-1].record.attempt == 2


def test_restarts_while_the_budget_is_used_up_are_no_attempts() -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")))

    for _ in range(10 * SETTINGS.attempts):
        story.tell(budget_is_used_up())
        story = Story(running("a"), story.machine.record)
        assert only(do.StartFetch, story.machine.resume(Move.RESTARTED, START_S))

    assert story.state is State.DOWNLOADING


def test_wait_that_the_registry_asked_for_is_longer_than_a_download_may_take() -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")))
    wait_s = 2 * SETTINGS.download_timeout_s
    failure = ev.FetchFailed(bundle=bundle("b"), code="network", message="503", transient=True, retry_after_s=wait_s)

    story.tell(failure)

    assert not story.wait(wait_s - 1)
    assert only(do.StartFetch, story.wait(1.1))


def test_budget_that_is_used_up_every_day_is_news_once_and_the_channel_is_looked_at_meanwhile() -> None:
    device = Device(running("a"))
    told = device.look(channel("b"))
    told += device.tell(ev.FetchFailed(bundle=bundle("b"), code="network", message="no answer", transient=True))
    told += device.wait(60)

    for _ in range(10):
        seen = ev.ChannelSeen(channel=channel("b"), metadata={"root": 1})
        told += device.tell(budget_is_used_up(), seen)
        assert only(do.StartCheck, device.wait(18_000))
        told += [*device.tell(seen), *device.wait(18_001)]

    assert events(told) == ["update_started"]
    assert len(only(do.StartFetch, told)) == 12
