from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from converter.errors import DatasetError, ModelError
from converter.spiking import forward
from converter.spiking.float_network import (
    FloatNetwork,
    FloatNeurons,
    FloatNode,
    FloatPool,
    FloatReadout,
    FloatSynapses,
)
from converter.spiking.input_codes import input_spec
from converter.spiking.integers import time_steps, to_network
from edge_models.quantize import dequantize, quantize
from edge_models.spiking.network import Network, Neurons, Pool, Readout
from edge_models.spiking.ranges import bounds
from tests.unit.converter.spiking.nets import KINDS, ceiling, float_network, images

INPUT = input_spec((np.arange(256).repeat(128).reshape(-1, 8, 8, 2) / 255).astype(np.float32))


def converted(network: FloatNetwork, levels: int = 15) -> Network:
    return to_network(network, coding="atf", steps=levels, input=INPUT, levels=levels)


def as_real(network: Network, original: FloatNetwork) -> FloatNetwork:
    """The integers back in real numbers, so that only the rounding of weights and biases is left."""
    units: list[NDArray[np.float32]] = [np.full(network.input_shape[2], 1 / 255, np.float32)]
    nodes: list[FloatNode] = []
    for node, stored in zip(original.nodes, network.nodes, strict=True):
        if isinstance(node, FloatPool):
            units.append(units[node.source] / np.float32(4))
            nodes.append(node)
            continue
        assert not isinstance(stored, Pool)
        step = steps_of(node, stored)
        synapses = []
        for one, integer in zip(node.synapses, stored.synapses, strict=True):
            real = integer.weight * 2.0**integer.shift * step / spread(units[one.source], one)
            synapses.append(replace(one, weight=real.astype(np.float32)))
        nodes.append(replace(node, synapses=tuple(synapses), bias=(stored.bias * step).astype(np.float32)))
        units.append(np.ones(1, np.float32) if isinstance(node, FloatReadout) else ceiling(node))
    return replace(original, nodes=tuple(nodes))


def steps_of(node: FloatNode, stored: Neurons | Readout) -> NDArray[np.float64]:
    """What one unit of each channel's accumulator stands for, times the levels."""
    if isinstance(stored, Readout):
        return np.full(len(stored.bias), stored.scale)
    return ceiling(node) / stored.threshold.astype(np.float64)


def spread(unit: NDArray[np.float32], synapses: FloatSynapses) -> NDArray[np.float32]:
    """The unit of each incoming value, so that it can be multiplied with the weight."""
    if synapses.kind == "dense":
        return np.tile(unit, len(synapses.weight) // len(unit))[:, None]
    return unit[:, None] if synapses.kind == "conv" else unit


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(KINDS), levels=st.sampled_from([1, 4, 8, 15, 63]))
def test_weights_come_back_within_half_a_step_of_their_channel(seed: int, kind: str, levels: int) -> None:
    original = float_network(seed, kind)

    network = converted(original, levels)

    units = [np.full(2, 1 / 255, np.float32)]
    for node, stored in zip(original.nodes, network.nodes, strict=True):
        if isinstance(node, FloatPool):
            units.append(units[node.source] / np.float32(4))
            continue
        assert not isinstance(stored, Pool)
        step = steps_of(node, stored)
        for one, integer in zip(node.synapses, stored.synapses, strict=True):
            exact = one.weight * spread(units[one.source], one) / step
            assert np.abs(exact - integer.weight * 2.0**integer.shift).max() <= 0.501 * 2**integer.shift
        units.append(np.ones(1, np.float32) if isinstance(node, FloatReadout) else ceiling(node))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_largest_weight_of_every_channel_has_seven_bits_and_a_sign(seed: int) -> None:
    hidden = converted(float_network(seed, "conv")).nodes[2]

    assert isinstance(hidden, Neurons)
    assert (np.abs(hidden.synapses[0].weight).max(axis=0) >= 100).all()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(KINDS))
def test_the_integers_answer_like_the_real_network_with_levels(seed: int, kind: str) -> None:
    original, inputs = float_network(seed, kind), images(seed, 64)

    answers = forward.logits(as_real(converted(original), original), inputs, levels=15)

    expected = forward.logits(original, inputs, levels=15)
    assert np.abs(answers - expected).mean() < 0.05 * np.std(expected) + 0.02


def test_a_large_identity_leaves_the_weights_beside_it_their_bits() -> None:
    network = converted(float_network(3, "residual", identity=50.0))

    addition = network.nodes[2]
    assert isinstance(addition, Neurons)
    small, large = addition.synapses
    assert small.shift == 0
    assert large.shift >= 4
    assert np.abs(small.weight).max() > 60


