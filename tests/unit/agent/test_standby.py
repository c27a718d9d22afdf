"""A swap without a gap: the next worker loads on standby while the one before goes on."""

from __future__ import annotations

import pytest

from agent import ipc
from agent.active_slot import QUIET_S, STOP_S
from agent.core import events as ev
from agent.worker_run import START_S
from tests.unit.agent.fake_workers import FakeWorker, Slot, ready
from tests.unit.agent.world import bundle, running

ALARM = ipc.Alarm(position=3, signal="mean", detector="adwin")
FRAME = ipc.FrameIn(origin="mqtt")
A, B = bundle("a"), bundle("b")


class Swap(Slot):
    """A slot whose worker of a runs, while one of b loads."""

    def __init__(self) -> None:
        super().__init__()
        self.slot.run(running("a"), 0.0)
        self.say(ready(), ipc.Heartbeat(position=70, seq=70))
        assert self.slot.run(running("b", previous="a"), 1.0) == []

    @property
    def old(self) -> FakeWorker:
        return self.nursery.workers[0]

    @property
    def new(self) -> FakeWorker:
        return self.nursery.workers[1]

    def hear(self, worker: FakeWorker, *messages: ipc.Message, at_s: float = 1.0) -> list[ev.Event]:
        worker.says += [(message, b"state") for message in messages]
        read = self.slot.on_readable if worker is self.old else self.slot.on_standby
        return read(at_s)

    def end(self, worker: FakeWorker, at_s: float = 1.0) -> list[ev.Event]:
        worker.is_open = False
        return self.hear(worker, at_s=at_s)

    def stopped_at(self, position: int, at_s: float = 2.0) -> list[ev.Event]:
        """b is ready, and a stops as it is told."""
        self.hear(self.new, ready(), at_s=at_s)
        self.hear(self.old, ipc.Heartbeat(position=position, seq=position), at_s=at_s)
        return self.end(self.old, at_s=at_s)


@pytest.fixture
def swap() -> Swap:
    return Swap()


def kinds(worker: FakeWorker) -> list[str]:
    return [message.type for message in worker.sent]


def test_new_model_loads_while_the_old_one_goes_on(swap: Swap) -> None:
    assert swap.new.configure.standby
    assert swap.new.configure.bundle == B
    assert kinds(swap.old) == []
    prediction = ipc.PredictionOut(position=71, seq=71, latency_us=1.0)

    events = swap.hear(swap.old, ALARM, prediction)

    assert events == [ev.WorkerPrediction(bundle=A, prediction=prediction)]  # what it sees is not the new model's


def test_old_worker_is_told_to_stop_once_the_new_one_is_ready(swap: Swap) -> None:
    assert swap.hear(swap.new, ready()) == []

    assert kinds(swap.old) == ["stop"]
    assert kinds(swap.new) == []


def test_new_worker_goes_on_where_the_old_one_stopped_and_nobody_waits_for_its_process(swap: Swap) -> None:
    events = swap.stopped_at(77)
    waited_for = swap.old.ended
    swap.slot.tick(2.1)

    assert events == [ev.WorkerStarted(), ev.WorkerReady(bundle=B)]
    assert swap.new.sent == [ipc.Go(position=77)]
    assert (waited_for, swap.old.ended) == (False, True)  # freed when it is gone
    assert swap.slot.figures.restarts == 0


def test_what_the_new_worker_says_then_is_the_new_models(swap: Swap) -> None:
    swap.stopped_at(77)
    swap.new.says = [(ALARM, b""), (ipc.Heartbeat(position=80, seq=3), b"")]

    assert swap.slot.on_readable(3.0) == [ev.WorkerAlarm(alarm=ALARM), ev.WorkerRan(bundle=B, frames=3)]


def test_frames_by_topic_that_come_between_stop_and_go_are_given_to_the_new_worker(swap: Swap) -> None:
    swap.slot.tell(FRAME, b"1")
    swap.hear(swap.new, ready())
    swap.slot.tell(FRAME, b"2")
    swap.slot.tell(FRAME, b"3")
    swap.end(swap.old)

    assert swap.old.bodies == [b"1", b""]
    assert kinds(swap.new) == ["go", "frame_in", "frame_in"]
    assert swap.new.bodies[1:] == [b"2", b"3"]


