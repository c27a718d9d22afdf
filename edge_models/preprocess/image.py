"""Steps on images (n, height, width, channels), with the numbers of ``tf.image``."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RED_GREEN_BLUE = (0.2989, 0.5870, 0.1140)  # tensorflow/python/ops/image_ops_impl.py, rgb_to_grayscale


def resize_bilinear(images: NDArray[Any], height: int, width: int) -> NDArray[np.float32]:
    """Resize images (n, h, w, c) as ``tf.image.resize`` does: bilinear, half-pixel centres, antialias off.

    Coordinates are computed in float32 as TensorFlow's kernel does (core/util/image_resizer_state.h), because
    rounding them otherwise moves a result by more than the weights' own error.
    """
    top, bottom, down = _taps(images.shape[1], height)
    upper, lower = images[:, top].astype(np.float32), images[:, bottom].astype(np.float32)
    left, right, across = _taps(images.shape[2], width)
    columns, share = across[:, None], down[:, None, None]
    upper = upper[:, :, left] + (upper[:, :, right] - upper[:, :, left]) * columns
    lower = lower[:, :, left] + (lower[:, :, right] - lower[:, :, left]) * columns
    return upper + (lower - upper) * share


def crop_centre(images: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """The middle of images (n, h, w, c), as ``tf.image.resize_with_crop_or_pad`` cuts it; a view.

    Examples:
        >>> crop_centre(np.arange(4).reshape(1, 1, 4, 1), 1, 2).ravel()
        array([1, 2])
    """
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]


def greyscale(images: NDArray[Any]) -> NDArray[np.float32]:
    """Brightness (n, h, w, 1) of images (n, h, w, 3) in red, green and blue, as ``tf.image.rgb_to_grayscale``."""
    red, green, blue = (images[..., i].astype(np.float32) * np.float32(w) for i, w in enumerate(_RED_GREEN_BLUE))
    return np.asarray((red + green + blue)[..., None])


def standardise_each(examples: NDArray[Any]) -> NDArray[np.float32]:
    """Examples (n, ...) with mean 0 and deviation 1 each, as ``tf.image.per_image_standardization``.

    The deviation counts as at least 1 / sqrt(numbers of an example), so that an even example stays finite.
    """
    flat = examples.reshape(len(examples), math.prod(examples.shape[1:])).astype(np.float64)
    mean, least = flat.mean(axis=1, keepdims=True), 1.0 / np.sqrt(max(flat.shape[1], 1))
    deviation = np.maximum(flat.std(axis=1, keepdims=True), least)
    return np.asarray((flat - mean) / deviation).astype(np.float32).reshape(examples.shape)


def _taps(size: int, result: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Two source indices and the weight of the second for each place of the result."""
    scale = np.float32(size) / np.float32(result)
    centre = (np.arange(result, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    first = np.floor(centre)
    low = np.maximum(first, 0).astype(np.intp)
    high = np.minimum(np.ceil(centre), size - 1).astype(np.intp)
    return low, high, (centre - first).astype(np.float32)
