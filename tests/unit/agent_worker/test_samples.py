"""Which frames are worth a label."""

from __future__ import annotations

from random import Random

import numpy as np

from agent.worker.pipeline import PipelineResult
from agent.worker.samples import RING_BYTES, Sample, SampleChooser
from agent.worker.sources.port import Frame
from agent.worker.stream import FrameOutcome, Told
from edge_models.wire.predictions import SampleReason


def outcome(position: int, margin: float | None = 0.9, *, refused: str | None = None, size: int = 4) -> FrameOutcome:
    return FrameOutcome(
        frame=Frame(x=np.zeros(size, np.uint8), position=position),
        seq=position,
        result=PipelineResult(predicted=1, confidence=0.9, margin=margin, refused=refused),
        told=Told(predicted=1, confidence=0.9),
        alarms=(),
        window=None,
        drift_us=0.0,
    )


def chooser(*, budget: int = 1000, rate_hz: float = 1.0, signal: str | None = "mean") -> SampleChooser:
    made = SampleChooser(rate_hz=rate_hz, rng=Random(0))
    made.switch(on=True, budget=budget, signal=signal)
    return made


def feed(made: SampleChooser, frames: int, *, per_second: float = 10.0) -> list[Sample]:
    margins = np.random.default_rng(0).random(frames)
    offered = (made.offer(outcome(i, float(margins[i])), i / per_second) for i in range(frames))
    return [sample for sample in offered if sample is not None]


def test_nothing_leaves_before_it_is_switched_on() -> None:
    assert feed(SampleChooser(rate_hz=1.0, rng=Random(0)), 100) == []


def test_no_more_leave_than_the_budget_says() -> None:
    assert len(feed(chooser(budget=7), 1000)) == 7


def test_no_more_leave_than_the_rate_says() -> None:
    assert len(feed(chooser(rate_hz=2.0), 1000)) <= 2 * 100 + 2


def test_no_frame_leaves_twice() -> None:
    positions = [sample.outcome.frame.position for sample in feed(chooser(rate_hz=5.0), 2000)]

    assert len(set(positions)) == len(positions)


def test_every_second_sample_is_the_least_certain_of_late_and_the_others_are_random() -> None:
    samples = feed(chooser(), 2000)

    reasons = [sample.why for sample in samples]
    uncertain = [sample.outcome.result.margin or 0.0 for sample in samples if sample.why is SampleReason.UNCERTAIN]
    random = [sample.outcome.result.margin or 0.0 for sample in samples if sample.why is SampleReason.RANDOM]
    assert reasons[:4] == [SampleReason.UNCERTAIN, SampleReason.RANDOM] * 2
    assert np.mean(uncertain) < 0.15
    assert 0.4 < np.mean(random) < 0.7


def test_a_model_without_classes_gives_random_samples_only() -> None:
    made = chooser(rate_hz=100.0)

    samples = [made.offer(outcome(i, None), float(i)) for i in range(10)]

    assert {sample.why for sample in samples if sample} == {SampleReason.RANDOM}


def test_a_refused_frame_is_never_offered() -> None:
    made = chooser()

    assert [made.offer(outcome(i, refused="NaN"), float(i)) for i in range(10)] == [None] * 10


def test_switched_off_it_forgets_its_frames() -> None:
    made = chooser()
    made.offer(outcome(0), 0.0)

    made.switch(on=False, budget=0, signal=None)

    assert made.offer(outcome(1), 10.0) is None
    assert not made._ring


def test_the_frames_at_hand_are_bounded_in_bytes() -> None:
    made = chooser(rate_hz=0.001)
    for i in range(20):
        made.offer(outcome(i, size=RING_BYTES // 4), float(i))

    assert made._ring_bytes <= RING_BYTES
    assert made._ring_bytes == sum(kept.frame.x.nbytes for kept in made._ring)
