from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.progress import SilentProgress
from converter.spiking.ann_weights import int8_layers
from converter.spiking.faults import FAULTS, AnnUnderTest, Fault, Layer, damaged, strike, try_faults
from edge_models.engines.flatbuffer import check_tflite
from edge_models.spiking.network import Neurons, Pool
from edge_models.spiking.reference import Reference
from tests.assets.spiking import frames, network

RNG = np.random.default_rng(0)
INT8 = Path(__file__).parents[3] / "assets" / "digits-int8.tflite"


def layers(seed: int) -> list[Layer]:
    rng = np.random.default_rng(seed)
    shapes = [(6, 3, 3, 2), (10, 20), (4, 10)]
    return [
        Layer(weight=rng.integers(1, 100, shape).astype(np.int8), bias=rng.integers(1, 9, shape[0]).astype(np.int32))
        for shape in shapes
    ]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.005, 1))
def test_so_many_synapses_die_and_no_bias_does(seed: int, share: float) -> None:
    struck = layers(seed)

    strike(struck, "dead synapses", share, np.random.default_rng(seed))

    total = sum(layer.weight.size for layer in struck)
    assert sum(int((layer.weight == 0).sum()) for layer in struck) == max(1, round(share * total))
    assert all(layer.bias is not None and (layer.bias > 0).all() for layer in struck)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.005, 1))
def test_so_many_weights_differ_in_exactly_one_bit(seed: int, share: float) -> None:
    before, struck = layers(seed), layers(seed)

    strike(struck, "bit flips", share, np.random.default_rng(seed))

    pairs = zip(before, struck, strict=True)
    flipped = np.concatenate([(a.weight ^ b.weight).view(np.uint8).reshape(-1) for a, b in pairs])
    assert int((flipped != 0).sum()) == max(1, round(share * flipped.size))
    assert set(np.unique(flipped).tolist()) <= {0, *(1 << bit for bit in range(8))}


@pytest.mark.parametrize("fault", FAULTS)
def test_more_faults_contain_the_fewer_ones(fault: Fault) -> None:
    whole, few, many = layers(5), layers(5), layers(5)

    strike(few, fault, 0.1, np.random.default_rng(2))
    strike(many, fault, 0.3, np.random.default_rng(2))

    for one, some, more in zip(whole, few, many, strict=True):
        struck = some.weight != one.weight
        assert (more.weight[struck] == some.weight[struck]).all()
        assert (more.weight != one.weight).sum() >= struck.sum()


def test_dead_neurons_lose_weights_and_bias_and_the_readout_loses_none() -> None:
    struck = layers(3)

    strike(struck, "dead neurons", 0.25, np.random.default_rng(3))

    dead = [(layer.weight.reshape(len(layer.weight), -1) == 0).all(axis=1) for layer in struck]
    assert sum(int(one.sum()) for one in dead[:2]) == 4  # of 16
    assert not dead[2].any()
    assert all((layer.bias[one] == 0).all() for layer, one in zip(struck, dead, strict=True) if layer.bias is not None)


def test_a_dead_neuron_of_a_spiking_network_never_fires() -> None:
    net = network(4, kind="dense")

    broken = damaged(net, "dead neurons", 1.0, np.random.default_rng(0))

    assert (Reference(broken).run_batch(frames(net, 1, 5))[1] == 0).all()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wire_around_layers_has_no_weights_that_break(fault: Fault) -> None:
    net = network(5, kind="residual")

    broken = damaged(net, fault, 1.0, np.random.default_rng(1))

    wired, struck = net.nodes[2], broken.nodes[2]
    assert isinstance(wired, Neurons)
    assert isinstance(struck, Neurons)
    assert [one.kind for one in wired.synapses] == ["conv", "depthwise"]
    np.testing.assert_array_equal(struck.synapses[1].weight, wired.synapses[1].weight)
    assert (struck.synapses[0].weight != wired.synapses[0].weight).any()


def test_the_bias_of_an_addition_dies_with_its_first_layer_not_with_the_wire() -> None:
    net = network(5, kind="residual")
    added = net.nodes[2]
    assert isinstance(added, Neurons)
    turned = replace(added, synapses=added.synapses[::-1], bias=np.full_like(added.bias, 7))

    broken = damaged(replace(net, nodes=(*net.nodes[:2], turned, *net.nodes[3:])), "dead neurons", 0.5, RNG)

    struck = broken.nodes[2]
    assert isinstance(struck, Neurons)
    dead = np.abs(struck.synapses[1].weight).max(axis=(0, 1, 2)) == 0
    assert 0 < dead.sum() < dead.size
    np.testing.assert_array_equal(struck.bias, np.where(dead, 0, 7))


@pytest.mark.parametrize("fault", FAULTS)
def test_the_network_itself_stays_whole(fault: Fault) -> None:
    net, same = network(5, kind="residual"), network(5, kind="residual")

    damaged(net, fault, 0.5, np.random.default_rng(1))

    for node, other in zip(net.nodes, same.nodes, strict=True):
        if isinstance(node, Pool) or isinstance(other, Pool):
            continue
        assert (node.bias == other.bias).all()
        for one, two in zip(node.synapses, other.synapses, strict=True):
            assert (one.weight == two.weight).all()


def test_weights_of_a_tflite_file_are_found_and_written_where_they_lie() -> None:
    original = INT8.read_bytes()
    copy = bytearray(original)

    found = int8_layers(copy)
    found[0].weight[0] = 0

    assert len(found) >= 2
    assert all(layer.weight.dtype == np.int8 for layer in found)
    assert all(layer.bias is not None and len(layer.bias) == len(layer.weight) for layer in found)
    check_tflite(bytes(copy))
    differing = sum(a != b for a, b in zip(copy, original, strict=True))
    assert 0 < differing <= found[0].weight[0].size


def test_a_file_in_floating_point_has_no_int8_layers() -> None:
    assert int8_layers(bytearray((INT8.parent / "digits-float.tflite").read_bytes())) == []


def test_both_networks_are_asked_for_every_kind_and_share() -> None:
    net = network(6, kind="dense")
    ann = AnnUnderTest(file=INT8.read_bytes(), layers=int8_layers, accuracy=lambda data: data.count(0) / len(data))

    found = try_faults(
        net,
        lambda one: float(
            np.mean([(node.synapses[0].weight != 0).mean() for node in one.nodes if isinstance(node, Neurons)])
        ),
        ann,
        examples=7,
        seeds=2,
        seed=1,
        progress=SilentProgress(),
    )

    assert [(one.fault, one.share) for one in found.faults] == [(f, s) for f in FAULTS for s in (0.01, 0.05, 0.1)]
    dead = [one for one in found.faults if one.fault == "dead synapses"]
    assert found.spiking > dead[0].spiking > dead[1].spiking > dead[2].spiking
    assert found.int8 is not None
    assert all(one.int8 is not None and one.int8 > found.int8 for one in dead)  # more bytes of 0
    assert found == try_faults(
        net,
        lambda one: float(
            np.mean([(node.synapses[0].weight != 0).mean() for node in one.nodes if isinstance(node, Neurons)])
        ),
        ann,
        examples=7,
        seeds=2,
        seed=1,
        progress=SilentProgress(),
    )
