"""Ranges are worst cases that can be met, and a network that leaves them is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.errors import NetworkError
from edge_models.spiking.network import Coding, Network, Neurons, Pool, Synapses
from edge_models.spiking.ranges import bounds, check, collapse_obstacle, is_collapsible, value_ranges, weighted_range
from edge_models.spiking.reference import Reference
from tests.assets.spiking import CODINGS, KINDS, Kind, frames, network


def changed(net: Network, index: int, **fields: Any) -> Network:
    """``net`` with other fields in one of its nodes."""
    nodes = list(net.nodes)
    nodes[index] = dataclasses.replace(nodes[index], **fields)
    return dataclasses.replace(net, nodes=tuple(nodes))


def rewired(net: Network, index: int, **fields: Any) -> Network:
    """``net`` with other fields in the first synapses of one of its nodes."""
    node = net.nodes[index]
    assert not isinstance(node, Pool)
    return changed(net, index, synapses=(dataclasses.replace(node.synapses[0], **fields), *node.synapses[1:]))


@given(st.sampled_from(KINDS), st.sampled_from(CODINGS), st.integers(0, 1000))
def test_no_value_leaves_its_bound(kind: Kind, coding: Coding, seed: int) -> None:
    net = network(seed, kind=kind, coding=coding, dtype="int8", zero_point=-3)
    x = frames(net, seed, 1)[0]

    trace = Reference(net).trace(x)

    for value, (low, high) in zip(trace[:-1], value_ranges(net), strict=False):
        assert low <= value.min()
        assert value.max() <= high
    readout = bounds(net)[-1]
    assert readout.total_low <= trace[-1].min()
    assert trace[-1].max() <= readout.total_high


@given(st.lists(st.integers(-127, 127), min_size=1, max_size=30), st.integers(-128, 0), st.integers(0, 255))
def test_weighted_range_is_what_the_worst_input_gives(weights: list[int], low: int, high: int) -> None:
    weight = np.array(weights, np.int8).reshape(-1, 1)
    worst = np.where(weight > 0, high, low).ravel().astype(np.int64)
    best = np.where(weight > 0, low, high).ravel().astype(np.int64)

    least, most = weighted_range(Synapses(source=0, kind="dense", weight=weight), low, high)

    assert most.item() == (worst @ weight.astype(np.int64)).item()
    assert least.item() == (best @ weight.astype(np.int64)).item()


def test_bound_of_a_small_network_by_hand() -> None:
    """Weights (3, -2), codes 0..255, T = 4: A from 4 * -2 * 255 to 4 * 3 * 255; bias 10, threshold 9."""
    net = network(0, kind="dense", steps=4)
    first = net.nodes[0]
    assert isinstance(first, Neurons)
    weight = np.zeros_like(first.synapses[0].weight)
    weight[:2, 0] = 3, -2
    bias, threshold = np.zeros_like(first.bias), np.full_like(first.threshold, 9)
    bias[0] = 10
    net = changed(net, 0, synapses=(Synapses(source=0, kind="dense", weight=weight),), bias=bias, threshold=threshold)

    bound = bounds(net)[0]

    assert (bound.low, bound.high) == (-2040, 3060)
    assert (bound.total_low, bound.total_high) == (-2040, 3060 + 40 + 4)
    assert bound.is_int16
    assert bound.is_int32


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("kind", [*KINDS, "benchmark"])
def test_random_networks_are_valid(kind: Kind, coding: Coding) -> None:
    check(network(1, kind=kind, coding=coding))


CASES: list[tuple[str, Network, str]] = [
    ("threshold", changed(network(0), 0, threshold=np.zeros(6, np.int32)), "threshold 0, expected at least 1"),
    ("threshold dtype", changed(network(0), 0, threshold=np.ones(6, np.int64)), "threshold int64"),
    ("bias length", changed(network(0), 0, bias=np.zeros(5, np.int32)), r"bias int32\[5\], expected int32\[6\]"),
    ("nan scale", changed(network(0), -1, scale=float("nan")), "scale nan, expected a finite number above 0"),
    ("negative scale", changed(network(0), -1, scale=-1.0), "scale -1.0"),
    ("later source", rewired(network(0), 2, source=3), "reads node 3, expected one from 0 to 2"),
    ("own source", rewired(network(0), 0, source=1), "is node 1 and reads node 1, expected one from 0 to 0"),
    ("readout of the input", rewired(network(0), -1, source=0), "reads node 0, expected one from 1"),
    ("pool of the input", changed(network(0), 1, source=0), "reads node 0, expected one from 1"),
    ("weights", rewired(network(0), 0, weight=np.zeros((3, 3, 5, 6), np.int8)), r"expected int8\[3, 3, 2, 6\]"),
    ("weight dtype", rewired(network(0), 0, weight=np.zeros((3, 3, 2, 6), np.int16)), "int16"),
    ("stride", rewired(network(0), 0, stride=(0, 1)), "stride"),
    ("padding", rewired(network(0), 0, padding=(3, 1, 1, 1)), "padding"),
    ("shift", rewired(network(0), 0, shift=40), "shift 40, expected 0 to 15"),
    ("kind", rewired(network(0), 0, kind="sparse"), "'sparse', expected dense, conv or depthwise"),
    ("shape", changed(network(0), 0, shape=(9, 9, 6)), "synapses give"),
    ("pool shape", changed(network(0), 1, shape=(5, 4, 6)), r"expected \[4, 4, 6\]"),
    ("pool window", changed(network(0), 1, size=(10, 2)), "window inside 9 x 8"),
    ("no synapses", changed(network(0), 0, synapses=()), "0 synapses"),
    ("name twice", changed(network(0), 1, name="neurons1"), "name neurons1 of an earlier one"),
    ("name", changed(network(0), 1, name="a\nb"), "printable"),
    ("no readout", dataclasses.replace(network(0), nodes=network(0).nodes[:-1]), "no readout"),
    ("early readout", dataclasses.replace(network(0), nodes=network(0).nodes[-1:] * 2), "is a readout"),
    ("steps", dataclasses.replace(network(0), steps=300), "300 steps, expected 1 to 255"),
    ("planes", dataclasses.replace(network(0), coding="radix", steps=9), "radix has 9 steps, expected 1 to 8"),
    ("input values", dataclasses.replace(network(0), input_shape=(9, 9, 2)), "as many values in both"),
    ("huge", dataclasses.replace(network(0), input_shape=(1 << 20, 1 << 20, 1)), "at most 4194304 values"),
]


@pytest.mark.parametrize(("net", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_network_that_does_not_fit_together_is_refused(net: Network, message: str) -> None:
    with pytest.raises(NetworkError, match=message) as caught:
        check(net)

    assert str(caught.value).isprintable()


def test_sums_beyond_int32_are_refused() -> None:
    net = rewired(network(0, steps=255), 3, shift=15, weight=np.full((64, 16), 127, np.int8))

    with pytest.raises(NetworkError, match=r"can reach sums from .* expected less than 2\*\*31"):
        check(net)


def test_a_bias_that_overflows_over_the_steps_is_refused() -> None:
    net = changed(network(0), 0, bias=np.full(6, 1 << 29, np.int32))

    with pytest.raises(NetworkError, match="neurons1 can reach sums"):
        check(net)


def test_collapsing_needs_sums_and_thresholds_that_float32_holds() -> None:
    net = network(0)

    assert is_collapsible(net)
    large = changed(net, 0, bias=np.full(6, 1 << 23, np.int32))
    assert "exact in float32 only below 16777216" in str(collapse_obstacle(large))
    steep = changed(net, 0, threshold=np.full(6, 1 << 20, np.int32))
    assert "threshold * (T + 1) = 5242880" in str(collapse_obstacle(steep))
    assert "no closed form" in str(collapse_obstacle(network(0, coding="if")))
