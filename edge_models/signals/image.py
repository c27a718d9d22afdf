"""Signals of images: brightness, contrast, sharpness and where the bright parts are."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGE_SIGNALS = ("mean", "std", "sharp", "bright", "cx", "cy", "skew", "border", "orient")
MAX_CHANNELS = 4  # images with more channels (spectral cameras) get no signal for each channel

_BRIGHT = 0.5  # middle of the usual range 0..1 of a scaled image
_BORDER_SHARE = 14  # the ring is 1/14 of the shorter side: 2 pixels of MNIST's 28


def image_signals(xs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Signals (n, k) of images (n, height, width, channels)."""
    _, height, width, channels = xs.shape
    grey = xs[..., 0] if channels == 1 else xs.mean(axis=3)
    flat = grey.reshape(len(xs), -1)
    mean = _means(flat)
    centred = flat - mean.astype(np.float32)[:, None]
    square = centred * centred
    std = np.sqrt(_means(square))
    third = _means(np.multiply(square, centred, out=centred))
    cx, cy, orient = _moments(grey)
    coloured = 1 < channels <= MAX_CHANNELS
    signals = np.empty((len(xs), len(IMAGE_SIGNALS) + channels * coloured))  # a stack of columns costs more than they
    signals[:, 0] = mean
    signals[:, 1] = std
    signals[:, 2] = np.log(_laplacian_variance(grey) + 1e-6)
    signals[:, 3] = np.add.reduce((flat > _BRIGHT).view(np.int8), axis=1, dtype=np.int64) / flat.shape[1]
    signals[:, 4] = cx
    signals[:, 5] = cy
    signals[:, 6] = third / np.maximum(std**3, 1e-9)
    signals[:, 7] = flat @ _ring(height, width)
    signals[:, 8] = orient
    if coloured:
        signals[:, 9:] = xs.mean(axis=(1, 2), dtype=np.float64) - mean[:, None]
    return signals


def _means(flat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean of each row; ``mean`` does the same behind layers of Python that cost as much again."""
    return np.asarray(np.add.reduce(flat, axis=1, dtype=np.float64) / flat.shape[1])


def _laplacian_variance(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    if min(grey.shape[1:]) < 3:
        return np.zeros(len(grey))
    inner = 4 * grey[:, 1:-1, 1:-1]
    for neighbour in (grey[:, :-2, 1:-1], grey[:, 2:, 1:-1], grey[:, 1:-1, :-2], grey[:, 1:-1, 2:]):
        inner -= neighbour
    flat = inner.reshape(len(grey), -1)
    off = flat - _means(flat)[:, None]
    return np.asarray(np.add.reduce(np.multiply(off, off, out=off), axis=1) / flat.shape[1])


def _moments(grey: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centre of mass in -1..1 and the correlation of the two coordinates, weighted by brightness above the darkest."""
    n, height, width = grey.shape
    flat = grey.reshape(n, -1)
    sums = (flat - flat.min(axis=1, keepdims=True)) @ _powers(height, width)
    means = sums.astype(np.float64)
    means[means[:, 0] <= 1e-9, 0] = np.inf  # an even frame has its centre in the middle
    means[:, 1:] /= means[:, :1]
    centre = means[:, 1:3]
    variance = np.maximum(means[:, 3:5] - centre * centre, 0)
    spread = np.maximum(np.sqrt(variance[:, 0] * variance[:, 1]), 1e-4)
    return centre[:, 0], centre[:, 1], (means[:, 5] - centre[:, 0] * centre[:, 1]) / spread


@functools.lru_cache(maxsize=8)
def _powers(height: int, width: int) -> NDArray[np.float32]:
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    powers = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]).reshape(6, -1)
    return np.asarray(powers.T, np.float32)


@functools.lru_cache(maxsize=8)
def _ring(height: int, width: int) -> NDArray[np.float32]:
    depth = max(1, min(height, width) // _BORDER_SHARE)
    ring = np.ones((height, width), np.float32)
    ring[depth : height - depth, depth : width - depth] = 0
    return np.asarray((ring / ring.sum()).reshape(-1), np.float32)
