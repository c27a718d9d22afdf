"""Signals of sound: how loud, how unsteady and of which colour; of a spectrogram or of the samples themselves.

A spectrogram (frames, bins, ...) is in the model's own units: logarithms, standardised or not, or cepstra. Its signals
are therefore means and spreads of its numbers, and centroid and flatness those of the colour above its lowest bin, the
same for any unit and gain. Samples (n,) have signals in decibel and in shares of half the rate.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPECTROGRAM_SIGNALS = ("level", "dynamics", "centroid", "flatness")
SAMPLE_SIGNALS = ("level_db", "crest_db", "centroid", "flatness")
MAX_BANDS = 8  # with the signals above as many as MAX_GROUPS of rows

_TINY = 1e-12
_FLOOR = 1e-10  # power of silence, -100 dB


def audio_signal_names(shape: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the signals of inputs of ``shape``: samples' for one axis, a spectrogram's for more."""
    if len(shape) < 2:
        return SAMPLE_SIGNALS + _band_names(max(math.prod(shape) // 2, 1))
    return SPECTROGRAM_SIGNALS + _band_names(math.prod(shape[1:]))


def audio_signals(xs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Signals (n, k) of n inputs (n, ...)."""
    if xs.ndim < 3:
        return _samples(xs.reshape(len(xs), math.prod(xs.shape[1:])))
    return _spectrogram(xs.reshape(*xs.shape[:2], math.prod(xs.shape[2:])).astype(np.float64))


def _band_names(bins: int) -> tuple[str, ...]:
    return tuple(f"band_{i}" for i in range(min(bins, MAX_BANDS)))


def _spectrogram(xs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Level, its deviation over time, centroid and flatness of the mean spectrum, and the bands beside the level."""
    colour = xs.mean(axis=1)
    level = colour.mean(axis=1)
    above = colour - colour.min(axis=1, keepdims=True)
    total, largest = above.sum(axis=1), above.max(axis=1)
    place = np.linspace(0.0, 1.0, colour.shape[1]) if colour.shape[1] > 1 else np.full(1, 0.5)
    even = largest <= _TINY
    centroid = np.where(even, 0.5, (above * place).sum(axis=1) / np.where(even, 1.0, total))
    flatness = np.where(even, 1.0, above.mean(axis=1) / np.where(even, 1.0, largest))
    figures = np.stack([level, xs.mean(axis=2).std(axis=1), centroid, flatness], axis=1)
    return np.concatenate([figures, _bands(colour - level[:, None])], axis=1)


def _bands(colour: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean in each of up to 8 bands of neighbouring bins (n, bins)."""
    bins = colour.shape[1]
    bands = min(bins, MAX_BANDS)
    starts = np.array([i * bins // bands for i in range(bands)])
    return np.asarray(np.add.reduceat(colour, starts, axis=1) / np.diff(np.append(starts, bins)))


def _samples(xs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Level, and peak and bands beside it, in dB; centroid (0..1 of half the rate) and flatness (0..1) of the power."""
    samples = xs.astype(np.float64)
    power = (samples * samples).mean(axis=1)
    peak = (samples * samples).max(axis=1)
    spectrum = np.abs(np.fft.rfft(samples, axis=1)[:, 1:]) ** 2 if samples.shape[1] > 1 else np.zeros((len(xs), 1))
    spectrum = spectrum / samples.shape[1] + _FLOOR
    place = np.linspace(0.0, 1.0, spectrum.shape[1] + 1)[1:]
    total = spectrum.sum(axis=1)
    mean = total / spectrum.shape[1]
    flatness = np.exp(np.log(spectrum).mean(axis=1)) / mean
    level_db = _db(power)
    figures = np.stack([level_db, _db(peak) - level_db, (spectrum * place).sum(axis=1) / total, flatness], axis=1)
    return np.concatenate([figures, _db(_bands(spectrum)) - _db(mean)[:, None]], axis=1)


def _db(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(10.0 / math.log(10.0) * np.log(power + _FLOOR))
