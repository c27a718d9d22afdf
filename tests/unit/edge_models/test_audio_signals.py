"""Signals of sound: each one moves with what it is named after."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_models.signals import SAMPLE_SIGNALS, input_signal_names, input_signals

RATE_HZ = 8000


def tone(hertz: float, gain: float = 0.5) -> NDArray[np.float32]:
    return np.asarray(gain * np.sin(2 * np.pi * hertz * np.arange(RATE_HZ) / RATE_HZ), np.float32)


def signal(name: str, x: NDArray[np.float32]) -> float:
    return float(input_signals("audio", x)[input_signal_names("audio", x.shape).index(name)])


def test_a_gain_moves_the_level_in_decibel_and_nothing_else() -> None:
    loud, soft = tone(440, 0.5), tone(440, 0.05)

    assert signal("level_db", loud) - signal("level_db", soft) == pytest.approx(20, abs=0.01)
    assert signal("crest_db", loud) == pytest.approx(signal("crest_db", soft), abs=0.01)
    assert signal("centroid", loud) == pytest.approx(signal("centroid", soft), abs=1e-3)


def test_the_centroid_of_a_tone_is_its_place_below_half_the_rate() -> None:
    assert signal("centroid", tone(1000)) == pytest.approx(0.25, abs=0.001)
    assert signal("centroid", tone(3000)) == pytest.approx(0.75, abs=0.001)


def test_a_tone_is_in_the_band_of_its_place() -> None:
    bands = [signal(f"band_{i}", tone(2300)) for i in range(8)]

    assert int(np.argmax(bands)) == 4
    assert max(bands) == pytest.approx(9, abs=0.1)  # all power in an eighth of the spectrum: 10 log10(8)


def test_noise_is_flat_a_tone_is_not_and_a_click_has_a_high_crest() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE_HZ).astype(np.float32)
    click = np.zeros(RATE_HZ, np.float32)
    click[100] = 1

    assert signal("flatness", noise) > 0.5
    assert signal("flatness", tone(440)) < 0.01
    assert signal("crest_db", click) > 30 > signal("crest_db", noise) > signal("crest_db", tone(440))


@pytest.mark.parametrize("x", [np.zeros(1), np.zeros(512), np.full(512, 1e12), np.ones(512), np.zeros((9, 4))])
def test_silence_and_giants_have_finite_signals(x: NDArray[np.float64]) -> None:
    values = input_signals("audio", x.astype(np.float32))

    assert np.isfinite(values).all()
    assert values.shape == (len(input_signal_names("audio", x.shape)),)


def test_a_louder_spectrogram_moves_the_level_and_leaves_the_colour_alone() -> None:
    x = np.random.default_rng(0).normal(size=(49, 20)).astype(np.float32)

    assert signal("level", x + 1) == pytest.approx(signal("level", x) + 1, abs=1e-6)
    for name in ("dynamics", "centroid", "flatness", "band_0", "band_7"):
        assert signal(name, x + 1) == pytest.approx(signal(name, x), abs=1e-6)


def test_a_duller_sound_moves_the_centroid_and_the_outer_bands() -> None:
    x = np.zeros((49, 20), np.float32)
    dull = (x - np.linspace(0, 2, 20)).astype(np.float32)

    assert signal("centroid", x) == 0.5
    assert signal("centroid", dull) == pytest.approx(1 / 3, abs=0.02)
    assert signal("flatness", x) == 1.0 > signal("flatness", dull)
    assert signal("band_0", dull) > 0.5
    assert signal("band_7", dull) < -0.5


def test_pauses_move_the_dynamics() -> None:
    x = np.zeros((50, 8), np.float32)
    x[::2] = -4

    assert signal("dynamics", x) == pytest.approx(2)


def test_samples_and_spectrograms_have_a_bounded_number_of_signals() -> None:
    assert input_signal_names("audio", (16000,))[:4] == SAMPLE_SIGNALS
    assert len(input_signal_names("audio", (16000,))) == 12
    assert len(input_signal_names("audio", (98, 512))) == 12
    assert input_signal_names("audio", (49, 10, 1)) == input_signal_names("audio", (49, 10))
