"""Small data sets and recipes on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_models.npz import write_npz


def write_data(path: Path, **arrays: NDArray[Any]) -> Path:
    """An npz file of these arrays."""
    path.write_bytes(write_npz(arrays))
    return path


def rows(n: int = 60, columns: int = 3, *, classes: int = 2, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Rows (n, columns) float32 with a class each, and the classes (n,)."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return (rng.normal(size=(n, columns)) + y[:, None]).astype(np.float32), y


def recordings(
    count: int = 6, length: int = 40, columns: int = 2, *, seed: int = 0
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Rows of several recordings one after the other, with the class and the number of the recording of each row."""
    x, _ = rows(count * length, columns, seed=seed)
    group = np.repeat(np.arange(count), length)
    return x, group % 2, group


def document(**changes: Any) -> dict[str, Any]:
    """The smallest recipe, with changes to its sections."""
    smallest: dict[str, Any] = {"name": "tiny", "model": "tiny", "dataset": {"source": "digits"}}
    return smallest | {"network": {"type": "mlp"}} | changes


def write_recipe(path: Path, recipe: dict[str, Any]) -> Path:
    """A recipe file; JSON is YAML."""
    path.write_text(json.dumps(recipe), encoding="utf-8")
    return path
