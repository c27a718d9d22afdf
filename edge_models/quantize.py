"""Affine quantisation as pure functions, the same on the workstation and on the device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.tensors import DTYPE_RANGE, Dtype, TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

_INTEGERS = (*DTYPE_RANGE, "int64")


def quantize(x: NDArray[np.float32], spec: TensorSpec) -> NDArray[Any]:
    """Round real values to the codes of ``spec``, saturating at its range.

    Ties round to even, as the converter's own calibration does; |dequantize(quantize(x)) - x| <= scale / 2 inside
    the range.

    Args:
        x: Real values of any shape.
        spec: With ``quant``, the integer code; without it, ``x`` is cast, for integers rounded and saturated first.

    Returns:
        An array of the same shape with dtype ``spec.dtype``.

    Examples:
        >>> from edge_models.tensors import QuantParams
        >>> spec = TensorSpec(shape=(3,), dtype="int8", quant=QuantParams(scale=0.5, zero_point=-128))
        >>> quantize(np.array([0.0, 0.6, 1000.0], np.float32), spec)
        array([-128, -127,  127], dtype=int8)
    """
    if spec.quant is None:
        return _rounded(x, spec.dtype) if spec.dtype in _INTEGERS else x.astype(spec.dtype, copy=False)
    low, high = DTYPE_RANGE[spec.dtype]
    with np.errstate(over="ignore"):  # beyond float32 is beyond the range as well
        wide = _wide(spec.dtype)
        codes = np.rint(np.asarray(x, wide) / wide.type(spec.quant.scale)) + wide.type(spec.quant.zero_point)
    stored: NDArray[Any] = np.clip(codes, low, high).astype(spec.dtype)
    return stored


def _rounded(x: NDArray[np.float32], dtype: Dtype) -> NDArray[Any]:
    ends, whole = np.iinfo(dtype), np.rint(x).astype(np.float64)
    with np.errstate(invalid="ignore"):  # the largest int64 is no float64: it is put in afterwards
        stored = np.asarray(np.maximum(whole, ends.min).astype(dtype))
    return np.where(whole >= ends.max, np.array(ends.max, dtype), stored)


def dequantize(codes: NDArray[Any], spec: TensorSpec) -> NDArray[np.float32]:
    """Turn codes of ``spec`` back into real values, float32 and of the same shape.

    Examples:
        >>> from edge_models.tensors import QuantParams
        >>> spec = TensorSpec(shape=(2,), dtype="int8", quant=QuantParams(scale=0.5, zero_point=-128))
        >>> dequantize(np.array([-128, -127], np.int8), spec)
        array([0. , 0.5], dtype=float32)
    """
    if spec.quant is None:
        return codes.astype(np.float32, copy=False)
    wide = _wide(spec.dtype)
    x = (codes.astype(wide) - wide.type(spec.quant.zero_point)) * wide.type(spec.quant.scale)
    return np.asarray(x, np.float32)


def _wide(dtype: Dtype) -> np.dtype[np.floating[Any]]:
    """A float that holds every code of ``dtype`` exactly."""
    return np.dtype(np.float64 if dtype == "int32" else np.float32)
