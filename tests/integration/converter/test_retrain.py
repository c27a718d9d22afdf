"""A retraining through the command line: evidence, samples, parent and answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge_models.bundle import open_bundle
from edge_models.npz import read_npz, write_npz
from edge_models.preprocess import Preprocessor
from edge_models.profile import Profile
from edge_models.signals import OUTPUT_SIGNALS, input_signals_batch, output_signals
from edge_models.sketch import Sketch
from tests.factories.frames import DIGITS
from tests.integration.converter.conftest import Built
from tests.integration.converter.program import answer, convert

pytestmark = pytest.mark.integration


def test_a_retraining_answers_its_requests_with_what_devices_saw_and_delivered(built: Built, tmp_path: Path) -> None:
    arrays = read_npz(DIGITS, max_bytes=1 << 20)
    dark = (arrays["x"] // 3).astype(np.uint8)
    profile = Profile.from_npz(built.bundle.read("int8-profile.npz"))
    seen = Preprocessor(built.bundle.manifest.input).batch(dark[:300])
    guess = np.concatenate([input_signals_batch("image", seen), output_signals(np.full((300, 10), 0.1))], axis=1)
    values = np.concatenate([guess, np.tile(profile.mean[guess.shape[1] :], (300, 1))], axis=1)  # embedding: as always
    sketch = Sketch.of(profile)
    sketch.add_batch(profile.bins(values), np.zeros(300, np.int64))
    assert profile.signals[guess.shape[1] - 3 : guess.shape[1]] == OUTPUT_SIGNALS
    said = {"request": "r-1", "device": "pi-7", "bundle": built.bundle.id, "artifact": "tflite-int8"}
    said |= {"profile": profile.id, "sketch": sketch.encode()}
    (tmp_path / "e.json").write_text(json.dumps({"v": 1, "evidence": [said]}))
    labels = arrays["y"].astype(np.int64)
    (tmp_path / "s.npz").write_bytes(write_npz({"x": dark[:60], "y": labels[:60], "group": np.zeros(60, np.int64)}))
    (tmp_path / "held.npz").write_bytes(write_npz({"x": dark[300:], "y": labels[300:]}))

    ended = convert(
        *("build", "digits", "-o", tmp_path / "bundle", "--parent", built.bundle.directory, "--init", built.model),
        *("--evidence", tmp_path / "e.json", "--samples", tmp_path / "s.npz", "--answers", "r-1", "--answers", "r-2"),
        *("--serial", "2", "--version", "1.10", "--set", "retrain.epochs=2", "--set", "retrain.search=60"),
        *("--set", "gates.metric=0.8", "--json", "--progress", "none"),
    )

    assert ended.returncode == 0, ended.stderr
    manifest = open_bundle(tmp_path / "bundle").manifest
    assert (manifest.serial, manifest.version) == (2, "1.10")
    assert manifest.provenance.parent == built.bundle.id
    assert manifest.provenance.answers == ("r-1", "r-2")
    assert manifest.provenance.contributors == ("pi-7",)
    assert json.loads(ended.stdout)["devices"][0]["samples"] == 60
    learnt = Profile.from_npz(open_bundle(tmp_path / "bundle").read("int8-profile.npz"))
    assert [context.name for context in learnt.contexts] == ["reference", "device"]
    accuracy = {
        name: answer("evaluate", directory, tmp_path / "held.npz")["artifacts"]["tflite-int8"]["accuracy"]
        for name, directory in (("before", built.bundle.directory), ("after", tmp_path / "bundle"))
    }
    assert accuracy["after"] >= accuracy["before"]
    assert accuracy["after"] >= 0.9
