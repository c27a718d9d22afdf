"""The quantisation rule: bounds that every converter and device rely on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.quantize import dequantize, quantize
from edge_models.tensors import DTYPE_RANGE, Dtype, QuantParams, TensorSpec


@st.composite
def codes(draw: st.DrawFn) -> TensorSpec:
    dtype: Dtype = draw(st.sampled_from(["int8", "uint8", "int16"]))
    low, high = DTYPE_RANGE[dtype]
    scale = float(np.float32(draw(st.floats(1e-6, 1e6))))
    return TensorSpec(shape=(3,), dtype=dtype, quant=QuantParams(scale=scale, zero_point=draw(st.integers(low, high))))


def ends(spec: TensorSpec) -> tuple[float, float]:
    assert spec.quant is not None
    low, high = DTYPE_RANGE[spec.dtype]
    return (low - spec.quant.zero_point) * spec.quant.scale, (high - spec.quant.zero_point) * spec.quant.scale


@given(codes(), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_inside_the_range_the_error_is_at_most_half_a_step(spec: TensorSpec, shares: list[float]) -> None:
    assert spec.quant is not None
    low, high = ends(spec)
    x = np.array([low + (high - low) * share for share in shares], np.float32)

    error = np.abs(dequantize(quantize(x, spec), spec) - x)

    rounding = 4e-7 * max(abs(low), abs(high))  # of float32 itself
    assert error.max() <= spec.quant.scale / 2 + rounding


@given(codes(), st.floats(1e12, 3e38))
def test_outside_the_range_codes_saturate(spec: TensorSpec, far: float) -> None:
    assert spec.quant is not None
    low, high = DTYPE_RANGE[spec.dtype]

    assert quantize(np.array([-far, 0.0, far], np.float32), spec).tolist() == [low, spec.quant.zero_point, high]


@given(codes(), st.data())
def test_every_code_stands_for_a_value_that_gives_it_back(spec: TensorSpec, data: st.DataObject) -> None:
    low, high = DTYPE_RANGE[spec.dtype]
    stored = np.array(data.draw(st.lists(st.integers(low, high), min_size=3, max_size=3)), spec.dtype)

    again = quantize(dequantize(stored, spec), spec)

    assert again.dtype == spec.dtype
    np.testing.assert_array_equal(again, stored)


@given(st.integers(-(2**24), 2**24), st.floats(1e-6, 1e6))
def test_a_code_of_32_bits_comes_back_while_a_float_holds_it(code: int, scale: float) -> None:
    spec = TensorSpec(shape=(1,), dtype="int32", quant=QuantParams(scale=scale, zero_point=0))
    stored = np.array([code], np.int32)

    assert abs(int(quantize(dequantize(stored, spec), spec)[0]) - code) <= 1
    assert dequantize(stored, spec)[0] == np.float32(code * scale)


def test_codes_of_32_bits_saturate_at_their_ends() -> None:
    spec = TensorSpec(shape=(2,), dtype="int32", quant=QuantParams(scale=0.5, zero_point=0))

    assert quantize(np.array([-3e38, 3e38], np.float32), spec).tolist() == [-(2**31), 2**31 - 1]


def test_numbers_without_a_code_are_only_cast() -> None:
    spec = TensorSpec(shape=(2,), dtype="float32")

    np.testing.assert_array_equal(
        quantize(np.array([0.1, -3e38], np.float32), spec), np.array([0.1, -3e38], np.float32)
    )
    assert dequantize(np.array([1, 2], np.int32), TensorSpec(shape=(2,), dtype="int32")).dtype == np.float32


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64"])
def test_integers_without_a_code_take_rounded_and_saturated_values(dtype: Dtype) -> None:
    spec, ends = TensorSpec(shape=(4,), dtype=dtype), np.iinfo(dtype)

    stored = quantize(np.array([1.7, 2.5, -3e38, 3e38], np.float32), spec)

    assert stored.dtype == dtype
    assert stored.tolist() == [2, 2, ends.min, ends.max]


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_that_no_quantiser_emits_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="finite number above 0"):
        QuantParams(scale=scale, zero_point=0)
