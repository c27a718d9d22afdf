"""How the codes of a spiking network's input are chosen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from converter.errors import DatasetError
from edge_models.tensors import DTYPE_RANGE, Dtype, QuantParams, TensorSpec

_GRID_TOLERANCE = 1e-3  # of a step; float32 pixels are within 3e-5
_GRID_PARTS = 4


def input_spec(values: NDArray[np.float32]) -> TensorSpec:
    """Codes for the input, exact where the values are a grid of at most 256 steps, as pixels are.

    Args:
        values: Preprocessed training inputs, (n, ...).

    Returns:
        uint8 for values that are never below 0, otherwise int8; 0.0 has a code of its own.

    Examples:
        >>> pixels = np.arange(256, dtype=np.float32)[:, None] / 255
        >>> input_spec(pixels).quant
        QuantParams(scale=0.00392156862745098, zero_point=0)
    """
    if not values.size or not np.isfinite(values).all():
        raise DatasetError("the training inputs have no values, or some that are not finite")
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    dtype: Dtype = "int8" if low < 0 else "uint8"
    first, last = DTYPE_RANGE[dtype]
    scale = _grid(values, low, high) or (high - low) / 255 or 1.0
    zero_point = round(first - low / scale)
    return TensorSpec(
        shape=values.shape[1:],
        dtype=dtype,
        quant=QuantParams(scale=scale, zero_point=min(max(zero_point, first), last)),
    )


def _grid(values: NDArray[np.float32], low: float, high: float) -> float | None:
    """Width of the steps if all values are whole steps from 0, at most 255 of them from low to high."""
    distinct = np.unique(values)
    if not 2 <= len(distinct) <= 256:
        return None
    smallest = float(np.diff(distinct.astype(np.float64)).min())
    for parts in range(1, _GRID_PARTS + 1):  # the closest two values may be several steps apart
        steps = round((high - low) / smallest * parts)
        width = (high - low) / max(1, steps)
        whole = distinct / width
        if 1 <= steps <= 255 and np.abs(whole - np.rint(whole)).max() < _GRID_TOLERANCE:
            return width
    return None
