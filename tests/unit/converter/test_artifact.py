"""What hangs on an artifact is taken through the artifact itself."""

from __future__ import annotations

import numpy as np
import pytest

from converter.artifact import GOLDEN_INPUTS, float_logits, open_int8, probe_npz, profile_npz, sqnr_db
from converter.errors import ConversionError
from converter.gates import Figures
from edge_models.npz import read_npz
from edge_models.preprocess import Preprocessor
from edge_models.profile import Profile
from edge_models.signals import OUTPUT_SIGNALS, input_signal_names
from tests.factories.bundles import ASSETS, INPUT
from tests.factories.frames import digit_frames

INT8, FLOAT = ((ASSETS / f"digits-{kind}.tflite").read_bytes() for kind in ("int8", "float"))
FRAMES, CLASSES = digit_frames(80, seed=5)
INPUTS = Preprocessor(INPUT).batch(FRAMES)


def test_int8_and_float_agree_within_the_noise_of_their_codes() -> None:
    exact, given = float_logits(FLOAT, INPUTS), open_int8(INT8).answers(INPUTS)

    assert given.logits.shape == exact.shape == (80, 10)
    assert (given.predicted == exact.argmax(axis=1)).mean() >= 0.97
    assert sqnr_db(exact, given.logits) > 25
    np.testing.assert_allclose(given.probabilities.sum(axis=1), 1)


def test_an_artifact_says_what_it_needs_and_what_was_measured() -> None:
    figures = Figures(
        float_accuracy=0.97,
        int8_accuracy=0.96,
        float_bytes=2,
        int8_bytes=1,
        float_difference=0.0,
        agreement=0.99,
        sqnr_db=33.333,
        n_test=80,
    )

    artifact = open_int8(INT8).measured(figures)

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


def test_a_float_file_is_no_int8_artifact() -> None:
    with pytest.raises(ConversionError, match="it was not quantised"):
        open_int8(FLOAT)


def test_golden_inputs_come_from_every_class_and_replay_exactly() -> None:
    int8 = open_int8(INT8)

    golden = read_npz(probe_npz(int8, INPUTS, CLASSES), max_bytes=1 << 20)

    assert (golden["x"].shape, golden["y_logits"].shape) == ((GOLDEN_INPUTS, 8, 8, 1), (GOLDEN_INPUTS, 10))
    assert golden["x"].dtype == golden["y_logits"].dtype == np.int8
    assert len(set(golden["y_logits"].argmax(axis=1).tolist())) == 10
    assert probe_npz(int8, INPUTS, CLASSES) == probe_npz(open_int8(INT8), INPUTS, CLASSES)


def test_tiny_data_sets_repeat_some_golden_inputs() -> None:
    golden = read_npz(probe_npz(open_int8(INT8), INPUTS[:5], CLASSES[:5]), max_bytes=1 << 20)

    assert len(golden["x"]) == GOLDEN_INPUTS


def test_the_profile_holds_the_signals_of_input_and_output() -> None:
    profile = Profile.from_npz(profile_npz(open_int8(INT8), INPUT, INPUTS, 10))

    assert profile.signals == (*input_signal_names("image", (8, 8, 1)), *OUTPUT_SIGNALS)
    assert profile.n_ref == 80
    assert profile.class_prior.shape == (10,)


def test_sqnr_is_ten_decibels_a_power_of_ten() -> None:
    reference = np.ones((4, 4), np.float32)

    assert sqnr_db(reference, reference * np.float32(0.9)) == pytest.approx(20, abs=1e-3)
    assert sqnr_db(reference, reference) > 200
