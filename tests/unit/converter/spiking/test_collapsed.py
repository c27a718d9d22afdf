"""The collapsed graph is the same function as the network: every bit of every logit and count, however it is run."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converter.errors import ConversionError
from converter.quantize.graph import read_graph, runtimes_for
from converter.spiking.collapsed import Storage, collapsed_graph, reciprocals
from edge_models.engines.tflite import TfliteModel
from edge_models.spiking.collapsed import Collapsed
from edge_models.spiking.network import Coding, Network, Neurons, Pool
from edge_models.spiking.reference import Reference
from tests.assets.make_graphs import FOLDER, fixture_networks
from tests.assets.spiking import KINDS, Kind, frames, network

STORAGES: tuple[Storage, ...] = ("int8", "float16", "float32")


def differing(net: Network, graph: bytes, *, delegates: bool, count: int = 40) -> int:
    """How many frames the graph answers in any other bit than the reference."""
    x = frames(net, 5, count)
    logits, counts = Reference(net).run_batch(x)
    model = Collapsed(TfliteModel(graph, delegates=delegates))
    answers = [model.run(frame) for frame in x]
    return sum(
        not (np.array_equal(answer.logits, a) and np.array_equal(answer.counts, b))
        for answer, a, b in zip(answers, logits, counts, strict=True)
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("coding", "steps"), [("atf", 1), ("atf", 4), ("atf", 15), ("radix", 4)])
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("delegates", [True, False])
def test_every_kind_of_network_gives_the_same_integers(
    kind: Kind, coding: Coding, steps: int, storage: Storage, delegates: bool
) -> None:
    net = network(3, kind=kind, coding=coding, steps=steps)

    assert differing(net, collapsed_graph(net, storage=storage), delegates=delegates) == 0


@pytest.mark.parametrize("delegates", [True, False])
@pytest.mark.parametrize("steps", [4, 15])
def test_a_thousand_frames_of_a_network_of_real_size_give_the_same_integers(delegates: bool, steps: int) -> None:
    net = network(1, kind="benchmark", steps=steps, classes=10)

    assert differing(net, collapsed_graph(net), delegates=delegates, count=1000) == 0


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 10_000), st.sampled_from(KINDS), st.integers(1, 16), st.sampled_from(["uint8", "int8"]), st.data()
)
def test_no_network_is_found_that_answers_differently(
    seed: int, kind: Kind, steps: int, dtype: str, data: st.DataObject
) -> None:
    zero_point = data.draw(st.integers(0, 127))
    net = network(seed, kind=kind, steps=steps, dtype=dtype, zero_point=zero_point)  # type: ignore[arg-type]

    assert differing(net, collapsed_graph(net), delegates=data.draw(st.booleans()), count=4) == 0


@given(st.integers(1, 64), st.data())
def test_a_reciprocal_counts_thresholds_exactly(levels: int, data: st.DataObject) -> None:
    threshold = data.draw(st.integers(1, (1 << 21) // (levels + 1)))
    r = reciprocals(np.array([threshold], np.int32), levels)[0]
    near = {k * threshold + d for k in range(levels + 2) for d in (-1, 0, 1)}
    v = np.array(sorted(value for value in near if 0 <= value < (levels + 1) * threshold), np.int32)

    np.testing.assert_array_equal(np.floor(v.astype(np.float32) * r), v // threshold)


def test_a_threshold_too_large_for_float32_is_refused() -> None:
    with pytest.raises(ConversionError, match="threshold 16777215 is too large"):
        reciprocals(np.array([3, (1 << 24) - 1], np.int32), 15)


def windowed(size: tuple[int, int], stride: tuple[int, int]) -> Network:
    """The convolutional network with another window in its pool."""
    net = network(2, kind="conv")
    nodes = list(net.nodes)
    pool, conv, dense = nodes[1], nodes[2], nodes[3]
    assert isinstance(pool, Pool)
    assert isinstance(conv, Neurons)
    assert isinstance(dense, Neurons)
    height, width, channels = net.shape_of(1)
    shape = ((height - size[0]) // stride[0] + 1, (width - size[1]) // stride[1] + 1, channels)
    nodes[1] = dataclasses.replace(pool, size=size, stride=stride, shape=shape)
    rows, columns = (shape[0] + 1 - 3) // 2 + 1, shape[1] + 1 - 2 + 1
    nodes[2] = dataclasses.replace(conv, shape=(rows, columns, 8))
    weight = np.random.default_rng(0).integers(-90, 90, (rows * columns * 8, 16), dtype=np.int8)
    nodes[3] = dataclasses.replace(dense, synapses=(dataclasses.replace(dense.synapses[0], weight=weight),))
    return dataclasses.replace(net, nodes=tuple(nodes))


@pytest.mark.parametrize(("size", "stride"), [((3, 3), (3, 3)), ((3, 2), (1, 2)), ((2, 4), (2, 1)), ((1, 1), (2, 2))])
@pytest.mark.parametrize("delegates", [True, False])
def test_windows_of_any_size_and_stride_sum_exactly(
    size: tuple[int, int], stride: tuple[int, int], delegates: bool
) -> None:
    net = windowed(size, stride)

    assert differing(net, collapsed_graph(net), delegates=delegates) == 0


def test_plain_spikes_have_no_collapsed_graph() -> None:
    with pytest.raises(ConversionError, match="no collapsed graph: coding if has no closed form"):
        collapsed_graph(network(1, coding="if"))


def test_sums_that_float32_does_not_hold_are_refused_with_the_node() -> None:
    net = network(1, kind="dense")
    first = net.nodes[0]
    assert isinstance(first, Neurons)
    large = tuple(dataclasses.replace(part, shift=8) for part in first.synapses)

    with pytest.raises(ConversionError, match=r"no collapsed graph: neurons1 reaches \d+, exact in float32 only below"):
        collapsed_graph(dataclasses.replace(net, nodes=(dataclasses.replace(first, synapses=large), *net.nodes[1:])))


def test_weights_that_float16_does_not_hold_are_refused() -> None:
    net = network(1, kind="dense", steps=17)  # 127 * 17 needs 12 bits

    with pytest.raises(ConversionError, match="float16"):
        collapsed_graph(net, storage="float16")


def test_both_runtimes_load_it_and_it_is_hardly_larger_than_its_int8_weights() -> None:
    net = network(1, kind="benchmark")
    data = collapsed_graph(net)
    weights = sum(part.weight.size for node in net.nodes if not isinstance(node, Pool) for part in node.synapses)

    assert runtimes_for(read_graph(data)) == ("ai-edge-litert", "tflite-runtime")
    assert len(data) < 1.1 * weights + 8192


def test_equal_networks_give_equal_files() -> None:
    assert collapsed_graph(network(4)) == collapsed_graph(network(4))


@pytest.mark.parametrize("name", fixture_networks())
def test_the_graphs_that_devices_are_tested_with_are_what_is_made_today(name: str) -> None:
    assert collapsed_graph(fixture_networks()[name]) == (FOLDER / name).read_bytes()
