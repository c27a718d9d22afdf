"""The candidate: started, given copies of frames, ended when it dies, hangs or grows."""

from __future__ import annotations

from pathlib import Path

from agent import ipc
from agent.candidate_slot import MAX_OUTSTANDING, SILENCE_S, CandidateSlot
from agent.core import events as ev
from agent.worker_run import LOOK_S, START_S
from tests.unit.agent.fake_workers import Nursery, ready
from tests.unit.agent.world import bundle

FRAME = ipc.ShadowFrame(position=1, label=3, seq=1, effect=0.2, p95_us=9.0, dtype="uint8", shape=(1,))


def made(memory_mb: float | None = None) -> tuple[CandidateSlot, Nursery]:
    """A slot with a candidate that was just started."""
    nursery = Nursery()
    slot = CandidateSlot(bundle_dir=Path, boot=4, spawn=nursery, memory_mb=memory_mb)
    slot.start(bundle("b"), "tflite-int8", 0.0)
    return slot, nursery


def test_candidate_gets_no_source() -> None:
    _, nursery = made()

    assert nursery.workers[0].configure.role == "candidate"
    assert nursery.workers[0].configure.source is None


def test_result_of_its_test_becomes_an_event() -> None:
    slot, nursery = made()
    nursery.workers[0].says = [(ipc.SelfTest(ok=False, reason="90 LSB"), b"")]

    assert slot.on_readable(1.0) == [ev.CandidateTested(ok=False, reason="90 LSB")]


def test_death_becomes_an_event() -> None:
    slot, nursery = made()
    nursery.workers[0].is_open = False

    assert slot.on_readable(1.0) == [ev.CandidateDied(reason="ended (signal 11)")]
    assert slot.process is None


def test_slow_candidate_sees_fewer_frames() -> None:
    slot, nursery = made()
    for _ in range(100):
        slot.compare(FRAME, b"x")
    assert len(nursery.workers[0].sent) == MAX_OUTSTANDING

    verdict = ipc.ShadowVerdict(n=1, agree=1, nan=0, p95_us=1.0)
    nursery.workers[0].says = [(verdict, b"")]
    events = slot.on_readable(1.0)
    slot.compare(FRAME, b"x")

    assert events == [ev.CandidateCompared(verdict=verdict)]
    assert len(nursery.workers[0].sent) == MAX_OUTSTANDING + 1


def test_frames_that_did_not_fit_into_its_link_are_not_waited_for() -> None:
    slot, nursery = made()
    candidate = nursery.workers[0]
    candidate.takes = False
    for _ in range(100):
        slot.compare(FRAME, b"x")

    candidate.takes = True
    slot.compare(FRAME, b"x")

    assert len(candidate.sent) == 1


def test_silent_candidate_is_killed() -> None:
    slot, nursery = made()

    events = slot.tick(START_S + 1)

    assert isinstance(events[0], ev.CandidateDied)
    assert nursery.workers[0].ended


def test_next_candidate_takes_the_place_of_the_last() -> None:
    slot, nursery = made()

    slot.start(bundle("c"), "tflite-int8", 1.0)

    assert nursery.workers[0].ended
    assert nursery.workers[1].configure.bundle == bundle("c")


def test_candidate_that_could_not_be_started_says_nothing_about_its_model() -> None:
    slot, nursery = made()
    nursery.refuses = True

    assert slot.start(bundle("c"), "tflite-int8", 1.0) == [ev.CandidateDied(reason="no memory", blames_model=False)]


def test_frames_without_a_candidate_are_dropped() -> None:
    slot, _ = made()
    slot.stop()

    slot.compare(FRAME, b"x")
    assert slot.on_readable(0.0) == []


def test_candidate_that_hangs_after_it_has_loaded_is_killed_sooner() -> None:
    slot, nursery = made()
    nursery.workers[0].says = [(ready(), b"")]
    slot.on_readable(1.0)

    assert slot.next_deadline_s() == 1.0 + SILENCE_S
    (died,) = slot.tick(1.0 + SILENCE_S)

    assert isinstance(died, ev.CandidateDied)
    assert "said nothing for 15 s" in died.reason


def test_candidate_that_holds_more_than_its_bound_is_killed() -> None:
    slot, nursery = made(memory_mb=64)
    nursery.workers[0].held_kb = 65 << 10

    (died,) = slot.tick(LOOK_S)

    assert isinstance(died, ev.CandidateDied)
    assert died.blames_model
    assert "held 65 MB of memory, expected at most 64" in died.reason
    assert nursery.workers[0].configure.memory_mb == 64


def test_frame_goes_with_what_the_active_model_made_of_it() -> None:
    slot, nursery = made()

    slot.compare(FRAME, b"x")
    slot.tell(ipc.Feedback(id="4-1", label=3))

    frame, feedback = nursery.workers[0].sent
    assert isinstance(frame, ipc.FrameIn)
    assert (frame.label_of_active, frame.seq, frame.effect_of_active, frame.p95_us_of_active) == (3, 1, 0.2, 9.0)
    assert feedback == ipc.Feedback(id="4-1", label=3)
