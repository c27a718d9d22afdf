"""The profile of an artifact is taken through the artifact, with what shifts would cost."""

from __future__ import annotations

import numpy as np
import pytest

from converter.errors import ConversionError
from converter.profile import take_profile
from edge_models.profile import Profile
from edge_models.signals import OUTPUT_SIGNALS, input_signal_names
from tests.factories.bundles import INPUT
from tests.unit.converter.profile.digits import CLASSES, INPUTS, built, int8


def test_the_profile_holds_the_signals_of_input_and_output() -> None:
    profile = Profile.from_npz(take_profile(int8(), INPUT, INPUTS[:80], 10).profile.to_npz())

    assert profile.signals == (*input_signal_names("image", (8, 8, 1)), *OUTPUT_SIGNALS)
    assert profile.n_ref == 80
    assert profile.class_prior.shape == (10,)


def test_the_profile_knows_its_artifact_and_what_ran_it() -> None:
    profile = Profile.from_npz(built().to_npz())

    assert len(profile.artifact_sha256) == 64
    assert profile.runtime.startswith(("ai-edge-litert", "tflite-runtime"))


def test_without_labels_nothing_is_calibrated_and_no_cost_is_learnt() -> None:
    profile = take_profile(int8(), INPUT, INPUTS[:80], 10).profile

    assert (profile.temperature, profile.confusion, profile.impact) == (1.0, None, None)


def test_labels_give_calibration_confusion_and_the_cost_of_shifts() -> None:
    profile = built()

    assert profile.temperature != 1.0
    assert profile.confusion is not None
    assert np.diag(profile.confusion.dense()).mean() > 0.9
    assert profile.impact is not None
    assert profile.impact.reference_accuracy == pytest.approx(0.97, abs=0.03)


def test_the_same_data_give_the_same_profile() -> None:
    assert take_profile(int8(), INPUT, INPUTS, 10, y=CLASSES).profile.id == built().id


def test_progress_hears_of_every_family() -> None:
    heard: list[str] = []

    class Listener:
        def step(self, stage: str, done: int, total: int, detail: str = "") -> None:
            assert (stage, 0 < done <= total) == ("impact", True)
            heard.append(detail)

    take_profile(int8(), INPUT, INPUTS[:120], 10, y=CLASSES[:120], progress=Listener())

    assert {"blur", "noise", "rotation"} <= set(heard)


def test_inputs_that_are_no_numbers_are_refused_in_one_line() -> None:
    inputs = INPUTS[:40].copy()
    inputs[3:5] = np.nan

    refused = pytest.raises(ConversionError, match="found 2 of 40 held-out inputs whose signals or answers")
    with np.errstate(invalid="ignore"), refused:
        take_profile(int8(), INPUT, inputs, 10)
