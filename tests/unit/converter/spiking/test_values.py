"""What is folded while a Keras graph is read gives what the separate layers would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from converter.keras_process.spiking.values import Linear, Signal, Windows, flat_matrix, padded, picture, strided
from converter.spiking.float_network import FloatNeurons, FloatSynapses
from converter.spiking.forward import current, mapped

rng = np.random.default_rng(0)
SIDES = st.integers(1, 9)


def linear(synapses: FloatSynapses, shape: tuple[int, int, int]) -> Linear:
    return Linear(name="one", synapses=(synapses,), bias=rng.random(shape[2], np.float32), shape=shape, view=shape)


def summed(one: Linear, x: NDArray[np.float32]) -> NDArray[np.float32]:
    neurons = FloatNeurons(name="n", shape=one.shape, synapses=one.synapses, bias=one.bias, ceiling=None)
    return current(neurons, [x])


def convolution(kind: str, *, rows: int = 3, before: int = 1) -> FloatSynapses:
    shape = (rows, 3, 2) if kind == "depthwise" else (rows, 3, 2, 4)
    return FloatSynapses(
        source=0,
        kind="depthwise" if kind == "depthwise" else "conv",
        weight=rng.normal(size=shape).astype(np.float32),
        padding=(before, 1, 1, 1),
    )


@pytest.mark.parametrize("kind", ["conv", "depthwise"])
def test_a_matrix_behind_a_convolution_is_one_convolution(kind: str) -> None:
    synapses = convolution(kind)
    x = rng.random((2, 6, 5, 2), np.float32)
    first = linear(synapses, (6, 5, synapses.weight.shape[-1]))
    kernel, bias = rng.normal(size=(first.shape[2], 3)).astype(np.float32), rng.random(3, np.float32)

    both = first.pointwise("both", kernel, bias)

    np.testing.assert_allclose(summed(both, x), summed(first, x) @ kernel + bias, rtol=1e-4, atol=1e-4)


def test_scales_of_a_signal_add_up() -> None:
    x = rng.random((4, 3), np.float32)
    scales, offsets = rng.random((2, 3), np.float32), rng.random((2, 3), np.float32)

    signal = Signal(node=1, view=(3,)).affine(scales[0], offsets[0]).affine(scales[1], offsets[1])

    assert signal.scale is not None
    assert signal.offset is not None
    expected = (x * scales[0] + offsets[0]) * scales[1] + offsets[1]
    np.testing.assert_allclose(x * signal.scale + signal.offset, expected, rtol=1e-5)


@given(length=st.integers(3, 12), rows=st.sampled_from([1, 3, 5]), size=st.integers(1, 3))
def test_a_stride_keeps_the_first_place_of_each_window(length: int, rows: int, size: int) -> None:
    synapses = convolution("conv", rows=rows, before=rows // 2)
    x = rng.random((1, length, 7, 2), np.float32)
    height = length + rows // 2 + 1 - rows + 1
    if height < size:
        return
    whole = linear(synapses, (height, 7, 4))

    thin = strided(whole, Windows(size=(size, 1), stride=(size, 1), is_same=False), ((length, 7, 2),))

    if thin is not None:
        expected = summed(whole, x)[:, ::size][:, : height // size]
        np.testing.assert_allclose(summed(thin, x), expected, rtol=1e-5, atol=1e-5)


@given(height=SIDES, width=SIDES, rows=SIDES, columns=SIDES, stride=st.tuples(SIDES, SIDES))
def test_same_padding_gives_as_many_places_as_strides_fit(
    height: int, width: int, rows: int, columns: int, stride: tuple[int, int]
) -> None:
    windows = Windows(size=(rows, columns), stride=stride, is_same=True)

    (high, wide), zeros = windows.over((height, width, 1))

    whole = padded((height, width, 1), zeros)
    assert (high, wide) == (-(-height // stride[0]), -(-width // stride[1]))
    assert (whole[0] - rows) // stride[0] + 1 >= high
    assert zeros[1] - zeros[0] in (0, 1)
    assert zeros[3] - zeros[2] in (0, 1)


@pytest.mark.parametrize("kind", ["conv", "depthwise"])
def test_a_convolution_over_all_that_there_is_is_a_matrix(kind: str) -> None:
    weight = rng.normal(size=(3, 3, 2) if kind == "depthwise" else (3, 3, 2, 4)).astype(np.float32)
    synapses = FloatSynapses(source=0, kind="depthwise" if kind == "depthwise" else "conv", weight=weight)
    x = rng.random((2, 3, 3, 2), np.float32)

    matrix = flat_matrix(synapses, (3, 3, 2))

    assert matrix is not None
    np.testing.assert_allclose(x.reshape(2, -1) @ matrix, mapped(synapses, x).reshape(2, -1), rtol=1e-4, atol=1e-5)
    assert flat_matrix(synapses, (4, 3, 2)) is None


def test_what_keras_sees_is_a_picture() -> None:
    assert [picture(view) for view in ((5,), (7, 5), (4, 7, 5))] == [(1, 1, 5), (1, 7, 5), (4, 7, 5)]
