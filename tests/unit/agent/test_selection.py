"""Which bundle a device chooses, and when it looks."""

from __future__ import annotations

import random
from dataclasses import replace

from agent.core.records import BadBundle, UpdateRecord
from agent.core.selection import Decision, Schedule, decide, settled_record, with_group_desired, with_own_desired
from agent.core.update_table import State
from edge_models.wire.results import Outcome, remedy
from edge_models.wire.update import Desired, GroupDesired, LastResult
from edge_models.wire.values import timestamp
from tests.unit.agent.world import bundle, channel, running, target

RECORD = UpdateRecord()


def hinted(letter: str, *, rollout: str | None = None, answers: str | None = None) -> UpdateRecord:
    return replace(RECORD, own_desired=Desired(rev=1, bundle=bundle(letter), rollout=rollout, answers=answers))


def test_channel_alone_decides_without_a_hint() -> None:
    decision = decide(channel("a", "b"), "pi-1", RECORD, running("a"))

    assert decision.target is not None
    assert (decision.target.bundle, decision.target.serial, decision.target.rev) == (bundle("b"), 2, 7)


def test_running_bundle_is_settled() -> None:
    decision = decide(channel("a", "b"), "pi-1", RECORD, running("b", serial=2))

    assert decision.settled
    assert decision.target is None


def test_hint_carries_rollout_and_request_along() -> None:
    decision = decide(channel("a", "b"), "pi-1", hinted("b", rollout="r-1", answers="q-1"), running("a"))

    assert decision.target is not None
    assert (decision.target.rollout, decision.target.answers) == ("r-1", "q-1")


def test_hint_at_an_unlisted_bundle_is_refused_and_the_channel_followed() -> None:
    decision = decide(channel("b"), "pi-1", hinted("a"), running("b", serial=1))

    assert decision.refused is not None
    assert decision.settled


def test_hint_at_the_bundle_that_ran_before_is_refused_unless_listed() -> None:
    decision = decide(channel("b"), "pi-1", hinted("a"), running("b", previous="a"))

    assert decision.refused is not None
    assert decision.settled  # obeying it would swap the two for ever: each time the other one ran before


def test_bundle_that_failed_here_waits_for_the_next_revision() -> None:
    record = replace(RECORD, bad=(BadBundle(bundle=bundle("b"), rev=7),))

    assert decide(channel("a", "b", rev=7), "pi-1", record, running("a")).target is None
    assert decide(channel("a", "b", rev=8), "pi-1", record, running("a")).target is not None


def test_operator_may_insist_on_a_bundle_that_failed_or_is_held() -> None:
    record = replace(RECORD, held=True, bad=(BadBundle(bundle=bundle("b"), rev=7),))

    assert decide(channel("a", "b"), "pi-1", record, running("a")).target is None
    assert decide(channel("a", "b"), "pi-1", record, running("a"), forced=True).target is not None


def test_held_device_still_tells_what_it_would_install() -> None:
    decision = decide(channel("a", "b"), "pi-1", replace(RECORD, held=True), running("a"))

    assert decision.target is None
    assert decision.latest == bundle("b")


def test_own_hint_beats_the_hint_of_a_group() -> None:
    record = with_group_desired(hinted("b"), "south", GroupDesired(rev=9, bundle=bundle("c")))

    decision = decide(channel("a", "b", "c"), "pi-1", record, running("a"))

    assert decision.target is not None
    assert decision.target.bundle == bundle("b")


def test_hint_that_was_taken_back_counts_no_more() -> None:
    record = with_group_desired(with_own_desired(hinted("b"), None), "south", None)

    assert record == RECORD


def test_device_that_already_runs_what_a_rollout_wants_says_so() -> None:
    record = settled_record(hinted("b", rollout="r-2"), running("b"), "pi-1")

    assert record.last_result == LastResult(
        bundle=bundle("b"), outcome=State.COMMITTED, rollout="r-2", attempt=0, result=Outcome.ALREADY_INSTALLED
    )


class TestSchedule:
    """When to look at the channel."""

    def schedule(self) -> Schedule:
        return Schedule(poll_s=300, rng=random.Random(1), now_s=0.0)

    def test_first_look_is_at_the_start(self) -> None:
        assert self.schedule().is_due(0.0)

    def test_next_look_comes_after_the_poll_interval_with_jitter(self) -> None:
        schedule = self.schedule()
        schedule.is_due(0.0)
        schedule.done(10.0)

        assert schedule.next_s is not None
        assert 10 + 270 <= schedule.next_s <= 10 + 330

    def test_one_look_at_a_time(self) -> None:
        schedule = self.schedule()
        schedule.is_due(0.0)

        assert schedule.next_s is None
        assert not schedule.is_due(1000.0)

    def test_hint_during_a_look_asks_for_another_one(self) -> None:
        schedule = self.schedule()
        schedule.is_due(0.0)
        schedule.soon(1.0, forced=True)

        assert not schedule.done(2.0)  # that look began before the operator insisted
        assert schedule.is_due(3.0)
        assert schedule.done(4.0)


class TestDeadline:
    """A hint that is not to be started after a moment."""

    END_S = 1_795_000_000.0
    RECORD = replace(RECORD, own_desired=Desired(rev=1, bundle=bundle("b"), deadline=timestamp(END_S)))
    SEEN = channel("a", "b", chosen="a")

    def decided(self, utc_s: float | None, record: UpdateRecord = RECORD, letter: str = "a") -> Decision:
        return decide(self.SEEN, "pi-1", record, running(letter), utc_s=utc_s)

    def test_in_time_it_is_followed(self) -> None:
        assert self.decided(self.END_S - 1).target is not None

    def test_too_late_the_channel_is_followed_and_it_is_told(self) -> None:
        decision = self.decided(self.END_S + 1)

        assert decision.settled
        assert decision.refused is not None
        assert (decision.refused.code, decision.refused.remedy) == ("deadline_passed", remedy("deadline_passed"))

    def test_device_without_time_does_not_start_it(self) -> None:
        decision = self.decided(None)

        assert decision.target is None
        assert decision.refused is not None
        assert decision.refused.code == "clock_unknown"

    def test_what_runs_or_is_under_way_goes_on(self) -> None:
        busy = replace(self.RECORD, phase=State.DOWNLOADING, target=target("b"))

        assert self.decided(self.END_S + 1, letter="b").settled
        assert self.decided(self.END_S + 1, busy).target is not None
        assert self.decided(self.END_S + 1, replace(busy, phase=State.FAILED)).target is None
