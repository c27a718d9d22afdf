"""Views of TensorFlow are pictures of the same camera as those of numpy."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.corruptions import Corruption, corrupt, settings
from converter.keras_process.views import picture_views, posed, spectrum_views

pytestmark = pytest.mark.integration
rng = np.random.default_rng(0)


def smooth_pictures(count: int) -> NDArray[np.float32]:
    rows, columns = np.mgrid[0:20, 0:20] / 20
    phase = rng.random((count, 1, 1)) * 6
    return np.asarray(0.5 + 0.4 * np.sin(3 * rows + 5 * columns + phase), np.float32)[..., None]


@pytest.mark.parametrize(
    "pose",
    [
        Corruption(rotation_deg=20),
        Corruption(zoom=1.4),
        Corruption(shear=0.2),
        Corruption(shift_x=0.2, shift_y=-0.1),
        Corruption(mirror=1.0),
        Corruption(rotation_deg=-15, zoom=0.8, shear=0.1, shift_x=0.1, shift_y=0.05, mirror=1.0),
    ],
)
def test_poses_are_those_of_the_simulated_camera(pose: Corruption) -> None:
    pictures = smooth_pictures(4)
    drawn = {field.name: np.full(4, getattr(pose, field.name), np.float32) for field in fields(pose)}

    found = posed(pictures, drawn).numpy()

    np.testing.assert_allclose(found, corrupt(pictures, settings(pose, 4), rng), atol=2e-3)


def test_views_differ_and_stay_in_range() -> None:
    import tensorflow as tf

    pictures = tf.constant(np.repeat(smooth_pictures(1), 8, axis=0))

    found = picture_views(Corruption(gamma=2.0, white=0.5, cover=0.5, cover_wander=1.0, blur_px=1.0, noise=0.1))(
        pictures
    )

    assert found.shape == pictures.shape
    assert 0 <= float(tf.reduce_min(found)) <= float(tf.reduce_max(found)) <= 1
    assert float(tf.reduce_mean(tf.math.reduce_std(found, axis=0))) > 0.05


@pytest.mark.parametrize("shape", [(8, 30, 13), (8, 30, 13, 1)])
def test_views_of_spectrograms_keep_their_shape(shape: tuple[int, ...]) -> None:
    import tensorflow as tf

    found = spectrum_views(tf.fill(shape, 0.5))

    assert tuple(found.shape) == shape
    assert float(tf.math.reduce_std(found)) > 0
