"""Networks from a stranger, small on disk: none may cost a device its memory, minutes or exactness."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest

from edge_models.errors import NetworkError
from edge_models.spiking.network import Network, Neurons, Node, Pool, Readout, Shape, SynapseKind, Synapses
from edge_models.spiking.ranges import check
from edge_models.spiking.shapes import MAX_TOTAL_VALUES, output_shape
from edge_models.tensors import QuantParams, TensorSpec


def hostile(shape: Shape, *nodes: Node, weight: np.ndarray | None = None, shift: int = 0, steps: int = 1) -> Network:
    """These nodes behind an input of ``shape``, with a readout of the last of them."""
    source = len(nodes)
    if weight is None:
        weight = np.zeros((math.prod(nodes[-1].shape), 1), np.int8)
    readout = Readout(
        name="readout",
        shape=(1, 1, weight.shape[1]),
        synapses=(Synapses(source=source, kind="dense", weight=weight, shift=shift),),
        bias=np.zeros(weight.shape[1], np.int32),
        scale=1.0,
    )
    spec = TensorSpec(shape=shape, dtype="uint8", quant=QuantParams(scale=1.0, zero_point=0))
    return Network(coding="atf", steps=steps, input=spec, input_shape=shape, nodes=(*nodes, readout))


def population(
    name: str,
    reads: Shape,
    weight_shape: tuple[int, ...],
    *,
    kind: SynapseKind = "conv",
    source: int = 0,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> Neurons:
    """Neurons of one synapse, all weights, thresholds 1."""
    weight = np.ones(weight_shape, np.int8)
    synapses = Synapses(source=source, kind=kind, weight=weight, stride=stride, padding=padding)
    shape = output_shape(synapses, reads)
    ones = np.ones(shape[2], np.int32)
    return Neurons(name=name, shape=shape, synapses=(synapses,), bias=0 * ones, threshold=ones)


def pools(rows: int, sizes: tuple[int, ...]) -> tuple[Node, ...]:
    """Neurons of 4 channels on ``rows`` places, and a chain of overlapping pools that multiply their counts."""
    nodes: list[Node] = [population("neurons", (rows, 1, 1), (1, 1, 1, 4))]
    for index, size in enumerate(sizes, start=1):
        rows -= size - 1
        nodes.append(Pool(name=f"pool{index}", shape=(rows, 1, 4), source=index, size=(size, 1), stride=(1, 1)))
    return tuple(nodes)


def wrapping() -> Network:
    """A sum of 2 ** 19 * 2 ** 30 * 2 ** 15 = 2 ** 64, which is 0 in 64 bits."""
    nodes = pools(4096, (1024, 512, 256, 8))
    weight = np.zeros((math.prod(nodes[-1].shape), 1), np.int8)
    weight[:4128], weight[4128] = 127, 32
    return hostile((4096, 1, 1), *nodes, weight=weight, shift=15)


def deep() -> Network:
    """Pools of pools whose sums do not even fit 64 bits."""
    nodes = pools(4096, (1024, 512, 512, 512, 512, 256, 128, 64, 64))
    return hostile((4096, 1, 1), *nodes)


def surrounded() -> Network:
    """One place of a window that is nearly all padding: 2 ** 28 zeros around one value."""
    side = 1 << 13
    padding = (side - 1,) * 4
    return hostile(
        (1, 1, 1), population("neurons", (1, 1, 1), (side, side, 1, 1), stride=(2 * side,) * 2, padding=padding)
    )


def long() -> Network:
    """The same for a wide source: 32 TiB of zeros, from 1 MB of weights that compress to nothing."""
    rows, width = 1 << 20, 1 << 16
    neurons = population(
        "neurons",
        (1, width, 1),
        (rows, 1, 1),
        kind="depthwise",
        stride=(1 << 22, 1 << 22),
        padding=(rows - 1, rows - 1, 0, 0),
    )
    return hostile((1, width, 1), neurons)


def thin() -> Network:
    """Weights to one channel, each of which a vector rounds up to 16."""
    side = 1 << 12
    neurons = population("neurons", (1, 1, 1), (side, side >> 1, 1, 1), padding=(side - 1, 0, (side >> 1) - 1, 0))
    return hostile((1, 1, 1), neurons)


def many() -> Network:
    """A thousand nodes, each of them allowed."""
    shape: Shape = (1024, 1024, 1)
    nodes = [population(f"n{i}", shape, (1, 1, 1), kind="depthwise", source=i) for i in range(999)]
    return hostile(shape, *nodes)


def slow() -> Network:
    """Layers that are each allowed to take a minute."""
    shape: Shape = (32, 32, 512)
    nodes = [population("first", (32, 32, 1), (1, 1, 1, 512))]
    nodes += [population(f"n{i}", shape, (3, 3, 512, 512), source=i, padding=(1,) * 4) for i in range(1, 5)]
    return hostile((32, 32, 1), *nodes)


def stepwise() -> Network:
    """One such layer for each of 255 steps."""
    return dataclasses.replace(hostile((32, 32, 1), *slow().nodes[:2]), steps=255, coding="if")


def striding() -> Network:
    return hostile((2, 2, 1), population("neurons", (2, 2, 1), (1, 1, 1, 1), stride=(1 << 23, 1 << 23)))


def leaping() -> Network:
    """A pool whose stride is far beyond what it reads."""
    first = population("neurons", (2, 2, 1), (1, 1, 1, 1))
    return hostile((2, 2, 1), first, Pool(name="pool", shape=(1, 1, 1), source=1, size=(1, 2), stride=(1 << 23, 1)))


def vanishing() -> Network:
    """A readout whose scale is above 0 until it is divided by the levels."""
    network = hostile((2, 2, 1), population("neurons", (2, 2, 1), (1, 1, 1, 1)), steps=4)
    return dataclasses.replace(
        network, nodes=(network.nodes[0], dataclasses.replace(network.readout, scale=math.ulp(0.0)))
    )


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (wrapping, f"readout can reach {1 << 64}, expected less than 2\\*\\*31"),
        (deep, r"pool\d can reach sums"),
        (surrounded, "neurons reads 268402689 values with its padding"),
        (long, "neurons reads 137438887936 values with its padding"),
        (thin, "weights of all nodes"),
        (many, f"of all nodes together, expected at most {MAX_TOTAL_VALUES}"),
        (slow, "products"),
        (stepwise, "products"),
        (striding, r"stride \[8388608, 8388608\]"),
        (leaping, r"stride \[8388608, 1\]"),
        (vanishing, "scale 5e-324"),
    ],
)
def test_a_hostile_network_is_refused(network: Callable[[], Network], message: str) -> None:
    with pytest.raises(NetworkError, match=message) as caught:
        check(network())

    assert str(caught.value).isprintable()
