"""A .tflite file from elsewhere becomes a bundle, or is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.__main__ import main
from converter.errors import DatasetError, InputFileError, ModelError
from converter.wrap.examples import Labelled
from converter.wrap.fitting import fits
from converter.wrap.labels import read_labels
from converter.wrap.model import read_model
from converter.wrap.trial import check_runs
from edge_models.bundle import open_bundle
from edge_models.manifest import GreyscaleStep, ResizeStep, ScaleStep
from edge_models.profile import Profile
from edge_models.tensors import QuantParams, TensorSpec
from tests.factories.bundles import ASSETS
from tests.factories.frames import digit_frames
from tests.unit.converter.crafted import Op, tflite
from tests.unit.converter.recordings import write_data

X, Y = digit_frames(120, seed=4)
PIXELS = X
PICTURE = TensorSpec(shape=(8, 8, 1), dtype="uint8", quant=QuantParams(scale=1 / 255, zero_point=0))


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data.npz", x=PIXELS, y=Y)


def wrapped(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """The report of a bundle that was written."""
    assert main(["wrap", *map(str, arguments), "--json", "--progress", "none"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The line that it is refused with."""
    assert main(["wrap", *map(str, arguments), "--progress", "none"]) == 2
    out, line = capsys.readouterr()
    assert (out, line.count("\n")) == ("", 1)
    return line


def examples(x: np.ndarray[Any, Any]) -> Labelled:
    return Labelled(where="d.npz", x=x, y=np.zeros(len(x), np.int64))


