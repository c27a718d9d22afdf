"""Which frames are worth a label."""

from __future__ import annotations

from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from agent.worker.pipeline import PipelineResult
from agent.worker.samples import Deviation, Sample, SampleRing
from agent.worker.sources.port import Frame
from agent.worker.stream import FrameOutcome, Told
from edge_models.profile import build_profile
from edge_models.wire.predictions import SampleReason


def outcome(
    position: int,
    margin: float | None = 0.9,
    *,
    far: float = 0.0,
    refused: str | None = None,
    held: bool = False,
    size: int = 4,
) -> FrameOutcome:
    result = PipelineResult(
        predicted=1, confidence=0.9, margin=margin, refused=refused, held=held, signals=np.full(3, far, np.float32)
    )
    return FrameOutcome(
        frame=Frame(x=np.zeros(size, np.uint8), position=position),
        seq=position,
        result=result,
        told=Told(predicted=1, confidence=0.9),
        alarms=(),
        window=None,
        drift_us=0.0,
    )


def ring(
    *,
    budget: int = 1000,
    rate_hz: float = 1000.0,
    most_bytes: int = 1 << 20,
    deviation: Deviation | None = None,
    drifting: bool = False,
) -> SampleRing:
    made = SampleRing(rate_hz=rate_hz, most_bytes=most_bytes, rng=Random(0), deviation=deviation)
    made.switch(on=True, budget=budget, signal="mean", drifting=drifting)
    return made


def fill(made: SampleRing, frames: int) -> SampleRing:
    margins, far = np.random.default_rng(0).random((2, frames))
    for i in range(frames):
        made.keep(outcome(i, float(margins[i]), far=float(far[i])))
    return made


def everything(made: SampleRing, *, n: int = 1000, seconds: int = 1000) -> list[Sample]:
    made.deliver(n)
    return [sample for second in range(seconds) for sample in made.take(float(second))]


def of_reason(samples: list[Sample], why: SampleReason) -> list[FrameOutcome]:
    return [sample.outcome for sample in samples if sample.why is why]


def reference() -> Deviation:
    return Deviation(build_profile(("a", "b", "c"), np.random.default_rng(0).normal(size=(300, 3)), None, 0))


def test_nothing_is_kept_before_it_is_switched_on() -> None:
    made = fill(SampleRing(rate_hz=1.0, most_bytes=1 << 20, rng=Random(0)), 100)

    assert (len(made), everything(made)) == (0, [])


def test_nothing_leaves_before_somebody_asks() -> None:
    made = fill(ring(), 100)

    assert (made.take(100.0), made.due_s) == ([], None)
    assert len(made) > 0


def test_as_many_leave_as_were_asked_for() -> None:
    assert len(everything(fill(ring(), 500), n=7)) == 7


def test_no_more_leave_than_the_budget_says() -> None:
    assert len(everything(fill(ring(budget=5), 500))) == 5


def test_no_more_leave_than_the_rate_says() -> None:
    made = fill(ring(rate_hz=2.0), 500)
    made.deliver(1000)
    made.take(1000.0)  # what one is late may be caught up once

    assert len([sample for second in range(1001, 1011) for sample in made.take(float(second))]) == 20


def test_what_comes_later_goes_on_to_leave_until_enough_has_left() -> None:
    made = ring()
    made.deliver(30)

    left = 0
    for i in range(100):
        made.keep(outcome(i, 0.5))
        left += len(made.take(float(i)))

    assert left == 30


def test_no_frame_leaves_twice() -> None:
    positions = [sample.outcome.frame.position for sample in everything(fill(ring(deviation=reference()), 2000))]

    assert len(positions) > 150
    assert len(set(positions)) == len(positions)


def test_the_least_certain_and_the_farthest_leave_beside_a_fair_picture_of_the_stream() -> None:
    samples = everything(fill(ring(deviation=reference()), 4000), n=100)

    margins = [found.result.margin or 0.0 for found in of_reason(samples, SampleReason.UNCERTAIN)]
    far = [
        float(found.result.signals[0])
        for found in of_reason(samples, SampleReason.DRIFT)
        if found.result.signals is not None
    ]
    fair = [found.result.margin or 0.0 for found in of_reason(samples, SampleReason.RANDOM)]
    assert (len(margins), len(far), len(fair)) == (25, 25, 50)
    assert max(margins) < 0.05
    assert min(far) > 0.9
    assert 0.4 < np.mean(fair) < 0.6


def test_a_model_without_classes_and_profile_gives_random_samples_only() -> None:
    made = ring()
    for i in range(100):
        made.keep(outcome(i, None))

    assert {sample.why for sample in everything(made)} == {SampleReason.RANDOM}


def test_refused_and_held_frames_are_never_kept() -> None:
    made = ring()
    made.keep(outcome(0, refused="NaN"))
    made.keep(outcome(1, held=True))

    assert len(made) == 0


def test_switched_off_it_forgets_its_frames_and_what_was_asked() -> None:
    made = fill(ring(), 100)
    made.deliver(10)

    made.switch(on=False, budget=0, signal=None)

    assert (len(made), made.bytes, made.due_s) == (0, 0, None)


def test_an_episode_begins_without_the_frames_of_before_and_goes_on_with_its_own() -> None:
    made = fill(ring(), 100)

    made.switch(on=True, budget=10, signal="mean", drifting=True)
    assert len(made) == 0

    fill(made, 50)
    made.switch(on=True, budget=10, signal="mean", drifting=True)
    assert len(made) > 0


def test_wiped_it_has_nothing_and_delivers_nothing() -> None:
    made = fill(ring(), 100)
    made.deliver(50)

    made.wipe()

    assert (len(made), made.bytes) == (0, 0)
    fill(made, 20)
    assert made.take(1000.0) == []


@given(sizes=st.lists(st.integers(1, 60), max_size=300), most=st.integers(0, 500), seed=st.integers(0, 99))
def test_what_waits_is_bounded_in_bytes_and_counted_right(sizes: list[int], most: int, seed: int) -> None:
    made = ring(most_bytes=most, deviation=reference())
    chance = Random(seed)
    for i, size in enumerate(sizes):
        made.keep(outcome(i, chance.random(), far=chance.random(), size=size))
        assert made.bytes <= most

    waiting = len(made)
    taken = everything(made)

    assert (len(taken), made.bytes) == (waiting, 0)
