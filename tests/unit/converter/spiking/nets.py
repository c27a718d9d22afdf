"""Small real-valued networks, random from a seed, with ceilings near what their activations reach."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from converter.spiking import forward
from converter.spiking.float_network import (
    FloatNetwork,
    FloatNeurons,
    FloatNode,
    FloatPool,
    FloatReadout,
    FloatSynapses,
)
from edge_models.spiking.network import Shape, SynapseKind

KINDS = ("dense", "conv", "depthwise", "residual")


def float_network(seed: int, kind: str = "conv", *, identity: float = 1.0) -> FloatNetwork:
    """A network on 8 x 8 x 2 inputs between 0 and 1, with ceilings of its own activations' maximum."""
    rng = np.random.default_rng(seed)
    shape, same = (8, 8, 2), (1, 1, 1, 1)
    nodes: list[FloatNode] = []
    if kind != "dense":
        conv = _synapses(rng, 0, "conv", (3, 3, 2, 6), padding=same)
        nodes.append(_neurons(rng, "first", (8, 8, 6), conv))
        nodes.append(FloatPool(name="pool", shape=(4, 4, 6), source=1, size=(2, 2), stride=(2, 2)))
        shape = (4, 4, 6)
    if kind == "depthwise":
        conv = _synapses(rng, 2, "depthwise", (3, 3, 6), padding=same)
        nodes.append(_neurons(rng, "depthwise", shape, conv))
    if kind == "residual":
        conv = _synapses(rng, 2, "conv", (3, 3, 6, 6), padding=same)
        straight = FloatSynapses(source=2, kind="depthwise", weight=np.full((1, 1, 6), identity, np.float32))
        nodes.append(_neurons(rng, "addition", shape, conv, straight))
    dense = _synapses(rng, len(nodes), "dense", (math.prod(shape), 16))
    nodes.append(_neurons(rng, "hidden", (1, 1, 16), dense))
    last = _synapses(rng, len(nodes), "dense", (16, 5))
    nodes.append(FloatReadout(name="readout", shape=(1, 1, 5), synapses=(last,), bias=_bias(rng, 5)))
    return with_ceilings(FloatNetwork(input_shape=(8, 8, 2), nodes=tuple(nodes)), images(seed, 32))


def ceiling(node: FloatNode) -> NDArray[np.float32]:
    """Of a population that has one."""
    assert isinstance(node, FloatNeurons)
    assert node.ceiling is not None
    return node.ceiling


def images(seed: int, count: int) -> NDArray[np.float32]:
    """Pixels on the grid of 1/255, (count, 8, 8, 2)."""
    return (np.random.default_rng(seed + 1000).integers(0, 256, (count, 8, 8, 2)) / 255).astype(np.float32)


def with_ceilings(network: FloatNetwork, inputs: NDArray[np.float32]) -> FloatNetwork:
    """The same network, each channel's ceiling its largest activation on these inputs."""
    (values,) = forward.batches(network, inputs, size=len(inputs))
    nodes = [
        replace(node, ceiling=np.maximum(value.max(axis=(0, 1, 2)), 0.05)) if isinstance(node, FloatNeurons) else node
        for node, value in zip(network.nodes, values[1:], strict=True)
    ]
    return replace(network, nodes=tuple(nodes))


def _synapses(
    rng: np.random.Generator,
    source: int,
    kind: SynapseKind,
    shape: tuple[int, ...],
    *,
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> FloatSynapses:
    fan_in = math.prod(shape) if kind == "depthwise" else math.prod(shape[:-1])
    weight = rng.normal(0, 1.5 / math.sqrt(fan_in), shape).astype(np.float32)
    return FloatSynapses(source=source, kind=kind, weight=weight, padding=padding)


def _neurons(rng: np.random.Generator, name: str, shape: Shape, *synapses: FloatSynapses) -> FloatNeurons:
    return FloatNeurons(name=name, shape=shape, synapses=synapses, bias=_bias(rng, shape[2]), ceiling=None)


def _bias(rng: np.random.Generator, channels: int) -> NDArray[np.float32]:
    return rng.normal(0.05, 0.1, channels).astype(np.float32)
