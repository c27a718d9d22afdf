"""A bundle that listens: the digits model behind a log-mel front end. What it says is nonsense, how it runs is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_models.bundle import Bundle
from edge_models.manifest import InputSpec, LogMelStep, ScaleStep
from edge_models.tensors import TensorSpec
from tests.factories.bundles import ASSETS, LABELS
from tests.factories.wrapped import wrap

RATE_HZ = 8000.0
SAMPLES = 1024
FRONT_END = LogMelStep(rate_hz=RATE_HZ, frame_length=128, frame_step=128, mel_bins=8, high_hz=4000.0)
"""Eight frames of eight bins: as many numbers as a digit has pixels."""
INPUT = InputSpec(
    kind="audio",
    source=TensorSpec(shape=(SAMPLES,), dtype="float32"),
    rate_hz=RATE_HZ,
    preprocess=(FRONT_END, ScaleStep(factor=1 / 14, offset=1.0)),
)


def clips(n: int, *, seed: int, gain: float = 0.1) -> NDArray[np.float32]:
    """Clips (n, 1024) of two tones each in noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(SAMPLES) / RATE_HZ
    tones = np.sin(2 * np.pi * rng.uniform(200, 3000, (n, 2, 1)) * t).sum(axis=1)
    return np.asarray(gain * (tones + rng.normal(0, 0.3, (n, SAMPLES))), np.float32)


def make_sound_bundle(directory: Path) -> Bundle:
    """Write the bundle."""
    return wrap(directory, ASSETS / "digits-int8.tflite", INPUT, clips(300, seed=11), labels=LABELS)