def test_what_can_be_added_up_is_bounded_by_int32() -> None:
    network = converted(float_network(5), levels=255)

    assert all(bound.is_int32 for bound in bounds(network))


def test_a_bias_beyond_all_inputs_is_cut_where_it_changes_nothing_more() -> None:
    original = float_network(6, "dense")
    hidden = original.nodes[0]
    assert isinstance(hidden, FloatNeurons)
    bias = np.where(np.arange(16) % 2, 1e9, -1e9).astype(np.float32)

    network = converted(replace(original, nodes=(replace(hidden, bias=bias), *original.nodes[1:])))

    real = as_real(network, original)
    (values,) = forward.batches(real, images(6, 64), levels=15, size=64)
    shares = values[1][:, 0, 0] / ceiling(hidden)
    assert np.allclose(shares, np.arange(16) % 2)


def test_a_channel_without_weights_still_has_its_bias() -> None:
    original = float_network(7, "dense")
    hidden = original.nodes[0]
    assert isinstance(hidden, FloatNeurons)
    weight = hidden.synapses[0].weight.copy()
    weight[:, 3] = 0
    bias = hidden.bias.copy()
    bias[3] = ceiling(hidden)[3] * 0.4
    silent = replace(hidden, synapses=(replace(hidden.synapses[0], weight=weight),), bias=bias)

    network = converted(replace(original, nodes=(silent, *original.nodes[1:])))

    node = network.nodes[0]
    assert isinstance(node, Neurons)
    assert node.bias[3] / node.threshold[3] == pytest.approx(0.4, abs=1e-3)


def test_sums_beyond_int32_are_refused_with_the_layer_and_a_remedy() -> None:
    weight = np.ones((200_000, 2), np.float32)
    original = float_network(8, "dense")
    hidden, readout = original.nodes
    assert isinstance(hidden, FloatNeurons)
    wide = replace(
        hidden,
        shape=(1, 1, 2),
        synapses=(replace(hidden.synapses[0], weight=weight),),
        bias=np.zeros(2, np.float32),
        ceiling=np.full(2, 10, np.float32),
    )
    spec = replace(INPUT, shape=(200_000,))

    with pytest.raises(ModelError, match=r"layer hidden: with 255 levels .* fewer levels"):
        to_network(
            replace(original, input_shape=(1, 1, 200_000), nodes=(wide, readout)), coding="atf", steps=255, input=spec
        )


@pytest.mark.parametrize(("what", "value"), [("ceiling", np.nan), ("bias", np.inf), ("ceiling", -1.0)])
def test_numbers_that_no_integer_can_express_are_refused(what: str, value: float) -> None:
    original = float_network(9, "dense")
    numbers = np.full(16, value, np.float32)
    hidden = original.nodes[0]
    assert isinstance(hidden, FloatNeurons)
    broken = replace(hidden, ceiling=numbers) if what == "ceiling" else replace(hidden, bias=numbers)

    with pytest.raises(ModelError, match=f"layer hidden: .*{what}"):
        converted(replace(original, nodes=(broken, *original.nodes[1:])))


def test_radix_needs_one_less_than_a_power_of_two() -> None:
    assert time_steps("radix", 15) == 4
    with pytest.raises(ModelError, match="radix with 8 levels"):
        time_steps("radix", 8)


def test_pixels_keep_their_codes() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (20, 28, 28))

    spec = input_spec((pixels / 255).astype(np.float32))

    assert spec.shape == (28, 28)
    assert (quantize((pixels / 255).astype(np.float32), spec) == pixels).all()


def test_pixels_around_zero_keep_their_codes() -> None:
    pixels = np.arange(256).repeat(2).reshape(-1, 2)
    values = ((pixels - 128) / 128).astype(np.float32)

    spec = input_spec(values)

    assert spec.dtype == "int8"
    assert (dequantize(quantize(values, spec), spec) == values).all()


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), low=st.floats(-100, 0.5), width=st.floats(0.01, 200))
def test_other_inputs_come_back_within_a_step_and_zero_exactly(seed: int, low: float, width: float) -> None:
    values = np.random.default_rng(seed).uniform(low, low + width, (300, 3)).astype(np.float32)

    spec = input_spec(values)

    assert spec.quant is not None
    assert np.abs(dequantize(quantize(values, spec), spec) - values).max() <= spec.quant.scale * 1.01
    assert (dequantize(quantize(np.zeros(1, np.float32), spec), spec) == 0).all()


def test_inputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DatasetError, match="not finite"):
        input_spec(np.full((2, 2), np.nan, np.float32))
