"""Rows of sensors, in windows, from the recipe to the answers of a device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_models.bundle import open_bundle
from edge_models.engines import open_engine
from edge_models.engines.port import infer
from edge_models.manifest import NormaliseStep, WindowStep
from edge_models.npz import write_npz
from edge_models.preprocess import Preprocessor
from edge_models.profile import Profile
from tests.integration.converter.program import answer, convert

pytestmark = pytest.mark.integration

LENGTH, STRIDE = 20, 5


def vibrations(count: int, seed: int) -> dict[str, NDArray[Any]]:
    """Recordings of 100 rows (2 axes, in units of their own) of a machine that runs slowly (0) or fast (1)."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(count), 100)
    y = group % 2
    phase = np.cumsum(np.where(y == 0, 0.3, 1.2)) + np.repeat(rng.uniform(0, 6, count), 100)
    x = np.stack([np.sin(phase), np.cos(phase)], axis=1) * [3.0, 200.0] + [1.0, 50.0]
    return {"x": (x + rng.normal(0, [0.3, 20.0], x.shape)).astype(np.float32), "y": y, "group": group}


RECIPE = {
    "name": "vibration",
    "model": "vibration",
    "dataset": {"source": "npz:train.npz", "labels": ["slow", "fast"]},
    "input": {
        "kind": "rows",
        "preprocess": [
            {"op": "standardise", "mean": [1, 50], "std": [3, 200]},
            {"op": "window", "length": LENGTH, "stride": STRIDE},
        ],
    },
    "network": {"type": "mlp", "hidden": [24]},
    "training": {"epochs": 10, "batch": 32, "learning_rate": 1e-2},
    "gates": {"size_ratio": 2, "drop": 0.03},
}


def test_recordings_become_a_bundle_that_a_device_runs_row_by_row(tmp_path: Path) -> None:
    (tmp_path / "train.npz").write_bytes(write_npz(vibrations(24, seed=1)))
    fresh = vibrations(6, seed=2)
    (tmp_path / "fresh.npz").write_bytes(write_npz(fresh))
    (tmp_path / "r.yaml").write_text(json.dumps(RECIPE))

    ended = convert("build", tmp_path / "r.yaml", "-o", tmp_path / "bundle")

    assert ended.returncode == 0, ended.stderr
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.manifest.input.source.shape == (2,)
    assert bundle.manifest.input.preprocess == (
        NormaliseStep(op="standardise", mean=(1.0, 50.0), std=(3.0, 200.0)),
        WindowStep(length=LENGTH, stride=STRIDE),
    )
    artifact = bundle.manifest.artifacts["tflite-int8"]
    assert artifact.input.shape == (LENGTH, 2)
    assert Profile.from_npz(bundle.read(artifact.profile or "")).signals[:4] == ("mean_0", "mean_1", "std_0", "std_1")
    assert answer("verify", bundle.directory)["ok"]

    found = answer("evaluate", bundle.directory, tmp_path / "fresh.npz")

    windows = 6 * len(range(0, 100 - LENGTH + 1, STRIDE))
    assert found["n"] == windows
    assert found["artifacts"]["tflite-int8"]["accuracy"] == pytest.approx(1, abs=0.05)
    assert len(found["groups"]["tflite-int8"]) == 6
    answers = device(bundle.directory, fresh["x"][:100])
    assert len(answers) == windows / 6
    assert np.mean(answers) < 0.1  # the first recording is a slow one


def device(directory: Path, rows: NDArray[np.float32]) -> list[int]:
    """The classes that the model gives while rows come in."""
    bundle = open_bundle(directory)
    preprocess, engine = Preprocessor(bundle.manifest.input), open_engine(bundle, "tflite-int8")
    inputs = (made for row in rows if (made := preprocess(row)) is not None)
    return [int(infer(engine, x)["logits"].argmax()) for x in inputs]
