"""Signals of preprocessed inputs: which ones an input of some kind and shape has, and their values."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from edge_models.signals.audio import audio_signal_names, audio_signals
from edge_models.signals.image import IMAGE_SIGNALS, MAX_CHANNELS, image_signals

if TYPE_CHECKING:
    from numpy.typing import NDArray

Kind = Literal["image", "rows", "audio"]

MAX_GROUPS = 12  # neighbouring columns share a signal beyond this, so that a sketch stays within a message


def input_signal_names(kind: Kind, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the input signals of frames of ``shape`` (preprocessed, no batch axis), in the order of the values.

    Examples:
        >>> input_signal_names("image", (28, 28, 1))
        ('mean', 'std', 'sharp', 'bright', 'cx', 'cy', 'skew', 'border', 'orient')
        >>> input_signal_names("rows", (50, 2))
        ('mean_0', 'mean_1', 'std_0', 'std_1')
        >>> input_signal_names("rows", (3,))
        ('value_0', 'value_1', 'value_2')
        >>> input_signal_names("audio", (49, 2))
        ('level', 'dynamics', 'centroid', 'flatness', 'band_0', 'band_1')
    """
    if kind == "image":
        channels = shape[2] if len(shape) == 3 else 1
        return IMAGE_SIGNALS + tuple(f"channel_{i}" for i in range(channels) if 1 < channels <= MAX_CHANNELS)
    if kind == "rows" and len(shape) == 1:
        return tuple(f"value_{i}" for i in range(len(_groups(shape[0]))))
    if kind == "audio":
        return audio_signal_names(shape)
    groups = range(len(_groups(_columns(shape))))
    return tuple(f"mean_{i}" for i in groups) + tuple(f"std_{i}" for i in groups)


def input_signals(kind: Kind, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """The input signals of one preprocessed frame, shape (k,)."""
    return np.asarray(input_signals_batch(kind, x[None])[0])


def input_signals_batch(kind: Kind, xs: NDArray[np.float32]) -> NDArray[np.float64]:
    """The input signals of n preprocessed frames (n, ...), shape (n, k)."""
    if kind == "image":
        return image_signals(xs if xs.ndim == 4 else xs[..., None])
    if kind == "rows" and xs.ndim == 2:
        return _group_means(xs.astype(np.float64))
    if kind == "audio":
        return audio_signals(xs)
    return _window(xs.reshape(len(xs), xs.shape[1], -1).astype(np.float64))


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
