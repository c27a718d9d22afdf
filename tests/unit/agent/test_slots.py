"""The active worker and the candidate: started, watched, ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from agent import ipc
from agent.active_slot import SILENCE_S, START_S, STOP_S, ActiveSlot
from agent.candidate_slot import MAX_OUTSTANDING, CandidateSlot
from agent.config import ReplaySource
from agent.core import events as ev
from agent.errors import ChildError, IpcError
from agent.process import WorkerProcess
from edge_models.wire.predictions import SampleReason
from tests.unit.agent.world import CONFIG, bundle, running

FRAME = ipc.ShadowFrame(position=1, label=3, dtype="uint8", shape=(1,))


class FakeWorker:
    """Stands in for a worker's process; the test puts words into its mouth."""

    def __init__(self, configure: ipc.Configure) -> None:
        self.configure = configure
        self.bundle = configure.bundle
        self.pid = 4711
        self.sent: list[ipc.ToWorker] = []
        self.bodies: list[bytes] = []
        self.says: list[tuple[ipc.Message, bytes]] = []
        self.is_open = True
        self.garbles = False
        self.ended = False

    def send(self, message: ipc.ToWorker, body: bytes = b"") -> None:
        self.sent.append(message)
        self.bodies.append(body)

    def receive(self) -> tuple[list[tuple[ipc.Message, bytes]], bool]:
        if self.garbles:
            raise IpcError("garbage")
        says, self.says = self.says, []
        return says, self.is_open

    def end(self) -> str:
        self.ended = True
        return "signal 11"


class Nursery:
    """Starts fake workers and remembers them."""

    def __init__(self) -> None:
        self.workers: list[FakeWorker] = []
        self.refuses = False

    def __call__(self, configure: ipc.Configure) -> WorkerProcess:
        if self.refuses:
            raise ChildError("no memory")
        self.workers.append(FakeWorker(configure))
        return cast("WorkerProcess", self.workers[-1])


class Slot:
    """An active slot in its surroundings."""

    def __init__(self) -> None:
        self.nursery = Nursery()
        self.shadowed: list[ipc.ShadowFrame] = []
        self.slot = ActiveSlot(
            replace(CONFIG, source=ReplaySource(path="x.npz")), bundle_dir=lambda name: Path("/state/bundles", name),
            boot=4, spawn=self.nursery, shadow=lambda frame, _: self.shadowed.append(frame),
        )  # fmt: skip

    @property
    def worker(self) -> FakeWorker:
        return self.nursery.workers[-1]

    def say(self, *messages: ipc.Message, at_s: float = 0.0) -> list[ev.Event]:
        self.worker.says += [(message, b"") for message in messages]
        return self.slot.on_readable(at_s)

    def die(self, at_s: float) -> list[ev.Event]:
        self.worker.is_open = False
        return self.slot.on_readable(at_s)


@pytest.fixture
def slot() -> Slot:
    made = Slot()
    made.slot.run(running("a"), 0.0)
    return made


def ready() -> ipc.Ready:
    return ipc.Ready(runtime="fake 1", artifact="tflite-int8", rss_kb=1)


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


def test_what_the_worker_before_still_says_is_not_taken_for_the_new_models(slot: Slot) -> None:
    slot.say(ready())
    slot.slot.run(running("b"), 1.0)

    alarm = ipc.Alarm(position=3, signal="mean", detector="adwin")
    prediction = ipc.PredictionOut(position=3, seq=3, latency_us=1.0)
    saved = ipc.DriftSaved(kind="trigger")
    events = slot.say(alarm, prediction, saved, at_s=1.0)

    assert events == [ev.WorkerDriftSaved(bundle=bundle("a"), saved=saved, body=b"")]
    slot.die(1.5)
    assert slot.say(ready(), alarm, at_s=2.0) == [ev.WorkerReady(bundle=bundle("b")), ev.WorkerAlarm(alarm=alarm)]


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

    slot.slot.run(running("b"), 4.0)
    slot.worker.is_open = False
    slot.slot.on_readable(4.1)

    assert slot.worker.configure.bundle == bundle("b")


def test_new_model_waits_until_the_old_worker_has_finished_its_frame(slot: Slot) -> None:
    slot.slot.run(running("b"), 10.0)
    assert slot.worker.sent[-1] == ipc.Stop()
    assert len(slot.nursery.workers) == 1

    slot.worker.says.append((ipc.Heartbeat(position=77, seq=77), b""))
    events = slot.die(10.1)

    assert slot.worker.configure.bundle == bundle("b")
    assert slot.worker.configure.position == 77
    assert not any(isinstance(event, ev.WorkerDied) for event in events)  # as it was told


def test_worker_that_does_not_stop_is_killed(slot: Slot) -> None:
    old = slot.worker
    slot.slot.run(running("b"), 10.0)

    slot.slot.tick(10.0 + STOP_S)

    assert old.ended
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


class TestCandidate:
    """The second worker."""

    def made(self) -> tuple[CandidateSlot, Nursery]:
        nursery = Nursery()
        slot = CandidateSlot(bundle_dir=lambda name: Path("/state/bundles", name), boot=4, spawn=nursery)
        slot.start(bundle("b"), "tflite-int8", 0.0)
        return slot, nursery

    def test_candidate_gets_no_source(self) -> None:
        _, nursery = self.made()

        assert nursery.workers[0].configure.role == "candidate"
        assert nursery.workers[0].configure.source is None

    def test_result_of_its_test_becomes_an_event(self) -> None:
        slot, nursery = self.made()
        nursery.workers[0].says = [(ipc.SelfTest(ok=False, reason="90 LSB"), b"")]

        assert slot.on_readable(1.0) == [ev.CandidateTested(ok=False, reason="90 LSB")]

    def test_death_becomes_an_event(self) -> None:
        slot, nursery = self.made()
        nursery.workers[0].is_open = False

        assert slot.on_readable(1.0) == [ev.CandidateDied(reason="ended (signal 11)")]
        assert slot.process is None

    def test_slow_candidate_sees_fewer_frames(self) -> None:
        slot, nursery = self.made()
        for _ in range(100):
            slot.compare(FRAME, b"x")
        assert len(nursery.workers[0].sent) == MAX_OUTSTANDING

        nursery.workers[0].says = [(ipc.ShadowVerdict(n=1, agree=1, nan=0, p95_us=1.0), b"")]
        events = slot.on_readable(1.0)
        slot.compare(FRAME, b"x")

        assert events == [ev.CandidateCompared(n=1, agree=1, nan=0)]
        assert len(nursery.workers[0].sent) == MAX_OUTSTANDING + 1

    def test_silent_candidate_is_killed(self) -> None:
        slot, nursery = self.made()

        events = slot.tick(START_S + 1)

        assert isinstance(events[0], ev.CandidateDied)
        assert nursery.workers[0].ended

    def test_next_candidate_takes_the_place_of_the_last(self) -> None:
        slot, nursery = self.made()

        slot.start(bundle("c"), "tflite-int8", 1.0)

        assert nursery.workers[0].ended
        assert nursery.workers[1].configure.bundle == bundle("c")

    def test_candidate_that_could_not_be_started_says_nothing_about_its_model(self) -> None:
        slot, nursery = self.made()
        nursery.refuses = True

        assert slot.start(bundle("c"), "tflite-int8", 1.0) == [ev.CandidateDied(reason="no memory", blames_model=False)]

    def test_frames_without_a_candidate_are_dropped(self) -> None:
        slot, _ = self.made()
        slot.stop()

        slot.compare(FRAME, b"x")
        assert slot.on_readable(0.0) == []
