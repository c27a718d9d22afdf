"""Signals of sound: how loud, how unsteady and of which colour; of a spectrogram or of the samples themselves.

A spectrogram (frames, bins, ...) is in the model's own units: logarithms, standardised or not, or cepstra. Its signals
are therefore means and spreads of its numbers. Samples (n,) have signals in decibel and in shares of half the rate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPECTROGRAM_SIGNALS = ("level", "dynamics", "tilt", "contrast")
SAMPLE_SIGNALS = ("level_db", "crest_db", "centroid", "flatness")
MAX_BANDS = 8  # with the signals above as many as MAX_GROUPS of rows

_TINY = 1e-12
_FLOOR = 1e-10  # power of silence, -100 dB


def audio_signal_names(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the signals of inputs of ``shape``: samples' for one axis, a spectrogram's for more."""
    if len(shape) < 2:
        return SAMPLE_SIGNALS
    return SPECTROGRAM_SIGNALS + tuple(f"band_{i}" for i in range(min(math.prod(shape[1:]), MAX_BANDS)))


def audio_signals(xs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Signals (n, k) of n inputs (n, ...)."""
    if xs.ndim < 3:
        return _samples(xs.reshape(len(xs), math.prod(xs.shape[1:])))
    return _spectrogram(xs.reshape(*xs.shape[:2], math.prod(xs.shape[2:])).astype(np.float64))


def _spectrogram(xs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Level, its deviation over time, slope and spread of the mean spectrum, and the bands beside the level."""
    bins = xs.shape[2]
    colour = xs.mean(axis=1)
    level = colour.mean(axis=1)
    relative = colour - level[:, None]
    place = np.linspace(-1.0, 1.0, bins) if bins > 1 else np.zeros(1)
    tilt = (relative * place).sum(axis=1) / max(float((place * place).sum()), _TINY)
    bands = min(bins, MAX_BANDS)
    starts = np.array([i * bins // bands for i in range(bands)])
    means = np.add.reduceat(relative, starts, axis=1) / np.diff(np.append(starts, bins))
    figures = np.stack([level, xs.mean(axis=2).std(axis=1), tilt, relative.std(axis=1)], axis=1)
    return np.concatenate([figures, means], axis=1)


def _samples(xs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level and peak over it in dB; centroid (0..1 of half the rate) and flatness (0..1) of the power spectrum."""
    samples = xs.astype(np.float64)
    power = (samples * samples).mean(axis=1)
    peak = (samples * samples).max(axis=1)
    spectrum = np.abs(np.fft.rfft(samples, axis=1)[:, 1:]) ** 2 if samples.shape[1] > 1 else np.zeros((len(xs), 1))
    spectrum = spectrum / samples.shape[1] + _FLOOR
    place = np.linspace(0.0, 1.0, spectrum.shape[1] + 1)[1:]
    total = spectrum.sum(axis=1)
    flatness = np.exp(np.log(spectrum).mean(axis=1)) / (total / spectrum.shape[1])
    level_db = _db(power)
    return np.stack([level_db, _db(peak) - level_db, (spectrum * place).sum(axis=1) / total, flatness], axis=1)


def _db(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10.0 / math.log(10.0) * np.log(power + _FLOOR))
