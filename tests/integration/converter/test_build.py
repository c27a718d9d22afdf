"""`build digits` through the command line, and what the other verbs make of its bundle."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.report import report_page
from edge_models.bundle import open_bundle
from edge_models.engines import open_engine
from edge_models.manifest import InputSpec, ScaleStep
from edge_models.npz import read_npz, write_npz
from edge_models.profile import Profile
from edge_models.selftest import run_probe
from edge_models.tensors import TensorSpec
from tests.factories.frames import DIGITS
from tests.integration.converter.conftest import Built
from tests.integration.converter.program import answer, convert

pytestmark = pytest.mark.integration

INT8 = "tflite-int8"
ASKED = {  # what programs read from a report without looking further
    *("model", "version", "recipe", "metric", "float_bytes", "int8_bytes", "float_accuracy", "int8_accuracy", "n_test"),
    *("agreement", "sqnr_db", "float_difference", "examples", "calibration", "devices", "seconds"),
}


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The second half of the digits."""
    arrays = read_npz(DIGITS, max_bytes=1 << 20, names=("x", "y"))
    return arrays["x"].astype(np.uint8), arrays["y"].astype(np.int64)


def test_the_bundle_is_what_the_recipe_says(built: Built) -> None:
    manifest = built.bundle.manifest

    assert (manifest.model, manifest.version, manifest.serial, manifest.task) == ("digits", "1.0", 1, "classification")
    assert manifest.labels == tuple("0123456789")
    assert manifest.input == InputSpec(
        kind="image", source=TensorSpec(shape=(8, 8), dtype="uint8"), preprocess=(ScaleStep(factor=0.0625),)
    )
    assert set(manifest.files) == {
        *("model.int8.tflite", "int8-profile.npz", "int8-probe.npz", "report.json", "report.html")
    }
    assert manifest.artifacts[INT8].requires.runtimes == ("ai-edge-litert", "tflite-runtime")
    assert (manifest.provenance.recipe, manifest.provenance.parent, manifest.provenance.answers) == ("digits", None, ())
    assert {"keras", "numpy", "ai-edge-litert"} <= set(manifest.provenance.tools)


def test_the_report_in_the_bundle_is_what_was_printed(built: Built) -> None:
    report = json.loads(built.bundle.read("report.json"))

    assert set(report) >= ASKED
    assert built.printed == {"bundle": built.bundle.id, **report}
    assert set(report["seconds"]) >= {"data", "train", "convert", "profile"}
    parts = report["examples"]
    assert parts["train"] + parts["profile"] + parts["test"] == sum(parts["classes"]) == 1797
    assert report["n_test"] == parts["test"] >= 250
    (curve,) = report["learning"]["curves"]
    assert len(curve["loss"]) == len(curve["accuracy"]) == 12


def test_the_page_in_the_bundle_is_drawn_from_the_report(built: Built) -> None:
    page = built.bundle.read("report.html").decode()

    assert page == report_page(json.loads(built.bundle.read("report.json")))
    for title in ("Gates", "Accuracy", "Confusion", "Classes", "Noise of each layer", "Calibration", "Training"):
        assert f"<h2>{title}</h2>" in page
    assert "<h2>Drift that devices find</h2>" in page


def test_the_report_tells_what_drift_devices_find_on_each_signal(built: Built) -> None:
    drift = json.loads(built.bundle.read("report.json"))["drift"]
    profile = Profile.from_npz(built.bundle.read("int8-profile.npz"))

    assert tuple(one["signal"] for one in drift["signals"]) == profile.signals
    soon, later = zip(*(one["shift_sd"] for one in drift["signals"]), strict=True)
    assert sum(shift is not None and shift < 3 for shift in soon) >= len(soon) / 2
    assert all(late <= early for early, late in zip(soon, later, strict=True) if early is not None)


def test_int8_keeps_the_accuracy_and_shrinks_the_file(built: Built) -> None:
    report = built.printed

    assert report["int8_accuracy"] >= 0.95
    assert report["float_accuracy"] - report["int8_accuracy"] <= 0.015  # the recipe's gate: 4 of 269 examples
    assert report["int8_bytes"] == built.bundle.manifest.files["model.int8.tflite"].size
    assert report["int8_bytes"] <= 0.6 * report["float_bytes"]
    assert report["float_difference"] < 1e-3
    assert report["agreement"] >= 0.97
    assert report["sqnr_db"] > 25


def test_the_acceptance_figures_are_those_of_the_report(built: Built) -> None:
    acceptance = built.bundle.manifest.artifacts[INT8].acceptance

    wanted = {
        "accuracy": built.printed["int8_accuracy"],
        "float_accuracy": built.printed["float_accuracy"],
        "agreement": built.printed["agreement"],
        "sqnr_db": built.printed["sqnr_db"],
        "n_test": built.printed["n_test"],
    }
    assert acceptance == pytest.approx(wanted, abs=0.01)  # the report is rounded for readers


def test_golden_outputs_replay_exactly_without_delegates(built: Built) -> None:
    for delegates, allowed in ((False, 0), (True, 8)):
        engine = open_engine(built.bundle, INT8, delegates=delegates)

        result = run_probe(built.bundle, INT8, engine, delegates=delegates)

        assert result.ok, result.reason
        assert result.worst_lsb <= allowed
        assert result.count == 32


