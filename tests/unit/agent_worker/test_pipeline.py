"""One frame through the model."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.worker.opened_model import OpenedModel
from agent.worker.pipeline import Pipeline, PipelineResult, open_pipeline
from edge_models.errors import UnsupportedArtifactError
from edge_models.manifest import InputSpec, OutputSpec, WindowStep
from edge_models.signals import OUTPUT_SIGNALS
from edge_models.tensors import TensorSpec
from tests.factories.bundles import INPUT, INT8
from tests.factories.frames import digit_frames
from tests.unit.agent_worker.conftest import FakeClock


class FakeEngine:
    """Answers with what the test says, and takes a millisecond for it."""

    name = "fake"
    runtime = "fake 1"
    executor = "fake"
    note = ""

    def __init__(self, answer: NDArray[Any] | Exception, clock: FakeClock, shape: tuple[int, ...] = (8, 8, 1)) -> None:
        self.input = TensorSpec(shape=shape, dtype="float32")
        self.outputs = (OutputSpec(name="logits", role="logits", spec=TensorSpec(shape=(3,), dtype="float32")),)
        self.seen: list[NDArray[Any]] = []
        self._answer = answer
        self._clock = clock

    def run(self, codes: NDArray[Any]) -> dict[str, NDArray[Any]]:
        self.seen.append(codes)
        self._clock.now_s += 0.001
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"logits": self._answer.copy()}

    def close(self) -> None: ...


def fake_pipeline(model: OpenedModel, clock: FakeClock, answer: NDArray[Any] | Exception) -> Pipeline:
    artifact = model.bundle.artifact(INT8)
    return Pipeline(spec=INPUT, artifact=artifact, engine=FakeEngine(answer, clock), clock_ns=clock.ns)


def completed(result: PipelineResult | None) -> PipelineResult:
    assert result is not None
    return result


FRAME = np.full((8, 8), 120, np.uint8)


@pytest.mark.runtime
def test_real_digits_are_classified_well(model: OpenedModel) -> None:
    pipeline = open_pipeline(model.bundle, INT8, model.engine, time.perf_counter_ns)
    frames, labels = digit_frames(300, seed=1)

    predicted = [completed(pipeline.run(frame)).predicted for frame in frames]

    assert np.mean(np.array(predicted) == labels) > 0.93


def test_the_answer_is_the_largest_class_with_its_probability(model: OpenedModel, clock: FakeClock) -> None:
    pipeline = fake_pipeline(model, clock, np.log(np.array([0.2, 0.7, 0.1], np.float32)))

    result = completed(pipeline.run(FRAME))

    assert result.predicted == 1
    assert result.confidence == pytest.approx(0.7, abs=1e-6)
    assert result.margin == pytest.approx(0.5, abs=1e-6)
    assert result.refused is None


def test_signals_come_in_the_order_of_their_names(model: OpenedModel, clock: FakeClock) -> None:
    pipeline = fake_pipeline(model, clock, np.zeros(3, np.float32))

    result = completed(pipeline.run(FRAME))

    assert result.signals is not None
    values = dict(zip(pipeline.signal_names, result.signals.tolist(), strict=True))
    assert pipeline.signal_names[-3:] == OUTPUT_SIGNALS
    assert values["mean"] == pytest.approx(0.5)
    assert values["confidence"] == pytest.approx(1 / 3)


def test_each_stage_is_timed_on_the_clock_that_was_handed_in(model: OpenedModel, clock: FakeClock) -> None:
    result = completed(fake_pipeline(model, clock, np.zeros(3, np.float32)).run(FRAME))

    assert result.times.infer_us == pytest.approx(1000, abs=1)
    assert result.times.preprocess_us == result.times.signals_us == 0.0
    assert result.times.latency_us == pytest.approx(1000, abs=1)


def test_what_a_model_costs_is_processor_time_however_long_the_machine_kept_it_waiting(
    model: OpenedModel, clock: FakeClock
) -> None:
    spent = iter((7_000, 12_000))  # ns, before and after the frame, while the wall clock moves a whole millisecond
    artifact = model.bundle.artifact(model.artifact_name)
    engine = FakeEngine(np.zeros(3, np.float32), clock)
    pipeline = Pipeline(spec=INPUT, artifact=artifact, engine=engine, clock_ns=clock.ns, cpu_ns=lambda: next(spent))

    assert completed(pipeline.run(FRAME)).times.cpu_us == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (np.full((8, 8), np.nan, np.float32), "float32"),
        (np.zeros((9, 8), np.uint8), "shape"),
        (np.zeros((0,), np.uint8), "shape"),
        (np.zeros((8, 8), np.int64), "int64"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_and_nothing_breaks(
    model: OpenedModel, clock: FakeClock, frame: NDArray[Any], reason: str
) -> None:
    pipeline = fake_pipeline(model, clock, np.zeros(3, np.float32))

    result = completed(pipeline.run(frame))

    assert result.predicted is None
    assert result.signals is None
    assert reason in (result.refused or "")
    assert completed(pipeline.run(FRAME)).predicted == 0


def test_an_answer_that_is_no_number_is_refused(model: OpenedModel, clock: FakeClock) -> None:
    pipeline = fake_pipeline(model, clock, np.array([0.0, np.nan, 1.0], np.float32))

    result = completed(pipeline.run(FRAME))

    assert result.predicted is None
    assert result.refused == "the model's answer is no finite number"


def test_what_the_engine_cannot_survive_is_raised(model: OpenedModel, clock: FakeClock) -> None:
    pipeline = fake_pipeline(model, clock, UnsupportedArtifactError("the runtime gave up"))

    with pytest.raises(UnsupportedArtifactError):
        pipeline.run(FRAME)


def test_a_window_of_rows_gives_an_answer_when_it_is_full(model: OpenedModel, clock: FakeClock) -> None:
    rows = InputSpec(
        kind="rows",
        source=TensorSpec(shape=(2,), dtype="float32"),
        preprocess=(WindowStep(length=3, stride=2),),
    )
    engine = FakeEngine(np.zeros(3, np.float32), clock, shape=(3, 2))
    pipeline = Pipeline(spec=rows, artifact=model.bundle.artifact(INT8), engine=engine, clock_ns=clock.ns)

    answered = [pipeline.run(np.array([i, i], np.float32)) is not None for i in range(6)]

    assert answered == [False, False, True, False, True, False]
    assert engine.seen[-1][:, 0].tolist() == [2.0, 3.0, 4.0]
    pipeline.reset()
    assert pipeline.run(np.zeros(2, np.float32)) is None
