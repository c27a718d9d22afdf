"""Spectrograms of samples, with the numbers of ``tf.signal``.

    spectrogram = |stft(samples, hann)| ** power                (frames, transform_length // 2 + 1)
    log_mel     = log(spectrogram @ mel_filters + log_offset)   (frames, mel_bins)
    mfcc        = dct_2(log_mel) / sqrt(2 mel_bins)             (frames, coefficients)

Transforms are made in float64, whatever numpy does by default, so that all versions of numpy agree. TensorFlow's are
float32: it differs where a bin holds less than 1e-6 of the loudest one and log_offset does not hide that.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.steps import MelSpectrogram, MfccStep

_BLOCK_BYTES = 32 << 20  # of float64 frames at a time: many clips at once would take gigabytes


def log_mel(examples: NDArray[Any], step: MelSpectrogram) -> NDArray[np.float32]:
    """Log-mel spectrograms (n, frames, mel_bins) of n examples; each is read in C order as consecutive samples.

    Sources: tf.signal.stft (pad_end off), tf.signal.linear_to_mel_weight_matrix.
    """
    return _in_blocks(examples, step, None)


def mfcc(examples: NDArray[Any], step: MfccStep) -> NDArray[np.float32]:
    """Mel-frequency cepstral coefficients (n, frames, coefficients) of n examples, as for ``log_mel``.

    Source: tf.signal.mfccs_from_log_mel_spectrograms (HTK's scaling of the DCT-II).
    """
    return _in_blocks(examples, step, step.coefficients)


def spectrum(examples: NDArray[Any]) -> NDArray[np.float32]:
    """log(1 + |Fourier transform|) along the first axis of each example: (n, length, ...) to (n, bins, ...).

    Examples:
        >>> spectrum(np.ones((1, 4), np.float32)).round(3)
        array([[1.609, 0.   , 0.   ]], dtype=float32)
    """
    return np.log1p(np.abs(np.fft.rfft(examples.astype(np.float64), axis=1))).astype(np.float32)


def _in_blocks(examples: NDArray[Any], step: MelSpectrogram, coefficients: int | None) -> NDArray[np.float32]:
    samples = examples.reshape(len(examples), math.prod(examples.shape[1:]))
    count, bins = step.frames(samples.shape[1]), coefficients or step.mel_bins
    result = np.empty((len(samples), count, bins), np.float32)
    rows = max(1, _BLOCK_BYTES // max(8 * count * step.transform_length, 1))
    for start in range(0, len(samples), rows):
        block = _log_mel(samples[start : start + rows], step)
        result[start : start + rows] = block if coefficients is None else block @ _dct(step.mel_bins, coefficients)
    return result


def _log_mel(samples: NDArray[Any], step: MelSpectrogram) -> NDArray[np.float64]:
    starts = np.arange(step.frames(samples.shape[1])) * step.frame_step
    frames = samples[:, starts[:, None] + np.arange(step.frame_length)].astype(np.float64)
    magnitude = np.abs(np.fft.rfft(frames * hann(step.frame_length), n=step.transform_length, axis=-1))
    spectrogram = magnitude if step.power == 1.0 else magnitude**step.power
    filters = mel_filters(step.mel_bins, step.transform_length // 2 + 1, step.rate_hz, step.low_hz, step.high_hz)
    return np.asarray(np.log(spectrogram @ filters + step.log_offset))


@functools.lru_cache(maxsize=8)
def hann(length: int) -> NDArray[np.float64]:
    """Hann window as tf.signal.hann_window: periodic for even lengths, symmetric for odd ones."""
    period = length - length % 2
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / max(period, 1)))


@functools.lru_cache(maxsize=8)
def mel_filters(mel_bins: int, bins: int, rate_hz: float, low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Triangular filters (bins, mel_bins) on the mel scale of HTK, as tf.signal.linear_to_mel_weight_matrix.

    The bin of 0 Hz goes to no filter.
    """
    mel_of_bins = _mel(np.linspace(0.0, rate_hz / 2, bins)[1:])[:, None]
    edges = np.linspace(_mel(np.float64(low_hz)), _mel(np.float64(high_hz)), mel_bins + 2)
    lower, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (mel_of_bins - lower) / (centre - lower), (upper - mel_of_bins) / (upper - centre)
    return np.pad(np.maximum(0.0, np.minimum(rising, falling)), ((1, 0), (0, 0)))


def _mel(hertz: Any) -> Any:  # noqa: ANN401 - a number or an array, as numpy's own functions
    return 1127.0 * np.log1p(hertz / 700.0)


@functools.lru_cache(maxsize=8)
def _dct(mel_bins: int, coefficients: int) -> NDArray[np.float64]:
    """DCT-II as a matrix (mel_bins, coefficients), scaled by 1 / sqrt(2 mel_bins)."""
    angle = np.pi / mel_bins * (np.arange(mel_bins)[:, None] + 0.5) * np.arange(coefficients)
    return np.asarray(2 * np.cos(angle) / np.sqrt(2 * mel_bins))
