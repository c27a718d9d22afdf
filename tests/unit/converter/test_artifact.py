"""What hangs on an artifact is taken through the artifact itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from converter.artifact import GOLDEN_INPUTS, Runnable, golden_count, open_artifact, probe_npz
from converter.artifact import with_tolerance as tolerant
from converter.measure import Comparison, Estimate, Figures
from converter.quantize.inspection import inspect
from edge_models.npz import read_npz, write_npz
from edge_models.preprocess import Preprocessor
from edge_models.signals import ANOMALY_SIGNALS
from edge_models.tensors import TensorSpec
from tests.factories.bundles import ASSETS, INPUT
from tests.factories.frames import digit_frames

INT8 = (ASSETS / "digits-int8.tflite").read_bytes()
FRAMES, CLASSES = digit_frames(80, seed=5)
INPUTS = Preprocessor(INPUT).batch(FRAMES)


def int8() -> Runnable:
    return open_artifact(INT8, inspect(INT8, "int8"), "int8", ("logits",))


def estimate(value: float) -> Estimate:
    return Estimate(value=value, low=value - 0.01, high=value + 0.01)


def test_an_artifact_says_what_it_needs_and_what_was_measured() -> None:
    figures = Figures(
        metric="accuracy",
        n=80,
        overall=Comparison(artifact=estimate(0.96), float32=estimate(0.97), drop=estimate(0.01)),
        agreement=0.99,
        sqnr_db=33.333,
        size_bytes=1,
    )

    artifact = int8().measured(figures)

    assert artifact.requires.runtimes == ("ai-edge-litert", "tflite-runtime")
    assert artifact.requires.ops["CONV_2D"] == 3
    assert artifact.input.quant is not None
    assert artifact.acceptance == {
        "accuracy": 0.96,
        "float_accuracy": 0.97,
        "agreement": 0.99,
        "sqnr_db": 33.33,
        "n_test": 80.0,
    }


def test_a_wrapped_model_has_no_figures_of_a_float_form() -> None:
    figures = Figures(
        metric="auc", n=80, overall=Comparison(artifact=estimate(0.9), float32=None, drop=None), size_bytes=1
    )

    assert int8().measured(figures).acceptance == {"auc": 0.9, "n_test": 80.0}


def test_golden_inputs_come_from_every_class_and_replay_exactly() -> None:
    golden = read_npz(probe_npz(int8(), INPUTS, CLASSES), max_bytes=1 << 20)

    assert (golden["x"].shape, golden["y_logits"].shape) == ((GOLDEN_INPUTS, 8, 8, 1), (GOLDEN_INPUTS, 10))
    assert golden["x"].dtype == golden["y_logits"].dtype == np.int8
    assert len(set(golden["y_logits"].argmax(axis=1).tolist())) == 10
    assert probe_npz(int8(), INPUTS, CLASSES) == probe_npz(int8(), INPUTS, CLASSES)


def test_tiny_data_sets_repeat_some_golden_inputs() -> None:
    golden = read_npz(probe_npz(int8(), INPUTS[:5], CLASSES[:5]), max_bytes=1 << 20)

    assert len(golden["x"]) == GOLDEN_INPUTS


@pytest.mark.parametrize(("shape", "count"), [((28, 28, 1), 32), ((224, 224, 3), 6), ((1024, 1024, 3), 4)])
def test_large_pictures_have_fewer_golden_inputs(shape: tuple[int, ...], count: int) -> None:
    assert golden_count(TensorSpec(shape=shape, dtype="uint8")) == count


def test_the_tolerance_is_never_narrower_than_what_delegates_do_here() -> None:
    runnable = int8()
    probe = read_npz(probe_npz(runnable, INPUTS, CLASSES), max_bytes=1 << 20)
    far = probe["y_logits"].astype(np.int64) + np.where(probe["y_logits"] > 0, -20, 20)

    near = tolerant(runnable, probe_npz(runnable, INPUTS, CLASSES)).artifact.tolerance
    wide = tolerant(runnable, write_npz({"x": probe["x"], "y_logits": far.astype(np.int8)})).artifact.tolerance

    assert (near.exact_lsb, near.delegate_lsb) == (1, 8)
    assert wide.delegate_lsb >= 40


def test_the_threshold_of_anomalies_lets_one_normal_input_in_a_hundred_through() -> None:
    data = (ASSETS / "hum-int8.tflite").read_bytes()
    hum = open_artifact(data, inspect(data, "int8"), "int8", ("reconstruction",))
    inputs = np.random.default_rng(3).normal(size=(200, *hum.artifact.input.shape)).astype(np.float32)
    scores = hum.answers(inputs).signals[:, 0]

    judged = hum.with_threshold(scores)

    assert judged.answers(inputs).signal_names == ANOMALY_SIGNALS
    predicted = judged.answers(inputs).predicted
    assert predicted is not None
    assert predicted.sum() == 2
    assert replace(judged.artifact, threshold=None) == hum.artifact
