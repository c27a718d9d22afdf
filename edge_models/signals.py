"""Drift signals: a few numbers about one frame and one answer, cheap enough to be taken from every frame.

The profile of an artifact, the agent's detectors and the converter's search for augmentations all use these functions,
so a value means the same on the workstation and on the device. ``x`` is always the float input after preprocessing, in
the model's own units.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_models.manifest import Artifact

EXTRACTOR_VERSION = 1
"""Raised when a signal of the same name is computed otherwise; a profile names the version that it was made with."""

Kind = Literal["image", "rows", "audio"]

OUTPUT_SIGNALS = ("confidence", "entropy", "margin")
IMAGE_SIGNALS = ("mean", "std", "sharp", "bright", "cx", "cy", "skew", "border", "orient")
MAX_GROUPS = 12  # neighbouring columns share a signal beyond this, so that a sketch stays within a message
MAX_CHANNELS = 4  # images with more channels (spectral cameras) get no signal for each channel

_BRIGHT = 0.5  # middle of the usual range 0..1 of a scaled image
_BORDER_SHARE = 14  # the ring is 1/14 of the shorter side: 2 pixels of MNIST's 28
_TINY = 1e-12


def input_signal_names(kind: Kind, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the input signals of frames of ``shape`` (preprocessed, no batch axis), in the order of the values.

    Examples:
        >>> input_signal_names("image", (28, 28, 1))
        ('mean', 'std', 'sharp', 'bright', 'cx', 'cy', 'skew', 'border', 'orient')
        >>> input_signal_names("rows", (50, 2))
        ('mean_0', 'mean_1', 'std_0', 'std_1')
        >>> input_signal_names("rows", (3,))
        ('value_0', 'value_1', 'value_2')
    """
    if kind == "image":
        channels = shape[2] if len(shape) == 3 else 1
        return IMAGE_SIGNALS + tuple(f"channel_{i}" for i in range(channels) if 1 < channels <= MAX_CHANNELS)
    if kind == "rows" and len(shape) == 1:
        return tuple(f"value_{i}" for i in range(len(_groups(shape[0]))))
    groups = range(len(_groups(_columns(shape))))
    return tuple(f"mean_{i}" for i in groups) + tuple(f"std_{i}" for i in groups)


def input_signals(kind: Kind, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """The input signals of one preprocessed frame, shape (k,)."""
    return np.asarray(input_signals_batch(kind, x[None])[0])


def input_signals_batch(kind: Kind, xs: NDArray[np.float32]) -> NDArray[np.float64]:
    """The input signals of n preprocessed frames (n, ...), shape (n, k)."""
    if kind == "image":
        return _image(xs if xs.ndim == 4 else xs[..., None])
    if kind == "rows" and xs.ndim == 2:
        return _group_means(xs.astype(np.float64))
    return _window(xs.reshape(len(xs), xs.shape[1], -1).astype(np.float64))


def output_signals(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Confidence, entropy (0..1) and margin of class probabilities (..., c), shape (..., 3).

    Examples:
        >>> output_signals(np.array([0.5, 0.5])).round(3).tolist()
        [0.5, 1.0, 0.0]
    """
    p = np.asarray(probabilities, np.float64)
    top = np.partition(p, p.shape[-1] - 2, axis=-1) if p.shape[-1] > 1 else np.concatenate([np.zeros_like(p), p], -1)
    entropy = -(p * np.log(np.maximum(p, _TINY))).sum(-1) / math.log(max(p.shape[-1], 2))
    return np.stack([top[..., -1], entropy, top[..., -1] - top[..., -2]], axis=-1)


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities along the last axis.

    Examples:
        >>> softmax(np.array([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """
    z = np.asarray(logits, np.float64)
    e = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def probabilities(artifact: Artifact, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64] | None:
    """Class probabilities (c,) from an artifact's real-valued outputs; None if it has no classes."""
    output = artifact.output("logits", "probabilities")
    if output is None:
        return None
    values = np.asarray(outputs[output.name], np.float64).reshape(-1)
    if output.role == "logits":
        return softmax(values)
    values = np.clip(values, 0.0, None)  # int8 probabilities sum to 1 only within their step
    return np.asarray(values / max(float(values.sum()), _TINY))


def _image(xs: NDArray[np.float32]) -> NDArray[np.float64]:
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


def _columns(shape: tuple[int, ...]) -> int:
    return math.prod(shape[1:])


@functools.lru_cache(maxsize=8)
def _groups(columns: int) -> tuple[int, ...]:
    """Index of the first column of each group."""
    groups = min(columns, MAX_GROUPS)
    return tuple(i * columns // groups for i in range(groups))


def _group_means(values: NDArray[np.float64]) -> NDArray[np.float64]:
    starts = np.array(_groups(values.shape[-1]))
    widths = np.diff(np.append(starts, values.shape[-1]))
    return np.asarray(np.add.reduceat(values, starts, axis=-1) / widths)


def _window(xs: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([_group_means(xs.mean(axis=1)), _group_means(xs.std(axis=1))], axis=1)