@pytest.mark.parametrize("form", ["uint8", "int8"])
def test_pixels_become_the_codes_of_a_quantised_input(
    tmp_path: Path, labels: Path, data: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    report = wrapped(
        capsys, ASSETS / f"digits-{form}.tflite", "--labels", labels, "--data", data, "-o", tmp_path / "out"
    )

    bundle = open_bundle(tmp_path / "out")
    artifact = bundle.manifest.artifacts[f"tflite-{form}"]
    assert bundle.id == report["bundle"]
    assert (bundle.manifest.model, bundle.manifest.labels[3]) == (f"digits-{form}", "three")
    assert report["n_test"] == 120
    assert report["int8_accuracy"] >= 0.9
    assert report["float_accuracy"] is None
    assert artifact.outputs[0].role == "logits"
    assert Profile.from_npz(bundle.read(artifact.profile or "")).n_ref == 120
    assert main(["verify", str(tmp_path / "out")]) == 0


def test_a_float_model_shows_by_the_labels_how_its_pixels_were_scaled(
    tmp_path: Path, labels: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = wrapped(capsys, ASSETS / "digits-float.tflite", "--labels", labels, "--data", data, "-o", tmp_path / "out")

    assert open_bundle(tmp_path / "out").manifest.input.preprocess == (ScaleStep(factor=1 / 255),)
    assert any("the best of 3 ways" in note for note in report["notes"])


def test_steps_that_are_given_are_taken(
    tmp_path: Path, labels: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "steps.yaml").write_text("- {op: scale, factor: 0.004}\n")

    for steps in ("[{op: scale, factor: 0.004}]", str(tmp_path / "steps.yaml")):
        wrapped(
            *(capsys, ASSETS / "digits-float.tflite", "--labels", labels, "--data", data, "-o", tmp_path / "out"),
            *("--preprocess", steps, "--kind", "image", "--model", "mine", "--version", "3"),
        )
        manifest = open_bundle(tmp_path / "out").manifest
        assert manifest.input.preprocess == (ScaleStep(factor=0.004),)
        assert (manifest.model, manifest.version) == ("mine", "3")


def test_data_in_the_models_own_codes_are_taken_as_they_are(
    tmp_path: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As KWS data are: int8 features and an array of names beside them, in capital letters."""
    codes = (PIXELS.astype(np.int16) - 128).astype(np.int8)[..., None]
    np.savez(tmp_path / "codes.npz", X=codes, y=Y, names=np.array(["zero", "one"]))

    report = wrapped(
        *(capsys, ASSETS / "digits-int8.tflite", "--labels", labels, "--data", tmp_path / "codes.npz"),
        *("-o", tmp_path / "out"),
    )

    source = open_bundle(tmp_path / "out").manifest.input.source
    assert source == open_bundle(tmp_path / "out").manifest.artifacts["tflite-int8"].input
    assert report["int8_accuracy"] >= 0.9


def test_a_model_that_restores_its_input_finds_anomalies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(1)
    time = np.arange(16) / 16 + rng.uniform(0, 1, (200, 1))
    x = np.sin(2 * np.pi * time).astype(np.float32)
    x[100:] = rng.normal(0, 1, (100, 16))
    data = write_data(tmp_path / "hum.npz", x=x, y=np.repeat([0, 1], 100))

    report = wrapped(capsys, ASSETS / "hum-int8.tflite", "--data", data, "-o", tmp_path / "out")

    manifest = open_bundle(tmp_path / "out").manifest
    assert (manifest.task, manifest.labels) == ("anomaly", ("normal", "anomaly"))
    assert manifest.artifacts["tflite-int8"].threshold is not None
    assert report["metric"] == "auc"
    assert Profile.from_npz(open_bundle(tmp_path / "out").read("int8-profile.npz")).n_ref == 100


def test_a_missed_gate_writes_nothing_and_an_allowed_one_is_in_the_manifest(
    tmp_path: Path, labels: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = (ASSETS / "digits-int8.tflite", "--labels", labels, "--data", data, "-o", tmp_path / "out")
    gate = ("--set", "gates.metric=0.999", "--progress", "none")

    assert main(["wrap", *map(str, order), *gate]) == 1
    assert "metric: accuracy 0.9" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()

    assert main(["wrap", *map(str, order), *gate, "--allow-gate", "metric"]) == 0
    (waiver,) = open_bundle(tmp_path / "out").manifest.provenance.waivers
    assert (waiver.gate, waiver.limit) == ("metric", 0.999)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (b"no model at all, but long enough", "expected b'TFL3' of a .tflite file"),
        (tflite([Op("CUSTOM", custom="edgetpu-custom-op")]), "take the file from before edgetpu_compiler"),
        (tflite([Op("CUSTOM", custom="SignalRfft")]), "found custom operators SignalRfft, expected TFLite's own"),
        (tflite([Op("FULLY_CONNECTED", version=99)]), "no runtime loads the graph"),
    ],
)
def test_a_file_that_cannot_run_is_refused_by_name_and_operator(
    tmp_path: Path, labels: Path, data: Path, capsys: pytest.CaptureFixture[str], made: bytes, expected: str
) -> None:
    (tmp_path / "m.tflite").write_bytes(made)

    line = refused(capsys, tmp_path / "m.tflite", "--labels", labels, "--data", data, "-o", tmp_path / "out")

    assert f"{tmp_path}/m.tflite: " in line
    assert expected in line
    assert not (tmp_path / "out").exists()


def test_a_truncated_file_is_refused(
    tmp_path: Path, labels: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "m.tflite").write_bytes((ASSETS / "digits-int8.tflite").read_bytes()[:3000])

    line = refused(capsys, tmp_path / "m.tflite", "--labels", labels, "--data", data, "-o", tmp_path / "out")

    assert "truncated or damaged" in line


def test_labels_that_do_not_fit_are_refused(
    tmp_path: Path, labels: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "few.txt").write_text("a\nb\nc\n")
    order = (ASSETS / "digits-int8.tflite", "--data", data, "-o", tmp_path / "out")

    assert "found outputs [10], expected one of 3 numbers" in refused(capsys, *order, "--labels", tmp_path / "few.txt")
    assert "expected one of 64 numbers, as many as the input" in refused(capsys, *order)
    beyond = write_data(tmp_path / "beyond.npz", x=PIXELS, y=Y + 5)
    line = refused(capsys, order[0], "--labels", labels, "--data", beyond, "-o", tmp_path / "out")
    assert "found labels 5 to 14, expected 0 to 9 for zero to nine" in line


def test_a_spiking_form_is_not_made_of_a_tflite_file(
    tmp_path: Path, labels: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = (ASSETS / "digits-int8.tflite", "--labels", labels, "--data", data, "-o", tmp_path / "out")

    assert "use driftline-convert import with the model" in refused(capsys, *order, "--set", "spiking.levels=4")


def test_an_answer_that_is_softmax_is_probabilities(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes((ASSETS / "digits-int8.tflite").read_bytes())

    assert read_model(path, 10, None).role == "logits"
    assert read_model(path, 10, "probabilities").role == "probabilities"


def test_pictures_of_another_size_and_colour_are_brought_to_the_models() -> None:
    wide = np.zeros((2, 48, 64, 3), np.uint8)

    (fit,) = fits(PICTURE, examples(wide), None, None)

    assert fit.spec.preprocess[:2] == (GreyscaleStep(), ResizeStep(height=8, width=8))
    assert "colours to grey, 48 x 64 resized to 8 x 8" in fit.said


@pytest.mark.parametrize(
    ("quant", "doubt"),
    [(QuantParams(scale=1 / 255, zero_point=0), False), (QuantParams(scale=0.6, zero_point=83), True)],
)
def test_an_input_range_that_is_odd_for_pixels_is_doubted(quant: QuantParams, doubt: bool) -> None:
    (fit,) = fits(TensorSpec(shape=(8, 8, 1), dtype="uint8", quant=quant), examples(PIXELS), None, None)

    assert ("odd for pixels" in fit.said) == doubt


@pytest.mark.parametrize(
    ("model", "x", "expected"),
    [
        ((3, 224, 224), np.zeros((2, 224, 224, 1), np.uint8), "channels first"),
        ((8, 8, 3), np.zeros((2, 8, 8), np.uint8), "found pictures with 1 channels, expected 3"),
        ((12,), np.zeros((2, 8), np.float32), "expected 12 numbers as the model takes"),
        ((8,), np.zeros((2, 8), np.int64), "save x.astype"),
    ],
)
def test_frames_that_cannot_become_inputs_are_refused(
    model: tuple[int, ...], x: np.ndarray[Any, Any], expected: str
) -> None:
    with pytest.raises(DatasetError, match=expected.replace("(", r"\(")):
        fits(TensorSpec(shape=model, dtype="float32"), examples(x), None, None)


def test_labels_are_read_in_the_forms_that_models_come_with(tmp_path: Path) -> None:
    path = tmp_path / "l.txt"
    forms = {
        "plain": "cat\nbig dog\n",
        "numbered": "0 cat\n1  big dog\n",
        "colons": "0: cat\n1: big dog",
        "json": '["cat", "big dog"]',
    }

    for text in forms.values():
        path.write_text(text)
        assert read_labels(path) == ("cat", "big dog")


@pytest.mark.parametrize("text", ["", "only\n", "a\n\nb\n", "[1, 2", "{}"])
def test_labels_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "l.txt"
    path.write_text(text)

    with pytest.raises(InputFileError, match=r"expected the name of one class in each line"):
        read_labels(path)


def test_a_file_is_run_once_elsewhere_before_it_is_trusted(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes((ASSETS / "digits-int8.tflite").read_bytes())
    check_runs(path)

    path.write_bytes((ASSETS / "unknown-op.tflite").read_bytes())

    with pytest.raises(ModelError, match=r"m\.tflite: .*DriftlineNobodyKnows"):
        check_runs(path)
