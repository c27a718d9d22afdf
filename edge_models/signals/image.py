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
    mean = flat.mean(axis=1, dtype=np.float64)
    centred = flat - mean.astype(np.float32)[:, None]
    square = centred * centred
    variance = square.mean(axis=1, dtype=np.float64)
    std = np.sqrt(variance)
    third = (square * centred).mean(axis=1, dtype=np.float64)
    cx, cy, orient = _moments(grey)
    columns = [
        mean,
        std,
        np.log(_laplacian_variance(grey) + 1e-6),
        (flat > _BRIGHT).mean(axis=1, dtype=np.float64),
        cx,
        cy,
        third / np.maximum(std**3, 1e-9),
        (flat @ _ring(height, width)).astype(np.float64),
        orient,
    ]
    if 1 < channels <= MAX_CHANNELS:
        columns += list((xs.mean(axis=(1, 2), dtype=np.float64) - mean[:, None]).T)
    return np.stack(columns, axis=1)


def _laplacian_variance(grey: NDArray[np.float32]) -> NDArray[np.float64]:
    if min(grey.shape[1:]) < 3:
        return np.zeros(len(grey))
    inner = 4 * grey[:, 1:-1, 1:-1] - grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1] - grey[:, 1:-1, :-2] - grey[:, 1:-1, 2:]
    return np.asarray(inner.var(axis=(1, 2), dtype=np.float64))


def _moments(grey: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Centre of mass in -1..1 and the correlation of the two coordinates, weighted by brightness above the darkest."""
    n, height, width = grey.shape
    flat = grey.reshape(n, -1)
    sums = (flat - flat.min(axis=1, keepdims=True)) @ _powers(height, width)
    total, sx, sy, sxx, syy, sxy = sums.astype(np.float64).T
    total = np.where(total > 1e-9, total, np.inf)  # an even frame has its centre in the middle
    cx, cy = sx / total, sy / total
    var_x, var_y = np.maximum(sxx / total - cx * cx, 0), np.maximum(syy / total - cy * cy, 0)
    return cx, cy, (sxy / total - cx * cy) / np.maximum(np.sqrt(var_x * var_y), 1e-4)


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
