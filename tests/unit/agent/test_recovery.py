"""What a start-up makes of what it finds on disk."""

from __future__ import annotations

from dataclasses import replace

from agent.core.records import Crashes, UpdateRecord
from agent.core.recovery import recover
from agent.core.update_table import Move, State
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
