"""What the demo's cameras see: MNIST digits through a steady camera, in winter light, and through a new lens.

Pure functions over batches of images (n, h, w) float32 in 0..1; the caller brings the random generator.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.random import Generator
    from numpy.typing import NDArray

    Images = NDArray[np.float32]
    View = Callable[[Images, Generator], Images]


def steady(images: Images, rng: Generator) -> Images:
    """The camera as installed: a pixel of play, exposure within 8 %, a little noise. Not drift."""
    return _exposed(_nudged(images, rng), rng, noise=0.03)


def winter_light(images: Images, rng: Generator) -> Images:
    """Darker, lower contrast, noise: the first drift."""
    dim = 0.26 * _nudged(images, rng) + 0.03
    return _exposed(dim, rng, noise=0.12)


def new_camera(images: Images, rng: Generator) -> Images:
    """Mounted askew and out of focus: the second drift."""
    angles = np.deg2rad(rng.normal(30.0, 4.0, len(images))).astype(np.float32)
    return _exposed(blurred(rotated(_nudged(images, rng), angles), sigma_px=1.0), rng, noise=0.03)


VIEWS: dict[str, View] = {"steady": steady, "winter light": winter_light, "new camera": new_camera}


def to_uint8(images: Images) -> NDArray[np.uint8]:
    """What the sensor delivers: 0..255, saturated."""
    levels: NDArray[np.uint8] = np.clip(np.rint(images * 255.0), 0, 255).astype(np.uint8)
    return levels


def blurred(images: Images, sigma_px: float) -> Images:
    """Gaussian blur by two one-dimensional convolutions with edges repeated."""
    radius = max(1, int(np.ceil(3 * sigma_px)))
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma_px) ** 2).astype(np.float32)
    taps /= taps.sum()
    for axis in (1, 2):
        widths = [(0, 0), (0, 0), (0, 0)]
        widths[axis] = (radius, radius)
        padded = np.pad(images, widths, mode="edge")
        length = images.shape[axis]
        shifted = (np.take(padded, np.arange(i, i + length), axis=axis) * tap for i, tap in enumerate(taps))
        images = np.sum(list(shifted), axis=0, dtype=np.float32)
    return images


def rotated(images: Images, angles_rad: NDArray[np.float32]) -> Images:
    """Each image turned about its centre by its own angle, bilinear, black outside."""
    count, height, width = images.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    dy, dx = y - (height - 1) / 2, x - (width - 1) / 2
    cos, sin = np.cos(angles_rad)[:, None, None], np.sin(angles_rad)[:, None, None]
    source_y = cos * dy - sin * dx + (height - 1) / 2
    source_x = sin * dy + cos * dx + (width - 1) / 2
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2)))  # a black frame, so that no index needs a test
    source_y = np.clip(source_y + 1, 0, height + 1)
    source_x = np.clip(source_x + 1, 0, width + 1)
    top, left = np.floor(source_y).astype(np.intp), np.floor(source_x).astype(np.intp)
    wy, wx = source_y - top, source_x - left
    n = np.arange(count)[:, None, None]
    upper = padded[n, top, left] * (1 - wx) + padded[n, top, left + 1] * wx
    lower = padded[n, top + 1, left] * (1 - wx) + padded[n, top + 1, left + 1] * wx
    turned: Images = (upper * (1 - wy) + lower * wy).astype(np.float32)
    return turned


def _nudged(images: Images, rng: Generator) -> Images:
    moves = rng.integers(-1, 2, size=(len(images), 2))
    return np.stack([np.roll(image, tuple(move), axis=(0, 1)) for image, move in zip(images, moves, strict=True)])


def _exposed(images: Images, rng: Generator, *, noise: float) -> Images:
    gain = rng.uniform(0.92, 1.08, size=(len(images), 1, 1)).astype(np.float32)
    grain = rng.normal(0.0, noise, size=images.shape).astype(np.float32)
    seen: Images = np.clip(images * gain + grain, 0.0, 1.0).astype(np.float32)
    return seen
