"""A model under which the process dies again and again makes room for the last good one, and says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent.core import commands as do
from agent.core import events as ev
from agent.core.crash_loop import with_stop
from agent.core.records import ActiveRecord, Crashes, UpdateRecord
from agent.core.recovery import recover
from agent.core.update_machine import UpdateMachine
from agent.core.update_table import State
from agent.start_up import kernel_boot
from edge_models.wire.results import Outcome
from tests.unit.agent.stories import Story, in_provisional, ready
from tests.unit.agent.whole_core import Device, events
from tests.unit.agent.world import CONFIG, SETTINGS, START_S, bundle, only, running, target

LIMIT = 3
BOTH = frozenset({bundle("a"), bundle("b")})
COMMITTED = UpdateRecord(phase=State.COMMITTED, target=target("b"), metadata={"channel": 7})
DIED = ev.WorkerDied(bundle=bundle("b"), reason="signal 11")


def start(record: UpdateRecord, active: ActiveRecord, *, kernel: str | None = "k1") -> UpdateMachine:
    """A start of the supervisor on this disk, in this boot of the kernel."""
    found = recover(record, active, BOTH, kernel=kernel)
    machine = UpdateMachine(settings=SETTINGS, record=found.record, active=found.active, max_deaths=LIMIT)
    stored = only(do.StoreUpdate, machine.resume(found.move, START_S))
    assert stored  # the count is on disk before the worker is started
    return machine


def test_deaths_in_a_row_bring_the_last_good_model_back_and_the_bundle_is_remembered() -> None:
    story = Story(running("b", serial=2, previous="a"), COMMITTED, max_deaths=LIMIT)

    story.tell(*[DIED] * (LIMIT - 1))
    story.expect(State.COMMITTED)
    story.tell(DIED, ready("a"))

    story.expect(State.ROLLED_BACK)
    record = story.machine.record
    assert story.machine.active is not None
    assert story.machine.active.bundle == bundle("a")
    assert record.is_bad(bundle("b"), 7)
    assert record.last_result is not None
    assert (record.last_result.result, record.last_result.code) == (Outcome.FAILED_ROLLED_BACK, "crash_loop")


def test_each_death_is_on_disk_so_that_a_restart_goes_on_counting() -> None:
    story = Story(running("b", previous="a"), COMMITTED, max_deaths=LIMIT)

    stored = only(do.StoreUpdate, story.tell(DIED, DIED))

    assert [action.record.crashes for action in stored] == [
        Crashes(bundle=bundle("b"), deaths=1),
        Crashes(bundle=bundle("b"), deaths=2),
    ]


def test_steady_worker_ends_the_row() -> None:
    story = Story(running("b", previous="a"), COMMITTED, max_deaths=LIMIT)

    for _ in range(5):
        story.tell(*[DIED] * (LIMIT - 1), ev.WorkerSteady(bundle=bundle("b")))

    story.expect(State.COMMITTED)
    assert story.machine.record.crashes is None


def test_source_at_fault_and_a_late_word_of_another_worker_do_not_count() -> None:
    story = Story(running("b", previous="a"), COMMITTED, max_deaths=LIMIT)

    story.tell(*[replace(DIED, blames_model=False), replace(DIED, bundle=bundle("a"))] * LIMIT)

    assert story.machine.record.crashes is None


def test_crash_loop_during_an_update_ends_it_by_way_of_the_last_good_model() -> None:
    story = Story(running("b", previous="a"), COMMITTED, max_deaths=LIMIT)
    story.tell(ev.TargetChosen(target=target("c", serial=3, rev=8)))

    story.tell(*[DIED] * LIMIT, ready("a"))

    story.expect(State.ROLLED_BACK)
    assert not story.machine.record.is_bad(bundle("c"), 8)


def test_starts_that_never_got_steady_leave_the_model_at_the_next_start() -> None:
    record, active = COMMITTED, running("b", serial=2, previous="a")

    for _ in range(LIMIT):
        machine = start(record, active)
        assert machine.state is State.COMMITTED
        record = machine.record
    machine = start(record, active)

    assert machine.state is State.ROLLING_BACK
    assert machine.active is not None
    assert machine.active.bundle == bundle("a")


def test_power_cuts_say_nothing_about_a_committed_model() -> None:
    record, active = COMMITTED, running("b", serial=2, previous="a")

    for cut in range(4 * LIMIT):
        machine = start(record, active, kernel=f"k{cut}")
        assert machine.state is State.COMMITTED
        record = machine.record

    assert record.crashes == Crashes(bundle=bundle("b"), starts=1, kernel=f"k{4 * LIMIT - 1}")


def test_power_cut_between_crashes_of_the_agent_neither_counts_nor_hides_them() -> None:
    record, active = COMMITTED, running("b", serial=2, previous="a")

    for kernel in ["k1", "k1", "k2", "k2", "k3"]:
        machine = start(record, active, kernel=kernel)
        assert machine.state is State.COMMITTED
        record = machine.record

    assert start(record, active, kernel="k3").state is State.ROLLING_BACK


def test_each_start_with_a_model_on_trial_counts_a_power_cut_included() -> None:
    record = UpdateRecord(phase=State.PROVISIONAL, target=target("b"), attempt=1)
    active = running("b", serial=2, previous="a", provisional=True)

    for cut in range(SETTINGS.attempts - 1):
        machine = start(record, active, kernel=f"k{cut}")
        assert machine.state is State.PROVISIONAL
        record = machine.record

    assert start(record, active, kernel="last").state is State.ROLLING_BACK


def test_where_no_kernel_tells_its_boot_each_start_counts() -> None:
    record, active = COMMITTED, running("b", serial=2, previous="a")

    for _ in range(LIMIT):
        record = start(record, active, kernel=None).record

    assert start(record, active, kernel=None).state is State.ROLLING_BACK


def test_boot_of_the_kernel_is_read_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "boot_id").write_text("1b4e28ba-2fa1-11d2-883f-0016d3cca427\n")

    assert kernel_boot(tmp_path / "boot_id") == "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
    assert kernel_boot(tmp_path / "none") is None


def test_start_that_was_stopped_on_purpose_does_not_count() -> None:
    record, active = COMMITTED, running("b", serial=2, previous="a")

    for _ in range(4 * LIMIT):
        machine = start(record, active)
        assert machine.state is State.COMMITTED
        record = with_stop(machine.record)

    assert record.crashes is None


def test_only_model_stays_and_is_told_once() -> None:
    device = Device(running("b"), config=replace(CONFIG, worker=replace(CONFIG.worker, deaths=LIMIT)))

    told = device.tell(*[DIED] * (2 * LIMIT))

    assert device.core.active == running("b")
    assert events(told).count("model_unhealthy") == 1
    assert events(told).count("worker_restarted") == 2 * LIMIT


def test_new_model_starts_with_a_clean_slate() -> None:
    story = in_provisional()
    crashed = replace(story.machine.record, crashes=Crashes(bundle=bundle("a"), deaths=LIMIT))
    story = Story(running("b", previous="a", provisional=True), crashed, max_deaths=LIMIT)

    story.tell(ready("b"), ev.WorkerRan(bundle=bundle("b"), frames=50), DIED)

    story.expect(State.COMMITTED)
    assert story.machine.record.crashes == Crashes(bundle=bundle("b"), deaths=1)
