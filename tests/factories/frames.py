"""Streams of digit frames without scikit-learn: 897 real 8x8 digits with the natural jitter of a camera.

``digits.npz`` holds scikit-learn's digits (values 0..16) in the order of ``tests.assets.make_models``, from the 900th
on: the fixture models have seen the first 600 of them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_models.npz import read_npz, write_npz

DIGITS = Path(__file__).with_name("digits.npz")
FULL = 240  # frames are uint8 with this for white: 15 times the digits' own 16

Corruption = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]
"""From frames (n, 8, 8) in 0..1 to frames of another camera or season."""


def digit_frames(
    n: int, *, seed: int = 0, corruption: Corruption | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Frames (n, 8, 8) as a source delivers them, and their classes (n,); independent and identically distributed."""
    rng = np.random.default_rng(seed)
    x, y = _digits()
    chosen = rng.integers(0, len(x), n)
    gain, offset = rng.uniform(0.92, 1.08, (n, 1, 1)), rng.normal(0, 0.02, (n, 1, 1))
    frames = (x[chosen] * gain + offset + rng.normal(0, 0.03, (n, 8, 8))).astype(np.float32)
    if corruption is not None:
        frames = corruption(frames, rng)
    return np.clip(np.rint(frames * FULL), 0, FULL).astype(np.uint8), y[chosen]


def winter_light(frames: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Darker, lower contrast, noise: costs the fixture model most of its accuracy."""
    return (0.35 + 0.25 * frames + rng.normal(0, 0.08, frames.shape)).astype(np.float32)


def upside_down(frames: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A camera that was mounted the other way round."""
    return np.ascontiguousarray(frames[:, ::-1, ::-1])


def write_recording(path: Path, x: NDArray[Any], y: NDArray[Any] | None = None, rate_hz: float | None = None) -> Path:
    """Write frames as ``driftline-agent replay`` reads them."""
    arrays: dict[str, NDArray[Any]] = {"x": x}
    if y is not None:
        arrays["y"] = y
    if rate_hz is not None:
        arrays["rate_hz"] = np.array(rate_hz)
    path.write_bytes(write_npz(arrays))
    return path


@functools.cache
def _digits() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    arrays = read_npz(DIGITS, max_bytes=1 << 20, names=("x", "y"))
    return (arrays["x"] / 16).astype(np.float32), arrays["y"].astype(np.int64)
