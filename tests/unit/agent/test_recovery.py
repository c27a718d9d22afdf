"""What a start-up makes of what it finds on disk."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.records import ActiveRecord, BadBundle, Crashes, UpdateRecord
from agent.core.recovery import recover
from agent.core.update_table import RESTING, Move, State
from tests.unit.agent.world import bundle, running, target

BOTH = frozenset({bundle("a"), bundle("b")})


def test_fresh_device_has_nothing_and_is_idle() -> None:
    found = recover(None, None, frozenset())

    assert (found.record, found.active, found.move) == (UpdateRecord(), None, Move.RESTARTED)


def test_resting_device_goes_on_as_it_was() -> None:
    record = UpdateRecord(phase=State.COMMITTED, target=target("b"))

    found = recover(record, running("b", previous="a"), BOTH)

    assert (found.active, found.notes) == (running("b", previous="a"), ())
    assert found.record == replace(record, crashes=Crashes(bundle=bundle("b"), starts=1))


def test_lost_active_bundle_falls_back_to_the_previous_one() -> None:
    found = recover(UpdateRecord(phase=State.IDLE), running("b", previous="a"), frozenset({bundle("a")}))

    assert found.active is not None
    assert found.active.bundle == bundle("a")
    assert found.notes


def test_previous_bundle_that_is_gone_is_no_way_back() -> None:
    found = recover(UpdateRecord(), running("b", previous="a"), frozenset({bundle("b")}))

    assert found.active == running("b")


def test_lost_pointer_is_taken_from_the_last_commit() -> None:
    known = replace(target("b"), artifact="tflite-int8", version="2.0")

    found = recover(UpdateRecord(phase=State.COMMITTED, target=known), None, BOTH)

    assert found.active is not None
    assert (found.active.bundle, found.active.serial) == (bundle("b"), 2)


def test_unproven_pointer_without_its_record_is_proved_again() -> None:
    found = recover(None, running("b", serial=2, previous="a", provisional=True), BOTH)

    assert found.record.phase is State.PROVISIONAL
    assert found.record.target is not None
    assert found.record.target.bundle == bundle("b")


def test_target_whose_files_are_gone_is_fetched_again() -> None:
    found = recover(UpdateRecord(phase=State.SHADOW, target=target("b")), running("a"), frozenset({bundle("a")}))

    assert found.move is Move.LOST


def test_busy_state_without_a_target_is_idle() -> None:
    found = recover(UpdateRecord(phase=State.DOWNLOADING), running("a"), BOTH)

    assert found.record.phase is State.IDLE


def test_lost_unproven_bundle_ends_the_update() -> None:
    record = UpdateRecord(phase=State.PROVISIONAL, target=target("b"))

    found = recover(record, running("b", previous="a", provisional=True), frozenset({bundle("a")}))

    assert found.active is not None
    assert found.active.bundle == bundle("a")
    assert found.record.phase is State.FAILED


def whole(*letters: str) -> tuple[ActiveRecord, ...]:
    """Pointers to these bundles, the later the newer."""
    return tuple(running(letter, serial="abcd".index(letter) + 1) for letter in letters)


def present(*letters: str) -> frozenset[str]:
    return frozenset(bundle(letter) for letter in letters)


class TestLostPointer:
    """active.json is missing or damaged."""

    @pytest.mark.parametrize("phase", sorted(set(State) - {State.COMMITTED}))
    def test_model_that_is_no_target_is_taken_in_every_state(self, phase: State) -> None:
        found = recover(UpdateRecord(phase=phase, target=target("b")), None, BOTH, whole=whole("a", "b"))

        assert found.active == running("a")
        assert found.record.phase is phase
        assert found.notes

    def test_committed_target_is_taken_with_the_one_before_it(self) -> None:
        known = replace(target("b"), artifact="tflite-int8", version="2.0")

        found = recover(UpdateRecord(phase=State.COMMITTED, target=known), None, BOTH, whole=whole("a", "b"))

        assert found.active is not None
        assert found.active.bundle == bundle("b")
        assert found.active.previous is not None
        assert found.active.previous.bundle == bundle("a")

    def test_committed_target_that_is_gone_too_leaves_the_one_before_it(self) -> None:
        record = UpdateRecord(phase=State.COMMITTED, target=target("b"))

        found = recover(record, None, present("a"), whole=whole("a"))

        assert found.active == running("a")
        assert (found.record.phase, found.record.error and found.record.error.code) == (State.FAILED, "lost")

    def test_trial_on_a_device_that_has_nothing_else_goes_on_by_itself(self) -> None:
        for phase in (State.VERIFYING, State.SELF_TEST, State.PROVISIONAL):
            found = recover(UpdateRecord(phase=phase, target=target("b")), None, present("b"), whole=whole("b"))
            assert (found.active, found.record.phase) == (None, phase)

    def test_bundle_that_is_known_to_be_bad_is_not_taken(self) -> None:
        record = UpdateRecord(phase=State.REJECTED, target=target("b"), bad=(BadBundle(bundle=bundle("b"), rev=7),))

        assert recover(record, None, present("b"), whole=whole("b")).active is None


class TestBothRecordsLost:
    """Neither says anything; only the bundles are there."""

    def test_only_bundle_runs(self) -> None:
        found = recover(None, None, present("c"), whole=whole("c"))

        assert found.active == running("c", serial=3)
        assert found.record.phase is State.IDLE

    def test_newest_of_two_is_tried_out_with_the_other_one_to_go_back_to(self) -> None:
        found = recover(None, None, BOTH, whole=whole("b", "a"))

        assert found.active is not None
        assert (found.active.bundle, found.active.provisional) == (bundle("b"), True)
        assert found.active.previous is not None
        assert found.active.previous.bundle == bundle("a")
        assert found.record.phase is State.PROVISIONAL

    def test_nothing_runs_only_where_nothing_is(self) -> None:
        assert recover(None, None, frozenset()).active is None


def test_lost_active_and_previous_bundle_leave_any_other_whole_one() -> None:
    found = recover(UpdateRecord(), running("b", previous="a"), present("d"), whole=whole("d"))

    assert found.active == running("d", serial=4)


LETTERS = st.sampled_from("abcd")


@settings(max_examples=300, deadline=None)
@given(
    phase=st.sampled_from(State),
    chosen=st.none() | LETTERS,
    pointed=st.none() | st.tuples(LETTERS, st.none() | LETTERS, st.booleans()),
    there=st.frozensets(LETTERS),
    bad=st.frozensets(LETTERS),
    has_record=st.booleans(),
)
def test_whatever_is_on_disk_there_is_one_model_that_can_run_or_a_trial_of_the_only_one(
    phase: State,
    chosen: str | None,
    pointed: tuple[str, str | None, bool] | None,
    there: frozenset[str],
    bad: frozenset[str],
    has_record: bool,
) -> None:
    record = UpdateRecord(
        phase=phase,
        target=None if chosen is None else target(chosen),
        bad=tuple(BadBundle(bundle=bundle(letter), rev=7) for letter in sorted(bad)),
    )
    pointer = None if pointed is None else running(pointed[0], previous=pointed[1], provisional=pointed[2])

    found = recover(record if has_record else None, pointer, present(*there), whole=whole(*sorted(there)))
    again = recover(found.record, found.active, present(*there), whole=whole(*sorted(there)))

    unfit = {bundle(letter) for letter in bad} if has_record else set()
    under_way = found.record.phase not in RESTING and found.record.target is not None
    trial = {found.record.target.bundle} if under_way and found.record.target is not None else set()
    if present(*there) - unfit - trial:
        assert found.active is not None
    if found.active is not None:
        assert found.active.bundle in present(*there)
        assert found.active.previous is None or found.active.previous.bundle in present(*there)
    assert (again.active, again.record.phase) == (found.active, found.record.phase)  # a second start finds the same
