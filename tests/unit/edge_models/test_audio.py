"""The audio front end: shapes, known values and what is refused. TensorFlow's numbers are an integration test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.errors import FieldError, InputError, ManifestError
from edge_models.fields import decode
from edge_models.manifest import InputSpec, LogMelStep, MfccStep, SpectrumStep, Step, WindowStep
from edge_models.preprocess import Preprocessor
from edge_models.preprocess.audio import hann, log_mel, mel_filters
from edge_models.tensors import TensorSpec
from tests.factories.sound import FRONT_END, RATE_HZ, SAMPLES, clips

CEPSTRUM = MfccStep(rate_hz=RATE_HZ, frame_length=240, frame_step=160, mel_bins=32, high_hz=3800.0, coefficients=10)


def sound(*steps: Step, samples: int = SAMPLES, rate_hz: float | None = RATE_HZ) -> Preprocessor:
    source = TensorSpec(shape=(samples,), dtype="float32")
    return Preprocessor(InputSpec(kind="audio", source=source, rate_hz=rate_hz, preprocess=steps))


def test_a_spectrogram_has_one_row_for_each_whole_frame() -> None:
    assert sound(FRONT_END).output_shape == (8, 8)
    assert sound(CEPSTRUM).output_shape == (5, 10)
    assert sound(FRONT_END, samples=128 + 127).output_shape == (1, 8)


def test_the_transform_is_as_long_as_the_next_power_of_two() -> None:
    assert CEPSTRUM.transform_length == 256
    assert FRONT_END.transform_length == 128


def test_silence_is_the_logarithm_of_the_offset() -> None:
    x = sound(FRONT_END)(np.zeros(SAMPLES, np.float32))

    np.testing.assert_allclose(x, np.full((8, 8), np.log(1e-6), np.float32))  # type: ignore[arg-type]


def test_a_tone_is_loudest_in_the_filter_around_it() -> None:
    t = np.arange(SAMPLES) / RATE_HZ
    filters = mel_filters(8, 65, RATE_HZ, 20.0, 4000.0)

    for hertz in (250.0, 1000.0, 3000.0):
        (x,) = log_mel(np.sin(2 * np.pi * hertz * t)[None], FRONT_END)
        assert set(x.argmax(axis=1)) == {filters[round(hertz / RATE_HZ * 128)].argmax()}


def test_the_bin_of_0_hertz_counts_for_nothing() -> None:
    assert mel_filters(40, 129, 8000.0, 0.0, 4000.0)[0].sum() == 0


def test_a_hann_window_is_periodic_for_even_lengths_and_symmetric_for_odd_ones() -> None:
    np.testing.assert_allclose(hann(4), [0, 0.5, 1, 0.5], atol=1e-12)
    np.testing.assert_allclose(hann(5), [0, 0.5, 1, 0.5, 0], atol=1e-12)


@given(st.integers(0, 2**32 - 1), st.integers(0, 9), st.sampled_from([FRONT_END, CEPSTRUM, SpectrumStep()]))
def test_clips_are_the_same_one_by_one_and_in_a_batch(seed: int, n: int, step: Step) -> None:
    frames = np.random.default_rng(seed).normal(0, 0.1, (n, SAMPLES)).astype(np.float32)
    preprocessor = sound(step)

    batch = preprocessor.batch(frames)

    assert batch.shape == (n, *preprocessor.output_shape)
    assert batch.dtype == np.float32
    for frame, together in zip(frames, batch, strict=True):
        np.testing.assert_array_equal(preprocessor(frame), together)


def test_blocks_of_a_live_source_make_the_spectrogram_of_the_whole() -> None:
    (clip,) = clips(1, seed=1)
    blocks = sound(WindowStep(length=8, stride=4), FRONT_END, samples=128)

    out = [x for block in clip.reshape(8, 128) if (x := blocks(block)) is not None]

    np.testing.assert_array_equal(out[0], sound(FRONT_END)(clip))


def test_a_spectrum_of_rows_has_the_bins_of_each_column() -> None:
    source = TensorSpec(shape=(2,), dtype="float32")
    steps = (WindowStep(length=64, stride=64), SpectrumStep())
    t = np.arange(64) / 64
    rows = np.stack([np.sin(2 * np.pi * 5 * t), np.sin(2 * np.pi * 9 * t)], axis=1)

    (x,) = Preprocessor(InputSpec(kind="rows", source=source, preprocess=steps)).batch(rows)

    assert x.shape == (33, 2)
    assert x.argmax(axis=0).tolist() == [5, 9]
    assert x.max() == pytest.approx(np.log1p(32))


@pytest.mark.parametrize(
    ("step", "rate_hz", "samples", "message"),
    [
        (FRONT_END, 16000.0, SAMPLES, "found rate_hz 8000, expected the source's own 16000"),
        (FRONT_END, RATE_HZ, 100, "found 100 samples, expected at least a frame of 128"),
    ],
)
def test_a_front_end_that_does_not_fit_the_source_is_refused(
    step: Step, rate_hz: float, samples: int, message: str
) -> None:
    with pytest.raises(ManifestError, match=message):
        sound(step, samples=samples, rate_hz=rate_hz)


@pytest.mark.parametrize("step", [FRONT_END, SpectrumStep()])
def test_spectra_of_images_are_refused(step: Step) -> None:
    source = TensorSpec(shape=(64, 64), dtype="uint8")

    with pytest.raises(ManifestError, match=r"(audio or rows|rows or audio) only"):
        Preprocessor(InputSpec(kind="image", source=source, preprocess=(step,)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"high_hz": 4001.0}, "at most half of rate_hz"),
        ({"low_hz": 3000.0, "high_hz": 2000.0}, "low_hz below high_hz"),
        ({"fft_length": 64}, "at least frame_length"),
        ({"op": "mfcc", "mel_bins": 4, "coefficients": 5}, "at most as many coefficients"),
    ],
)
def test_filters_that_cannot_be_are_refused(change: dict[str, Any], message: str) -> None:
    document = {"op": "log_mel", "rate_hz": 8000.0, "frame_length": 128, "frame_step": 64, "high_hz": 4000.0} | change

    with pytest.raises(FieldError, match=message):
        decode(MfccStep if document["op"] == "mfcc" else LogMelStep, document)


def test_16_bit_samples_are_not_taken_for_samples_from_minus_1_to_1() -> None:
    with pytest.raises(InputError, match="expected float32"):
        sound(FRONT_END)(np.zeros(SAMPLES, np.int16))
