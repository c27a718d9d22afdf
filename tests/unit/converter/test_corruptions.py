"""The simulated camera."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.corruptions import BOUNDS, NEUTRAL, Corruption, clipped, corrupt, from_unit, settings, to_unit
from tests.unit.converter.glyphs import glyphs

IMAGES, _ = glyphs(8, seed=1)


def taken(corruption: Corruption, seed: int = 0) -> np.ndarray:
    return corrupt(IMAGES, settings(corruption, len(IMAGES)), np.random.default_rng(seed))


def test_neutral_setting_changes_nothing() -> None:
    assert np.array_equal(taken(NEUTRAL), IMAGES)
    assert settings(NEUTRAL, 3) == {}


def test_originals_are_not_written_to() -> None:
    before = IMAGES.copy()

    for name, (low, high) in BOUNDS.items():
        taken(clipped(NEUTRAL, **{name: 0.3 * low + 0.7 * high}))

    assert np.array_equal(IMAGES, before)


@pytest.mark.parametrize("name", list(BOUNDS))
def test_every_parameter_keeps_shape_range_and_dtype(name: str) -> None:
    extreme = clipped(Corruption(cover=0.3, stripes=0.3, motion_px=3), **{name: BOUNDS[name][1]})

    pictures = taken(extreme)

    assert pictures.shape == IMAGES.shape
    assert pictures.dtype == np.float32
    assert pictures.min() >= 0
    assert pictures.max() <= 1


def test_quarter_turn_is_counter_clockwise() -> None:
    assert np.allclose(taken(Corruption(rotation_deg=90)), np.rot90(IMAGES, 1, axes=(1, 2)), atol=1e-4)


def test_mirror_swaps_left_and_right() -> None:
    assert np.allclose(taken(Corruption(mirror=1)), IMAGES[:, :, ::-1], atol=1e-5)


def test_shift_moves_right_and_down() -> None:
    moved = taken(Corruption(shift_x=0.1, shift_y=0.05))

    assert np.allclose(moved[:, 2:, 3:], IMAGES[:, 1:-1, 1:-2], atol=1e-5)


def test_levels_one_and_zero_invert() -> None:
    assert np.allclose(taken(Corruption(black=1, white=0)), 1 - IMAGES, atol=1e-6)


def test_blocks_are_even() -> None:
    blocks = taken(Corruption(block_px=4)).reshape(8, 5, 4, 5, 4)

    assert np.allclose(blocks, blocks[:, :, :1, :, :1])


def test_blur_keeps_the_light() -> None:
    assert np.allclose(taken(Corruption(blur_px=1.0)).mean(), IMAGES.mean(), atol=2e-3)


def test_cover_hides_what_is_under_it() -> None:
    covered = taken(Corruption(cover=0.5, cover_value=1))

    assert (covered[:, 5:15, 5:15] == 1).all()
    assert np.array_equal(covered[:, :5], IMAGES[:, :5])


def test_wandering_cover_is_elsewhere_on_each_picture() -> None:
    covered = taken(Corruption(cover=0.3, cover_value=1, cover_wander=0.8))

    places = {tuple(np.argwhere(picture == 1).mean(axis=0)) for picture in covered}
    assert len(places) > 4


def test_noise_comes_from_the_generator_alone() -> None:
    assert np.array_equal(taken(Corruption(noise=0.1), seed=3), taken(Corruption(noise=0.1), seed=3))
    assert not np.array_equal(taken(Corruption(noise=0.1), seed=3), taken(Corruption(noise=0.1), seed=4))


def test_each_picture_has_its_own_setting() -> None:
    half = {"black": np.repeat(np.array([0, 1], np.float32), 4), "white": np.repeat(np.array([1, 0], np.float32), 4)}

    pictures = corrupt(IMAGES, half, np.random.default_rng(0))

    assert np.allclose(pictures[:4], IMAGES[:4])
    assert np.allclose(pictures[4:], 1 - IMAGES[4:], atol=1e-6)


@given(st.dictionaries(st.sampled_from(list(BOUNDS)), st.floats(-1e6, 1e6), max_size=4))
def test_clipped_settings_are_within_bounds(changes: dict[str, float]) -> None:
    setting = clipped(NEUTRAL, **changes)

    assert all(BOUNDS[name][0] <= getattr(setting, name) <= BOUNDS[name][1] for name in BOUNDS)
    assert clipped(setting) == setting


@pytest.mark.parametrize(("dtype", "low", "high"), [("uint8", 0, 255), ("int16", -300, 300), ("float32", -1, 1)])
@pytest.mark.parametrize("shape", [(5, 6, 7), (5, 6, 7, 3)])
def test_unit_pictures_lead_back_to_frames(dtype: str, low: int, high: int, shape: tuple[int, ...]) -> None:
    frames = np.random.default_rng(2).uniform(low, high, shape).astype(dtype)

    unit = to_unit(frames, (low, high))
    back = from_unit(unit, frames, (low, high))

    assert unit.ndim == 4
    assert back.shape == frames.shape
    assert back.dtype == frames.dtype
    assert np.allclose(back, frames, atol=1e-4)


def test_channels_stay_together() -> None:
    coloured = np.concatenate([IMAGES, IMAGES * 0.5, 1 - IMAGES], axis=3)

    turned = corrupt(coloured, settings(Corruption(rotation_deg=33), len(coloured)), np.random.default_rng(0))

    assert np.allclose(turned[..., :1], taken(replace(NEUTRAL, rotation_deg=33)), atol=1e-5)
