"""Changes of examples while they are learnt."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from converter.recipe import AugmentRecipe
from converter.training.augment import Masked, augmented
from tests.unit.converter.fake_keras import AsTheyAre

RANGE = (0.0, 255.0)
PICTURES = np.arange(40 * 6 * 6, dtype=np.int64).reshape(40, 6, 6).astype(np.uint8)
SOUNDS = np.random.default_rng(1).normal(0, 1000, (40, 400)).astype(np.float32)
WINDOWS = np.random.default_rng(2).normal([5, 900], [1, 50], (40, 30, 2)).astype(np.float32)


def changed(x: NDArray[Any], seed: int = 0, **keys: Any) -> NDArray[Any]:
    return augmented(x, AugmentRecipe(**{"share": 1.0, **keys}), RANGE, np.random.default_rng(seed))


@pytest.mark.parametrize("x", [PICTURES, SOUNDS, WINDOWS], ids=["pictures", "sounds", "windows"])
def test_nothing_asked_for_changes_nothing(x: NDArray[Any]) -> None:
    assert (changed(x) == x).all()


def test_flip_mirrors_about_half_left_to_right() -> None:
    out = changed(PICTURES, flip=True)

    is_mirrored = (out == PICTURES[:, :, ::-1]).all(axis=(1, 2))
    assert (is_mirrored | (out == PICTURES).all(axis=(1, 2))).all()
    assert 10 <= is_mirrored.sum() <= 30


def test_crop_moves_by_whole_pixels_and_fills_with_black() -> None:
    colour = PICTURES[..., None].repeat(3, -1) // 2 + 1

    out = changed(colour, crop=2)

    assert out.shape == colour.shape
    for one, source in zip(out, colour, strict=True):
        kept = one[one[..., 0] > 0]
        assert len(kept) >= 4 * 4
        assert np.isin(kept, source).all()
    assert (out == colour).all(axis=(1, 2, 3)).mean() < 0.3


def test_sounds_are_shifted_into_silence() -> None:
    out = changed(SOUNDS, time_shift=0.25)

    silent = (out == 0).sum(axis=1)
    assert silent.max() > 50
    assert silent.max() <= 100
    assert np.isin(out[out != 0], SOUNDS).all()


def test_windows_are_shifted_into_their_outermost_rows() -> None:
    out = changed(WINDOWS, time_shift=0.2)

    assert np.isin(out, WINDOWS).all()
    assert (out != WINDOWS).any()


def test_gain_scales_each_sound_as_a_whole() -> None:
    ratio = changed(SOUNDS, gain_db=6) / SOUNDS

    assert np.allclose(ratio, ratio[:, :1], rtol=1e-4)
    assert 3 < np.std(20 * np.log10(ratio[:, 0])) < 9


def test_noise_is_measured_by_the_deviation_of_each_column() -> None:
    added = changed(WINDOWS, noise=0.5) - WINDOWS

    deviation = added.std(axis=(0, 1)) / WINDOWS.std(axis=1).mean(axis=0)
    assert deviation == pytest.approx([0.5, 0.5], rel=0.1)


def test_loud_integer_sounds_are_clipped_and_do_not_wrap() -> None:
    loud = np.full((20, 10), 30000, np.int16)

    out = changed(loud, gain_db=20)

    assert out.dtype == np.int16
    assert out.min() > 0
    assert out.max() == 32767


@given(share=st.floats(0, 1), seed=st.integers(0, 99))
def test_only_a_share_is_changed_and_the_source_never(share: float, seed: int) -> None:
    before = SOUNDS.copy()

    out = changed(SOUNDS, seed, share=share, noise=1.0)

    touched = (out != SOUNDS).any(axis=1).mean()
    assert abs(touched - share) < 0.35
    assert (before == SOUNDS).all()


def test_stretches_of_spectrograms_are_hidden_behind_their_mean() -> None:
    x = np.random.default_rng(3).normal(size=(60, 20, 10)).astype(np.float32)
    masked = Masked(AsTheyAre(), AugmentRecipe(share=0.5, spec_mask=0.3), np.random.default_rng(0))

    out = masked.batch(x)

    touched = (out != x).any(axis=(1, 2))
    assert 0.2 < touched.mean() < 0.7
    for one, source in zip(out[touched], x[touched], strict=True):
        hidden = one != source
        assert hidden.all(axis=1).sum() <= 6
        assert hidden.all(axis=0).sum() <= 3
    assert masked.batch(x).dtype == np.float32