def test_what_the_old_worker_said_of_drift_on_leaving_reaches_the_new_one_before_it_goes(swap: Swap) -> None:
    swap.slot._handover._drift_known = lambda bundle, kind: None
    swap.hear(swap.new, ready())
    events = swap.hear(swap.old, ipc.DriftSaved(kind="trigger"))
    swap.end(swap.old)

    assert [type(event) for event in events] == [ev.WorkerDriftSaved]
    assert kinds(swap.new) == ["restore_drift", "go"]
    assert swap.new.bodies[0] == b"state"


def test_standby_that_dies_has_cost_nothing_and_a_rollback_is_immediate(swap: Swap) -> None:
    (died,) = swap.end(swap.new)
    assert isinstance(died, ev.WorkerDied)
    assert died.bundle == B
    assert died.blames_model

    assert swap.slot.run(running("a"), 1.1) == [ev.WorkerReady(bundle=A)]
    assert kinds(swap.old) == []
    assert len(swap.nursery.workers) == 2


def test_standby_that_hangs_is_killed(swap: Swap) -> None:
    (died,) = swap.slot.tick(1.0 + START_S) if swap.hear(swap.old, ALARM, at_s=START_S) == [] else []

    assert isinstance(died, ev.WorkerDied)
    assert died.bundle == B
    assert swap.new.ended
    assert not swap.old.ended


def test_standby_that_died_for_no_fault_of_its_model_is_started_again_beside_the_old_worker(swap: Swap) -> None:
    swap.hear(swap.new, ipc.Failed(code="config", message="no such detector"))
    swap.end(swap.new)
    swap.slot.tick(1.0)

    assert len(swap.nursery.workers) == 3
    assert swap.nursery.workers[2].configure.standby
    assert not swap.old.ended


def test_rollback_while_the_new_model_loads_ends_the_standby_only(swap: Swap) -> None:
    assert swap.slot.run(running("a"), 1.1) == [ev.WorkerReady(bundle=A)]

    assert swap.new.ended
    assert kinds(swap.old) == []


def test_rollback_after_the_old_worker_was_told_to_stop_starts_it_again(swap: Swap) -> None:
    swap.hear(swap.new, ready())
    assert swap.slot.run(running("a"), 1.1) == []
    assert swap.new.ended

    assert swap.end(swap.old) == [ev.WorkerStarted()]
    assert swap.nursery.workers[2].configure.bundle == A
    assert not swap.nursery.workers[2].configure.standby


def test_another_model_takes_the_place_of_the_one_on_standby(swap: Swap) -> None:
    swap.slot.run(running("c"), 1.1)

    assert swap.new.ended
    assert swap.nursery.workers[2].configure.bundle == bundle("c")
    assert swap.nursery.workers[2].configure.standby


def test_old_worker_that_dies_meanwhile_leaves_the_source_to_the_standby(swap: Swap) -> None:
    (died,) = swap.end(swap.old)
    assert isinstance(died, ev.WorkerDied)
    assert died.bundle == A
    assert kinds(swap.new) == []  # it still loads

    events = swap.hear(swap.new, ready())

    assert events == [ev.WorkerStarted(), ev.WorkerReady(bundle=B)]
    assert swap.new.sent == [ipc.Go(position=70)]
    assert len(swap.nursery.workers) == 2


def test_old_worker_that_does_not_stop_is_killed_before_the_new_one_goes(swap: Swap) -> None:
    swap.hear(swap.new, ready())

    events = swap.slot.tick(1.0 + STOP_S)

    assert swap.old.ended
    assert kinds(swap.new) == ["go"]
    assert events == [ev.WorkerStarted(), ev.WorkerReady(bundle=B)]


def test_both_dead_starts_the_wanted_one_without_standby(swap: Swap) -> None:
    swap.end(swap.old)
    swap.end(swap.new)
    swap.slot.tick(1.0)

    assert swap.nursery.workers[2].configure.bundle == B
    assert not swap.nursery.workers[2].configure.standby


@pytest.mark.parametrize("was_ready", [True, False])
def test_worker_that_is_silent_or_still_loads_is_not_waited_for(was_ready: bool) -> None:
    slot = Slot()
    slot.slot.run(running("a"), 0.0)
    if was_ready:
        slot.say(ready())

    slot.slot.run(running("b"), QUIET_S + 0.1)

    assert slot.nursery.workers[0].ended
    assert slot.worker.configure.bundle == B
    assert not slot.worker.configure.standby


def test_none_is_left_when_all_is_closed(swap: Swap) -> None:
    swap.hear(swap.new, ready())
    swap.slot.close()
    swap.slot.close()

    assert swap.old.ended
    assert swap.new.ended
    assert swap.slot.watched() == []
    assert swap.slot.next_deadline_s() is None
    assert swap.slot.tick(100.0) == []
