"""Rows of a humming machine: sixteen sensors that follow three hidden motions, as long as nothing is loose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_models.bundle import Bundle
from edge_models.manifest import InputSpec, WindowStep
from edge_models.tensors import TensorSpec
from tests.factories.wrapped import wrap

COLUMNS = 16
THRESHOLD = 0.03  # 99.8 % of the normal rows lie below, 99 % of the loose ones above
ASSETS = Path(__file__).parents[1] / "assets"
_MIXING = np.random.default_rng(7).normal(0, 1, (3, COLUMNS))


def normal_rows(n: int, *, seed: int) -> NDArray[np.float32]:
    """Rows (n, 16) of the machine as it should be."""
    rng = np.random.default_rng(seed)
    motions = rng.uniform(-1, 1, (n, 3))
    return np.asarray(motions @ _MIXING + rng.normal(0, 0.05, (n, COLUMNS)), np.float32)


def loose_rows(n: int, *, seed: int) -> NDArray[np.float32]:
    """Rows of a machine with a loose screw: four sensors follow nothing."""
    rows = normal_rows(n, seed=seed)
    rows[:, :4] = np.random.default_rng(seed + 1).normal(0, 1.5, (n, 4))
    return rows


def make_hum_bundle(directory: Path, *, threshold: float | None = THRESHOLD) -> Bundle:
    """Write a bundle of the autoencoder that knows the machine as it should be."""
    labels = ("normal", "anomaly") if threshold is not None else ()
    spec = InputSpec(kind="rows", source=TensorSpec(shape=(COLUMNS,), dtype="float32"))
    frames = normal_rows(500, seed=3)
    return wrap(
        directory, ASSETS / "hum-int8.tflite", spec, frames, labels=labels, role="reconstruction", threshold=threshold
    )


def make_windowed_hum_bundle(directory: Path) -> Bundle:
    """The same model where four sensors are read four times for one input, every second reading."""
    window = WindowStep(length=4, stride=2)
    spec = InputSpec(kind="rows", source=TensorSpec(shape=(4,), dtype="float32"), preprocess=(window,))
    frames = normal_rows(500, seed=3).reshape(2000, 4)
    return wrap(
        directory, ASSETS / "hum-int8.tflite", spec, frames, labels=("normal", "anomaly"), role="reconstruction",
        threshold=THRESHOLD,
    )  # fmt: skip
