"""Figures come from the exact bytes on the runtime here, and say what was computed by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from converter.artifact import open_artifact
from converter.errors import ConversionError, DatasetError
from converter.measure import Figures, HeldOut, measure
from converter.measure.anomaly import score_histogram
from converter.measure.classes import class_figures, confusion_matrix
from converter.measure.fidelity import largest_difference, sqnr_db
from converter.measure.running import loaded, outputs_of
from converter.progress import SilentProgress
from converter.quantize.inspection import inspect
from edge_models.preprocess import Preprocessor
from tests.factories.bundles import ASSETS, INPUT
from tests.factories.frames import digit_frames

INT8, FLOAT = ((ASSETS / f"digits-{kind}.tflite").read_bytes() for kind in ("int8", "float"))
FRAMES, CLASSES = digit_frames(120, seed=5)
INPUTS = Preprocessor(INPUT).batch(FRAMES)
DIGITS = tuple("0123456789")
PART = HeldOut(
    inputs=INPUTS,
    y=np.asarray(CLASSES, np.int64),
    labels=DIGITS,
    group=np.arange(120) % 3,
    group_names=("hall", "yard", "roof"),
)


def outputs(data: bytes) -> np.ndarray[Any, np.dtype[np.float32]]:
    with loaded(data) as model:
        return outputs_of(model, INPUTS, 0, "test", SilentProgress())


def measured(part: HeldOut = PART, **change: Any) -> Figures:
    given: dict[str, Any] = {"task": "classification", "keras_outputs": None, "clock": None} | change
    return measure(INT8, FLOAT, part, rng=np.random.default_rng(0), **given)


def test_an_engine_gives_the_figures_of_its_file() -> None:
    artifact = open_artifact(INT8, inspect(INT8, "int8"), "int8", ("logits",))

    assert measured(engine=artifact.engine) == measured()


def test_accuracy_agreement_and_confusion_are_those_of_the_outputs() -> None:
    exact, given = outputs(FLOAT).argmax(axis=1), outputs(INT8).argmax(axis=1)

    found = measured(keras_outputs=outputs(FLOAT)[:20] + np.float32(0.25))

    assert found.overall.artifact.value == pytest.approx((given == PART.y).mean())
    assert found.overall.float32 is not None
    assert found.overall.float32.value == pytest.approx((exact == PART.y).mean())
    assert found.overall.drop is not None
    assert found.overall.drop.value == pytest.approx((exact == PART.y).mean() - (given == PART.y).mean())
    assert found.agreement == pytest.approx((exact == given).mean())
    assert found.float_difference == pytest.approx(0.25, abs=1e-5)
    assert found.sqnr_db is not None
    assert found.sqnr_db > 25
    assert np.trace(np.array(found.confusion)) == (given == PART.y).sum()
    assert (found.size_bytes, found.float_bytes, found.n) == (len(INT8), len(FLOAT), 120)
    assert found.latency is None


def test_groups_carry_their_names_and_add_up() -> None:
    found = measured()

    assert [(one.name, one.n) for one in found.groups] == [("hall", 40), ("yard", 40), ("roof", 40)]
    mean = np.mean([one.overall.artifact.value for one in found.groups])
    assert mean == pytest.approx(found.overall.artifact.value)


def test_the_same_seed_gives_the_same_figures() -> None:
    assert measured() == measured()


def test_a_file_without_reference_is_measured_alone() -> None:
    found = measure(
        INT8, None, PART, task="classification", keras_outputs=None, rng=np.random.default_rng(0), clock=None
    )

    assert found.overall.artifact == measured().overall.artifact
    assert (found.overall.float32, found.overall.drop) == (None, None)
    assert (found.agreement, found.sqnr_db, found.float_bytes) == (None, None, None)
    assert found.classes[0].float_recall is None


def test_latency_is_the_median_of_turns_by_the_given_clock() -> None:
    ticks = itertools.count()

    found = measured(clock=lambda: next(ticks) * 1e-4).latency

    assert found is not None
    assert found.runtime.startswith(("ai-edge-litert", "tflite-runtime"))
    assert found.median_us == pytest.approx(100)
    assert found.float_median_us == pytest.approx(100)
    assert found.rounds == 300


def test_a_slow_machine_is_timed_less_often() -> None:
    ticks = itertools.count()

    found = measured(clock=lambda: float(next(ticks))).latency

    assert found is not None
    assert found.rounds == 30


def test_confusion_counts_every_example_and_classes_follow_from_it() -> None:
    y, predicted = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0])
    confusion = confusion_matrix(y, predicted, 4)

    first, second, third, fourth = class_figures(
        confusion, confusion_matrix(y, np.array([0, 0, 0, 1, 2, 2]), 4), ("a", "b", "c", "d")
    )

    assert confusion.tolist() == [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert first.recall is not None
    assert first.precision is not None
    assert (first.n, first.recall.value, first.precision.value) == (3, 2 / 3, 2 / 3)
    assert second.recall is not None
    assert (second.n, second.recall.value, second.float_recall) == (2, 1.0, 0.5)
    assert (third.n, third.precision) == (1, None)
    assert (fourth.n, fourth.recall, fourth.float_recall) == (0, None, None)


@pytest.mark.parametrize(
    ("y", "task", "said"),
    [
        ([], "classification", "the test part has no examples"),
        ([10, 0], "classification", "found labels 0 to 10 in the test part, expected 0 to 9"),
        ([0, -1], "classification", "found labels -1 to 0 in the test part, expected 0 to 9"),
        ([0, 2], "anomaly", "found labels 0 to 2 in the test part, expected 0 to 1"),
        ([0, 0], "anomaly", "found only normal examples in the test part, expected both kinds"),
    ],
)
def test_a_test_part_that_tells_nothing_is_refused(y: list[int], task: str, said: str) -> None:
    part = HeldOut(inputs=INPUTS[: len(y)], y=np.array(y, np.int64), labels=DIGITS)

    with pytest.raises(DatasetError, match=f"^{said}"):
        measured(part, task=task)


def test_inputs_of_another_size_are_refused() -> None:
    part = HeldOut(inputs=INPUTS[:, :4], y=PART.y, labels=DIGITS)

    with pytest.raises(ConversionError, match="the model takes"):
        measured(part)


def test_outputs_that_are_not_finite_are_refused_with_their_cause() -> None:
    part = HeldOut(inputs=np.full_like(INPUTS[:3], 3e38), y=PART.y[:3], labels=DIGITS)

    with pytest.raises(ConversionError, match="float32 model gives NaN or infinity for 3 of 3 test inputs"):
        measured(part)


def test_a_histogram_of_scores_counts_all_and_lets_no_wild_one_widen_it() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [400, 100])
    scores = np.concatenate([rng.random(400), 1 + rng.random(99), [1e6]])

    found = score_histogram(scores, None, y)

    assert (sum(found.normal), sum(found.anomalous)) == (400, 100)
    assert found.edges[-1] < 3
    assert found.float_roc == ()


def test_equal_scores_have_a_histogram_as_well() -> None:
    assert sum(score_histogram(np.ones(6), np.ones(6), np.array([0, 0, 0, 1, 1, 1])).normal) == 3


def test_quantisation_noise_of_a_tenth_is_20_db() -> None:
    reference = np.random.default_rng(0).normal(size=(50, 10)).astype(np.float32)

    assert sqnr_db(reference, reference * np.float32(0.9)) == pytest.approx(20, abs=1e-3)
    assert sqnr_db(reference, reference) > 200


def test_the_largest_difference_is_taken_of_the_rows_that_both_have() -> None:
    assert (
        largest_difference(np.zeros((2, 3), np.float32), np.array([[0, 1, 0], [0, 0, -2], [9, 9, 9]], np.float32)) == 2
    )
    assert np.isnan(largest_difference(np.full((1, 1), np.nan, np.float32), np.zeros((1, 1), np.float32)))


def test_the_difference_of_reconstructions_is_a_share_of_the_largest_output() -> None:
    exact, found = np.full((1, 2), 50, np.float32), np.array([[50, 50.5]], np.float32)

    assert largest_difference(exact, found, relative=True) == pytest.approx(0.01)
    assert largest_difference(exact * np.float32(0.01), found * np.float32(0.01), relative=True) == pytest.approx(0.005)
