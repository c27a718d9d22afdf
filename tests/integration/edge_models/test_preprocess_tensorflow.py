"""Our audio front end and image steps against TensorFlow's own, which models are trained behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_models.preprocess.audio import hann, log_mel, mel_filters, mfcc
from edge_models.preprocess.image import crop_centre, greyscale, standardise_each
from edge_models.steps import MfccStep

pytestmark = pytest.mark.integration

STEPS = {
    "keywords": MfccStep(
        rate_hz=16000, frame_length=480, frame_step=320, mel_bins=40, low_hz=20, high_hz=4000, coefficients=10
    ),
    "digits": MfccStep(rate_hz=8000, frame_length=256, frame_step=128, mel_bins=32, high_hz=3800, coefficients=13),
    "odd": MfccStep(
        rate_hz=8000, frame_length=255, frame_step=100, fft_length=512, high_hz=4000, power=2, coefficients=40
    ),
}


@pytest.fixture(scope="module")
def tf() -> Any:
    return pytest.importorskip("tensorflow")


def _voices(rate_hz: float) -> NDArray[np.float32]:
    """Four seconds with the shape of speech: harmonics that glide and pause, over room noise of -60 dB."""
    rng = np.random.default_rng(0)
    t = np.arange(int(rate_hz)) / rate_hz
    pitch = 2 * np.pi * np.cumsum(120 + 40 * np.sin(2 * np.pi * 2 * t)) / rate_hz
    voice = sum(np.sin(k * pitch) / k for k in range(1, 12)) * (np.sin(2 * np.pi * 3 * t) > 0)
    gains = np.array([[0.02], [0.1], [0.3], [0.0]])
    return np.asarray(gains * voice + rng.normal(0, 1e-3, (4, len(t))), np.float32)


def _theirs(tf: Any, x: NDArray[Any], step: MfccStep) -> tuple[NDArray[Any], NDArray[Any]]:
    stft = tf.signal.stft(x, step.frame_length, step.frame_step, step.fft_length)
    filters = tf.signal.linear_to_mel_weight_matrix(
        step.mel_bins, stft.shape[-1], step.rate_hz, step.low_hz, step.high_hz, dtype=tf.as_dtype(x.dtype)
    )
    log = tf.math.log(tf.tensordot(tf.abs(stft) ** step.power, filters, 1) + step.log_offset)
    return log.numpy(), tf.signal.mfccs_from_log_mel_spectrograms(log).numpy()[..., : step.coefficients]


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_the_front_end_gives_the_values_of_tf_signal(tf: Any, step: MfccStep) -> None:
    x = _voices(step.rate_hz)

    spectrogram, cepstrum = _theirs(tf, x, step)

    np.testing.assert_allclose(log_mel(x, step), spectrogram, rtol=0, atol=1e-4)
    np.testing.assert_allclose(mfcc(x, step), cepstrum, rtol=0, atol=1e-4)


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_where_float32_is_too_coarse_it_gives_the_values_of_float64(tf: Any, step: MfccStep) -> None:
    t = np.arange(int(step.rate_hz)) / step.rate_hz
    tones = np.stack([np.sin(2 * np.pi * 440 * t), np.zeros_like(t)]).astype(np.float32)

    spectrogram, cepstrum = _theirs(tf, tones.astype(np.float64), step)

    np.testing.assert_allclose(log_mel(tones, step), spectrogram, rtol=0, atol=1e-5)
    np.testing.assert_allclose(mfcc(tones, step), cepstrum, rtol=0, atol=1e-4)


def test_windows_and_filters_are_those_of_tf_signal(tf: Any) -> None:
    for length in (2, 3, 255, 400, 480):
        np.testing.assert_allclose(hann(length), tf.signal.hann_window(length, dtype=tf.float64), atol=1e-12)
    theirs = tf.signal.linear_to_mel_weight_matrix(40, 257, 16000, 20.0, 4000.0, dtype=tf.float64)
    np.testing.assert_allclose(mel_filters(40, 257, 16000.0, 20.0, 4000.0), theirs, atol=1e-9)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_image_steps_give_the_values_of_tf_image(tf: Any, dtype: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 33, 47, 3)).astype(dtype)
    real = images.astype(np.float32)

    cropped = tf.image.resize_with_crop_or_pad(images, 20, 21).numpy()
    np.testing.assert_array_equal(crop_centre(images, 20, 21), cropped)
    np.testing.assert_allclose(greyscale(images), tf.image.rgb_to_grayscale(real).numpy(), rtol=0, atol=1e-4)
    standardised = tf.image.per_image_standardization(images).numpy()
    np.testing.assert_allclose(standardise_each(images), standardised, rtol=0, atol=1e-4)
