"""The active worker: started, watched, ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent import ipc
from agent.config import WorkerConfig
from agent.core import events as ev
from agent.core.backoff import STEADY_S
from agent.worker_run import LOOK_S, START_S
from edge_models.wire.predictions import SampleReason
from tests.unit.agent.fake_workers import Slot, ready
from tests.unit.agent.world import CONFIG, bundle, running

SILENCE_S = WorkerConfig().silence_s

FRAME = ipc.ShadowFrame(position=1, label=3, dtype="uint8", shape=(1,))


@pytest.fixture
def slot() -> Slot:
    made = Slot()
    made.slot.run(running("a"), 0.0)
    return made


def test_worker_is_told_what_to_run(slot: Slot) -> None:
    configure = slot.worker.configure

    assert (configure.role, configure.bundle, configure.bundle_dir, configure.boot) == (
        "active", bundle("a"), f"/state/bundles/{bundle('a')}", 4,
    )  # fmt: skip


def test_words_become_events(slot: Slot) -> None:
    alarm = ipc.Alarm(position=3, signal="mean", detector="adwin")

    events = slot.say(ready(), ipc.Heartbeat(position=8, seq=8), alarm)

    assert events == [
        ev.WorkerReady(bundle=bundle("a")), ev.WorkerRan(bundle=bundle("a"), frames=8), ev.WorkerAlarm(alarm=alarm),
    ]  # fmt: skip


def test_dead_worker_is_started_again_at_once_where_it_was(slot: Slot) -> None:
    slot.say(ready(), ipc.Heartbeat(position=120, seq=120), at_s=5.0)

    events = slot.die(6.0)
    slot.slot.tick(6.0)

    assert events == [ev.WorkerDied(bundle=bundle("a"), reason="ended (signal 11)")]
    assert len(slot.nursery.workers) == 2
    assert slot.worker.configure.position == 120
    assert slot.slot.figures.restarts == 1


@pytest.mark.parametrize(
    "told",
    [
        ipc.PredictionOut(position=131, seq=131, latency_us=1.0),
        ipc.SampleOut(position=131, seq=131, why=SampleReason.RANDOM, dtype="uint8", shape=(1,)),
    ],
)
def test_an_id_that_was_told_is_not_given_again_to_a_frame_of_the_next_worker(slot: Slot, told: ipc.Message) -> None:
    slot.say(ready(), ipc.Heartbeat(position=120, seq=120), told)

    slot.die(6.0)
    slot.slot.tick(6.0)

    assert slot.worker.configure.position == 132


def test_worker_that_keeps_dying_is_started_ever_later(slot: Slot) -> None:
    now_s, waits = 0.0, []
    for _ in range(5):
        slot.die(now_s)
        started = len(slot.nursery.workers)
        died_s = now_s
        while len(slot.nursery.workers) == started:
            now_s += 0.25
            slot.slot.tick(now_s)
        waits.append(round(now_s - died_s))

    assert waits == [0, 1, 2, 4, 8]


def test_another_model_starts_without_the_waiting_of_the_last_one(slot: Slot) -> None:
    for at_s in (0.0, 0.1, 2.0):
        slot.die(at_s)
        slot.slot.tick(at_s + 1.5)
    slot.die(4.0)

    slot.slot.run(running("b"), 4.0)

    assert slot.worker.configure.bundle == bundle("b")


@pytest.mark.parametrize(("is_ready", "limit_s"), [(True, SILENCE_S), (False, START_S)])
def test_silent_worker_is_killed(slot: Slot, is_ready: bool, limit_s: float) -> None:
    if is_ready:
        slot.say(ready())

    assert slot.slot.tick(limit_s - 0.1) == []
    events = slot.slot.tick(limit_s + 0.1)

    assert isinstance(events[0], ev.WorkerDied)
    assert slot.nursery.workers[0].ended


def test_worker_that_sends_garbage_is_replaced(slot: Slot) -> None:
    slot.worker.garbles = True

    events = slot.slot.on_readable(1.0)

    assert isinstance(events[0], ev.WorkerDied)
    assert slot.nursery.workers[0].ended


def test_failing_source_does_not_blame_the_model(slot: Slot) -> None:
    slot.say(ipc.Failed(code="source", message="x.npz: no such file"))

    (event,) = slot.die(1.0)

    assert isinstance(event, ev.WorkerDied)
    assert not event.blames_model
    assert event.reason == "source: x.npz: no such file"


def test_worker_that_cannot_be_started_is_tried_again(slot: Slot) -> None:
    slot.nursery.refuses = True
    slot.die(1.0)
    assert isinstance(slot.slot.tick(1.0)[0], ev.WorkerDied)

    slot.nursery.refuses = False
    slot.slot.tick(30.0)

    assert len(slot.nursery.workers) == 2


def test_worker_after_one_that_died_announces_its_frames(slot: Slot) -> None:
    assert not slot.worker.configure.careful
    slot.die(1.0)
    slot.slot.tick(1.0)

    assert slot.worker.configure.careful


def test_frame_that_kills_every_worker_is_skipped_and_told(slot: Slot) -> None:
    told: list[ev.Event] = []
    for died_s in (1.0, 10.0, 20.0):
        slot.say(ready(), ipc.Heartbeat(position=120, seq=120), at_s=died_s)
        told += slot.die(died_s)
        slot.slot.tick(died_s + 5.0)

    assert [event for event in told if isinstance(event, ev.FrameSkipped)] == [ev.FrameSkipped(position=120)]
    assert slot.worker.configure.position == 121


def test_deaths_at_different_frames_skip_none(slot: Slot) -> None:
    for position in (10, 20, 30, 40):
        slot.say(ready(), ipc.Heartbeat(position=position, seq=1), at_s=1.0 * position)
        assert not any(isinstance(event, ev.FrameSkipped) for event in slot.die(1.0 * position))
        slot.slot.tick(9.0 + position)


def test_model_that_does_not_load_costs_no_frame(slot: Slot) -> None:
    for died_s in (1.0, 10.0, 20.0, 40.0):
        assert len(slot.die(died_s)) == 1
        slot.slot.tick(died_s + 9.0)

    assert slot.worker.configure.position == 0


def test_damaged_bundle_is_named_as_such(slot: Slot) -> None:
    slot.say(ipc.Failed(code="bundle", message="model.tflite: sha256 differs"))

    assert slot.die(1.0) == [
        ev.WorkerDied(bundle=bundle("a"), reason="bundle: model.tflite: sha256 differs", is_damaged=True)
    ]


def test_none_runs_when_none_should(slot: Slot) -> None:
    slot.slot.run(None, 1.0)
    slot.die(1.1)
    slot.slot.tick(1.2)

    assert slot.slot.process is None
    assert slot.slot.next_deadline_s() is None


def test_frames_are_counted_over_all_workers(slot: Slot) -> None:
    slot.say(ready(), ipc.Heartbeat(position=10, seq=10), ipc.Heartbeat(position=15, seq=15))
    slot.die(1.0)
    slot.slot.tick(1.0)
    slot.say(ipc.Heartbeat(position=20, seq=5))

    assert slot.slot.figures.frames == 20


def test_frames_of_no_use_are_counted_over_all_workers_before_a_window_is_full(slot: Slot) -> None:
    slot.say(ready(), ipc.Heartbeat(position=3, seq=3, refused=1), ipc.Heartbeat(position=3, seq=3, refused=4))
    slot.die(1.0)
    slot.slot.tick(1.0)
    slot.say(ipc.Heartbeat(position=3, seq=0, refused=2))

    assert slot.slot.figures.refused == 6


def test_shadow_frames_go_to_the_candidate(slot: Slot) -> None:
    slot.say(FRAME)

    assert slot.shadowed == [FRAME]


def test_worker_that_holds_more_than_its_bound_is_killed_and_replaced() -> None:
    slot = Slot(replace(CONFIG, worker=WorkerConfig(memory_mb=64)))
    slot.slot.run(running("a"), 0.0)
    slot.say(ready())
    first = slot.worker

    first.held_kb = 63 << 10
    assert slot.slot.tick(LOOK_S) == []
    first.held_kb = 65 << 10
    assert slot.slot.next_deadline_s() == pytest.approx(2 * LOOK_S)
    died, started = slot.slot.tick(2 * LOOK_S)

    assert isinstance(died, ev.WorkerDied)
    assert started == ev.WorkerStarted()  # at once
    assert died.reason == "held 65 MB of memory, expected at most 64, and was killed (signal 11)"
    assert first.ended
    assert len(slot.nursery.workers) == 2
    assert slot.worker.configure.memory_mb == 64


def test_worker_that_has_run_for_a_minute_is_steady_once(slot: Slot) -> None:
    slot.say(ready())
    for at_s in range(1, int(STEADY_S)):
        slot.say(ipc.Heartbeat(position=1, seq=1), at_s=at_s)
        assert slot.slot.tick(at_s) == []

    assert slot.slot.next_deadline_s() == STEADY_S
    assert slot.slot.tick(STEADY_S) == [ev.WorkerSteady(bundle=bundle("a"))]
    assert slot.slot.tick(STEADY_S + 1) == []


def test_worker_that_still_loads_after_a_minute_is_no_steady_one(slot: Slot) -> None:
    assert not any(isinstance(event, ev.WorkerSteady) for event in slot.slot.tick(STEADY_S - 0.1))