def test_the_profile_is_of_held_out_examples(built: Built) -> None:
    profile = Profile.from_npz(built.bundle.read("int8-profile.npz"))

    assert profile.n_ref <= built.printed["examples"]["profile"] + built.printed["examples"]["test"]
    assert profile.n_ref >= 300
    assert profile.class_prior == pytest.approx(np.full(10, 0.1), abs=0.03)


def test_progress_tells_every_epoch_and_ends_with_the_drift_that_devices_find(built: Built) -> None:
    assert [line["done"] for line in built.progress if line["stage"] == "train"] == list(range(13))
    assert "profile" in {line["stage"] for line in built.progress}
    assert built.progress[-1]["stage"] == "drift"
    assert all(set(line) == {"stage", "done", "total", "detail"} for line in built.progress)


def test_nothing_else_is_left_behind(built: Built) -> None:
    assert built.leftovers == []
    assert {path.name for path in built.bundle.directory.iterdir()} == {*built.bundle.manifest.files, "manifest.json"}
    assert built.model.is_file()


def test_inspect_and_verify_take_the_bundle(built: Built) -> None:
    assert answer("inspect", built.bundle.directory)["bundle"] == built.bundle.id

    verified = answer("verify", built.bundle.directory)

    assert verified["ok"]
    assert verified["artifacts"][f"{INT8} without delegates"]["worst_lsb"] == 0


def test_evaluate_prints_n_and_accuracies(built: Built, tmp_path: Path) -> None:
    x, y = digits()
    (tmp_path / "all.npz").write_bytes(write_npz({"x": x, "y": y}))

    found = answer("evaluate", built.bundle.directory, tmp_path / "all.npz")

    figures = found["artifacts"][INT8]
    assert (found["n"], set(found["artifacts"])) == (897, {INT8})
    assert figures["accuracy"] == pytest.approx(0.98, abs=0.02)
    assert figures["low"] < figures["accuracy"] < figures["high"]


def test_evaluate_of_another_shape_is_one_line_and_exit_code_2(built: Built, tmp_path: Path) -> None:
    x, y = digits()
    (tmp_path / "flat.npz").write_bytes(write_npz({"x": x.reshape(-1, 64), "y": y}))

    ended = convert("evaluate", built.bundle.directory, tmp_path / "flat.npz", "--json")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(
        f"driftline-convert: error: {tmp_path}/flat.npz: found frames of shape (64,), expected (8, 8)"
    )
    assert ended.stderr.count("\n") == 1


def test_a_wrong_recipe_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("name: mine\nmodel: mine\ndataset: {source: digits}\nnetwork: {type: cnn, layers: 3}\n")

    ended = convert("build", recipe, "-o", tmp_path / "bundle")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(
        f"driftline-convert: error: {recipe}: network.layers: found an unknown key, expected one of type, filters, "
    )
    assert ended.stderr.count("\n") == 1
    assert not (tmp_path / "bundle").exists()


def test_the_same_recipe_gives_the_same_model_profile_and_golden_inputs(built: Built, tmp_path: Path) -> None:
    """Only what tells of this very build differs: its times in report.json, and so the id."""
    ended = convert("build", "digits", "-o", tmp_path / "bundle")

    assert ended.returncode == 0, ended.stderr
    again = open_bundle(tmp_path / "bundle").manifest
    first = built.bundle.manifest
    for name in ("model.int8.tflite", "int8-profile.npz", "int8-probe.npz"):
        assert again.files[name] == first.files[name], name
    assert again.artifacts == first.artifacts
    assert again.provenance.recipe_sha256 == first.provenance.recipe_sha256
    assert again.provenance.data_sha256 == first.provenance.data_sha256
    assert f"bundle {open_bundle(tmp_path / 'bundle').id[:12]} in {tmp_path}/bundle: digits 1.0\n" in ended.stdout


def test_a_missed_gate_writes_nothing_and_leaves_the_older_bundle(built: Built, tmp_path: Path) -> None:
    output, model = tmp_path / "bundle", tmp_path / "kept.keras"
    output.mkdir()
    before = {path.name: path.read_bytes() for path in built.bundle.directory.iterdir()}
    for name, data in before.items():
        (output / name).write_bytes(data)
    changes = (f"dataset.source=npz:{DIGITS}", "dataset.limit=300", "training.epochs=1", "gates.metric=1")
    overrides = [argument for change in changes for argument in ("--set", change)]

    ended = convert("build", "digits", "-o", output, "--keep-model", model, *overrides, "--progress", "none")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("driftline-convert: error: ")
    assert "metric: accuracy 0." in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_training_whose_loss_is_no_number_is_one_line(tmp_path: Path) -> None:
    x, y = digits()
    (tmp_path / "huge.npz").write_bytes(write_npz({"x": x[:100] * np.float32(1e10), "y": y[:100]}))
    recipe = {
        "name": "hopeless",
        "model": "hopeless",
        "dataset": {"source": "npz:huge.npz"},
        "network": {"type": "mlp", "hidden": [64] * 16},
        "training": {"learning_rate": 1},
    }
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))

    ended = convert("build", tmp_path / "recipe.yaml", "-o", tmp_path / "bundle", "--progress", "none")

    assert ended.returncode == 1
    assert ended.stderr.startswith("driftline-convert: error: training failed: FloatingPointError: the loss is ")
    assert ended.stderr.endswith("; lower training.learning_rate\n")
    assert not (tmp_path / "bundle").exists()


def test_sha256_of_a_written_manifest_is_the_printed_id(built: Built) -> None:
    manifest = (built.bundle.directory / "manifest.json").read_bytes()

    assert hashlib.sha256(manifest).hexdigest() == built.printed["bundle"]
