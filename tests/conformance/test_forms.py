"""Every form that the converter makes, on whichever runtime is installed; what a runtime lacks is refused before it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_models.engines import available_runtimes, choose_artifact, open_engine
from edge_models.engines.opversions import too_new
from edge_models.engines.port import infer
from edge_models.engines.registry import TFLITE_RUNTIMES
from edge_models.engines.tflite import TfliteModel, find_runtime
from edge_models.errors import UnsupportedArtifactError
from edge_models.manifest import Requires
from edge_models.npz import read_npz
from edge_models.quantize import dequantize, quantize
from edge_models.selftest import run_probe
from edge_models.signals import anomaly_scores, read_answer
from tests.factories.bundles import ASSETS, INPUT, LABELS
from tests.factories.frames import digit_frames
from tests.factories.hum import loose_rows, make_hum_bundle, normal_rows
from tests.factories.sound import clips, make_sound_bundle
from tests.factories.wrapped import wrap

pytestmark = pytest.mark.runtime

INTEGER_FORMS = ("int16x8", "uint8")
FLOAT_FORMS = ("float16", "dynamic")
# Kernels of 16 bits round the last step differently from one runtime to the other, all else is exact.
EXACT_STEPS = {"int16x8": 1, "uint8": 0}
RUNTIME = find_runtime().label


def load(form: str, *, delegates: bool = True) -> TfliteModel:
    return TfliteModel((ASSETS / f"digits-{form}.tflite").read_bytes(), delegates=delegates)


def golden(form: str) -> tuple[NDArray[Any], NDArray[Any]]:
    arrays = read_npz(ASSETS / "forms-golden.npz", max_bytes=1 << 20)
    return arrays[f"x_{form}"], arrays[f"y_{form}"]


@pytest.mark.parametrize("form", INTEGER_FORMS)
def test_plain_kernels_of_integers_give_the_golden_steps(form: str) -> None:
    x, y = golden(form)
    model = load(form, delegates=False)

    given = np.stack([model.run(codes)[0] for codes in x])

    assert np.abs(given.astype(np.int64) - y.astype(np.int64)).max() <= EXACT_STEPS[form]


@pytest.mark.parametrize("form", FLOAT_FORMS)
@pytest.mark.parametrize("delegates", [True, False])
def test_float_forms_give_the_golden_values(form: str, delegates: bool) -> None:
    x, y = golden(form)
    model = load(form, delegates=delegates)

    np.testing.assert_allclose(np.stack([model.run(codes)[0] for codes in x]), y, atol=1e-4)


@pytest.mark.parametrize("form", INTEGER_FORMS + FLOAT_FORMS)
def test_every_form_tells_digits_apart(form: str) -> None:
    model = load(form)
    frames, labels = digit_frames(200, seed=5)
    x = (frames[..., None] / np.float32(240)).astype(np.float32)

    answers = [dequantize(model.run(quantize(frame, model.input.spec))[0], model.outputs[0].spec) for frame in x]

    assert (np.argmax(answers, axis=1) == labels).mean() > 0.9


@pytest.mark.parametrize("form", INTEGER_FORMS + FLOAT_FORMS)
@pytest.mark.parametrize("delegates", [True, False])
def test_a_bundle_of_any_form_passes_its_own_golden_inputs(tmp_path: Path, form: str, delegates: bool) -> None:
    bundle = wrap(tmp_path / "b", ASSETS / f"digits-{form}.tflite", INPUT, digit_frames(50)[0], labels=LABELS)

    result = run_probe(bundle, "tflite", open_engine(bundle, "tflite", delegates=delegates), delegates=delegates)

    assert result.ok, result.reason


def test_pixels_reach_a_uint8_model_as_they_are(tmp_path: Path) -> None:
    model = load("uint8")
    codes = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8, 1)

    np.testing.assert_array_equal(quantize(dequantize(codes, model.input.spec), model.input.spec), codes)


def test_an_operator_version_that_this_runtime_lacks_is_refused_before_it_is_loaded() -> None:
    newer = too_new({"FULLY_CONNECTED": 12}, *RUNTIME.split(" "))

    if newer:
        with pytest.raises(UnsupportedArtifactError, match=r"needs FULLY_CONNECTED version 12, .* loads up to 10"):
            load("dynamic-v12")
    else:
        assert load("dynamic-v12").run(np.zeros((8, 8, 1), np.float32))[0].shape == (10,)


def test_what_the_manifest_requires_is_held_against_the_runtime_too(tmp_path: Path) -> None:
    bundle = make_hum_bundle(tmp_path / "bundle")
    requires = Requires(runtimes=TFLITE_RUNTIMES, ops={"FULLY_CONNECTED": 99, "CUSTOM:Nobody": 1})
    artifact = dataclasses.replace(bundle.artifact("tflite"), requires=requires)
    newer = dataclasses.replace(bundle, manifest=dataclasses.replace(bundle.manifest, artifacts={"tflite": artifact}))

    with pytest.raises(UnsupportedArtifactError, match=r"FULLY_CONNECTED version 99, .*; custom operator Nobody"):
        open_engine(newer, "tflite")
    with pytest.raises(UnsupportedArtifactError, match="custom operator Nobody"):
        choose_artifact(newer.manifest, available_runtimes())


def test_an_autoencoder_tells_a_loose_machine_from_a_sound_one(tmp_path: Path) -> None:
    bundle = make_hum_bundle(tmp_path / "bundle")
    artifact, engine = bundle.artifact("tflite"), open_engine(bundle, "tflite")

    alarms = [
        sum(read_answer(artifact, row, infer(engine, row)).predicted == 1 for row in rows)
        for rows in (normal_rows(300, seed=8), loose_rows(300, seed=8))
    ]

    assert alarms[0] < 6
    assert alarms[1] > 285


def test_scores_agree_between_runtimes_to_a_few_steps(tmp_path: Path) -> None:
    engine = open_engine(make_hum_bundle(tmp_path / "bundle"), "tflite", delegates=False)
    rows = normal_rows(50, seed=8)

    scores = anomaly_scores(rows, np.stack([infer(engine, row)["reconstruction"] for row in rows]))

    assert scores.mean() == pytest.approx(0.003, abs=0.001)


def test_a_model_behind_a_log_mel_front_end_passes_its_golden_inputs(tmp_path: Path) -> None:
    bundle = make_sound_bundle(tmp_path / "bundle")

    result = run_probe(bundle, "tflite", open_engine(bundle, "tflite"))

    assert result.ok, result.reason
    assert clips(1, seed=0).shape == (1, *bundle.manifest.input.source.shape)
