"""Which failures say that a bundle is bad, and which say nothing about it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import UpdateRecord
from agent.core.update_machine import UpdateMachine
from agent.core.update_table import Move, State
from tests.unit.agent.stories import FETCHED, VERIFIED, Story, ready
from tests.unit.agent.world import SETTINGS, START_S, bundle, only, running, target


@pytest.mark.parametrize("code", ["interrupted", "job", "not_published"])
def test_bundle_is_not_to_blame_for_what_becomes_of_our_children_and_the_registry(code: str) -> None:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=target("b")))

    for _ in range(SETTINGS.attempts):
        story.tell(ev.FetchFailed(bundle=bundle("b"), code=code, message="killed", transient=code != "not_published"))
        story.wait(300)

    assert story.state is State.FAILED
    assert not story.machine.record.is_bad(bundle("b"), 7)


def test_verification_that_could_not_be_done_does_not_reject_the_bundle() -> None:
    story = Story(running("a"))

    story.tell(ev.TargetChosen(target=target("b")), FETCHED)
    story.tell(ev.TargetBad(code="interrupted", message="the verify child ended with signal 9", transient=True))

    assert story.state is State.FAILED
    assert not story.machine.record.is_bad(bundle("b"), 7)


def test_running_bundle_that_was_damaged_on_disk_makes_room_for_the_last_good_one_and_may_come_again() -> None:
    story = Story(running("b", serial=2, previous="a"), UpdateRecord(phase=State.COMMITTED, target=target("b")))

    story.tell(ev.WorkerDied(bundle=bundle("b"), reason="bundle: sha256 differs", is_damaged=True), ready("a"))

    assert story.state is State.ROLLED_BACK
    assert story.machine.active is not None
    assert story.machine.active.bundle == bundle("a")
    assert not story.machine.record.is_bad(bundle("b"), 7)
    assert not story.machine.record.is_bad(bundle("b"), 0)
    assert only(do.StartFetch, story.tell(ev.TargetChosen(target=target("b"))))


def test_damaged_bundle_without_a_last_good_one_stays_because_there_is_no_other() -> None:
    story = Story(running("b"), UpdateRecord(phase=State.COMMITTED, target=target("b")))

    story.tell(ev.WorkerDied(bundle=bundle("b"), reason="bundle: sha256 differs", is_damaged=True))

    assert story.state is State.COMMITTED


def test_full_card_does_not_take_the_only_model_away_while_it_runs_on_trial() -> None:
    story = Story()
    story.tell(ev.TargetChosen(target=target("b")), FETCHED, VERIFIED, ev.CandidateTested(ok=True), ready("b"))

    story.tell(ev.StorageFailed(message="no space"))

    story.expect(State.PROVISIONAL)
    assert story.machine.active is not None


def test_candidate_that_could_not_be_started_does_not_reject_the_bundle() -> None:
    story = Story(running("a"))

    story.tell(ev.TargetChosen(target=target("b")), FETCHED, VERIFIED)
    story.tell(ev.CandidateDied(reason="worker cannot be started: no memory", blames_model=False))

    assert story.state is State.FAILED
    assert not story.machine.record.is_bad(bundle("b"), 7)


def test_interrupted_state_counts_as_an_attempt_and_is_given_up_in_the_end() -> None:
    record = UpdateRecord(phase=State.SELF_TEST, target=target("b"), attempt=1)

    for _ in range(SETTINGS.attempts - 1):
        machine = UpdateMachine(settings=SETTINGS, record=record, active=running("a"))
        machine.resume(Move.RESTARTED, START_S)
        assert machine.state is State.VERIFYING
        record = replace(machine.record, phase=State.SELF_TEST)
    machine = UpdateMachine(settings=SETTINGS, record=record, active=running("a"))
    machine.resume(Move.RESTARTED, START_S)

    assert machine.state is State.FAILED
    assert machine.record.is_bad(bundle("b"), 7)


def test_model_that_takes_the_agent_down_with_it_is_rolled_back() -> None:
    record = UpdateRecord(phase=State.PROVISIONAL, target=target("b"), attempt=SETTINGS.attempts)
    machine = UpdateMachine(settings=SETTINGS, record=record, active=running("b", previous="a", provisional=True))

    orders = machine.resume(Move.RESTARTED, START_S)

    assert machine.state is State.ROLLING_BACK
    assert machine.active is not None
    assert machine.active.bundle == bundle("a")
    assert only(do.RunActive, orders)
