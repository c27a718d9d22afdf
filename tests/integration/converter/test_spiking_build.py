"""`build` with a section spiking through the command line, and what the other verbs make of its bundle."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_models.bundle import Bundle, open_bundle
from edge_models.npz import write_npz
from tests.integration.converter.program import answer, convert
from tests.integration.converter.test_build import digits

pytestmark = pytest.mark.integration

QUICK = ("build", "digits", "--set", "training.epochs=5", "--set", "gates.metric=0", "--set", "gates.drop=1")
STRIDED = ("--set", "network.halve=stride")
TUNED = ("--set", "spiking.levels=4", "--set", "spiking.training={steps: 150, batch: 64}")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The digits with a fine-tuned spiking form of four levels."""
    output = tmp_path_factory.mktemp("spiking") / "bundle"
    ended = convert(*QUICK, *STRIDED, *TUNED, "-o", output)
    assert ended.returncode == 0, ended.stderr
    assert "  spiking: accuracy" in ended.stdout
    return open_bundle(output)


def test_the_bundle_has_the_network_and_its_graph_beside_int8(bundle: Bundle) -> None:
    artifacts = bundle.manifest.artifacts

    assert set(artifacts) == {"tflite-int8", "spiking", "collapsed"}
    assert (artifacts["spiking"].coding, artifacts["spiking"].collapsed) == ("atf", "collapsed")
    assert artifacts["spiking"].acceptance["accuracy"] == artifacts["collapsed"].acceptance["accuracy"]
    assert artifacts["spiking"].acceptance["accuracy"] > 0.9
    sizes = {name: bundle.manifest.files[artifact.file].size for name, artifact in artifacts.items()}
    assert sizes["spiking"] <= sizes["tflite-int8"]


def test_every_executor_gives_the_golden_outputs_exactly(bundle: Bundle) -> None:
    found = answer("verify", bundle.directory)["artifacts"]

    spikes = {key: result for key, result in found.items() if not key.startswith("tflite")}
    assert len(spikes) == 4
    assert {(result["ok"], result["worst_lsb"]) for result in spikes.values()} == {(True, 0)}
    assert found["collapsed"]["executor"] == "collapsed"
    assert found["spiking"]["executor"] in {"collapsed", "c", "numpy"}
    assert {"ok", "artifacts", "bundle"} <= set(answer("verify", bundle.directory, "--artifact", "spiking"))


def test_one_artifact_is_evaluated_alone(bundle: Bundle, tmp_path: Path) -> None:
    x, y = digits()
    (tmp_path / "all.npz").write_bytes(write_npz({"x": x, "y": y}))

    found = answer("evaluate", bundle.directory, tmp_path / "all.npz", "--artifact", "spiking")

    assert set(found["artifacts"]) == {"spiking"}
    assert found["artifacts"]["spiking"]["accuracy"] > 0.9


def test_the_report_tells_its_training_operations_and_faults(bundle: Bundle) -> None:
    report = json.loads(bundle.read("report.json"))

    assert [curve["stage"] for curve in report["learning"]["curves"]] == ["train", "spiking"]
    assert report["spiking"]["operations"]["synaptic_operations"] > 0
    assert report["artifacts"]["spiking"]["gates"][0]["gate"] == "drop"
    assert next(iter(report["artifacts"])) == "tflite-int8"  # the headline stays that of what most devices run


def test_maximum_pooling_is_refused_before_any_training(tmp_path: Path) -> None:
    ended = convert(*QUICK, "--set", "spiking={}", "-o", tmp_path / "b", "--progress", "json")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "spiking: max_pooling2d is a maximum pooling" in ended.stderr.splitlines()[-1]
    assert not any('"done": 1' in line and '"train"' in line for line in ended.stderr.splitlines())
    assert not (tmp_path / "b").exists()


def test_a_batch_larger_than_the_training_part_is_refused_before_any_training(tmp_path: Path) -> None:
    section = ("--set", "spiking={training: {batch: 4000}}")

    ended = convert(*QUICK, *STRIDED, *section, "-o", tmp_path / "b", "--progress", "json")

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "spiking.training.batch: found 4000 and 1169 examples" in ended.stderr.splitlines()[-1]
    assert not any('"done": 1' in line and '"train"' in line for line in ended.stderr.splitlines())


def test_thresholds_are_set_without_training_where_the_recipe_has_none(tmp_path: Path) -> None:
    radix = ("--set", "spiking={coding: radix, levels: 15, collapsed: false, drop: 0.05}")

    printed = answer(*QUICK, *STRIDED, *radix, "-o", tmp_path / "b")

    assert set(printed["artifacts"]) == {"tflite-int8", "spiking"}
    drop = printed["artifacts"]["spiking"]["figures"]["overall"]["drop"]["value"]
    assert drop <= 0.05
