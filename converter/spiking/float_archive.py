"""A float network as the bytes of an .npz, for the way between the program and its TensorFlow process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from converter.spiking.float_network import (
    FloatNetwork,
    FloatNeurons,
    FloatNode,
    FloatPool,
    FloatReadout,
    FloatSynapses,
)
from edge_models.fields import canonical_json, decode_json, described
from edge_models.npz import read_npz, write_npz
from edge_models.spiking.network import Shape, SynapseKind

_HEADER = "header"
_MAX_HEADER_BYTES = 1 << 20
_MAX_BYTES = 4 << 30
_Arrays = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Synapses:
    """All but the weights."""

    source: int = described("Index of the node that it reads.", ge=0)
    kind: SynapseKind = described("Of the map.")
    stride: tuple[int, int] = described("Rows, columns.")
    padding: tuple[int, int, int, int] = described("Zeros at top, bottom, left, right.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Node:
    """All but the arrays."""

    kind: Literal["neurons", "pool", "readout"] = described("Of the node.")
    name: str = described("For people.")
    shape: Shape = described("Height, width, channels.")
    synapses: tuple[_Synapses, ...] = described("None for a pool.", default=())
    limit: float | None = described("Of ReLU6; null for none.", default=None)
    source: int = described("pool: the node that it reads.", default=0)
    size: tuple[int, int] = described("pool: of a window.", default=(1, 1))
    stride: tuple[int, int] = described("pool: between windows.", default=(1, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Header:
    """The graph."""

    input_shape: Shape = described("Height, width, channels.")
    nodes: tuple[_Node, ...] = described("In order.")


def to_npz(network: FloatNetwork) -> bytes:
    """The bytes of an .npz with the graph as JSON and every array."""
    nodes, arrays = [], {}
    for number, node in enumerate(network.nodes):
        if isinstance(node, FloatPool):
            nodes.append(
                _Node(
                    kind="pool",
                    name=node.name,
                    shape=node.shape,
                    source=node.source,
                    size=node.size,
                    stride=node.stride,
                )
            )
            continue
        is_firing = isinstance(node, FloatNeurons)
        heads = tuple(
            _Synapses(source=one.source, kind=one.kind, stride=one.stride, padding=one.padding) for one in node.synapses
        )
        limit = node.limit if isinstance(node, FloatNeurons) else None
        kind: Literal["neurons", "readout"] = "neurons" if is_firing else "readout"
        nodes.append(_Node(kind=kind, name=node.name, shape=node.shape, synapses=heads, limit=limit))
        arrays[f"{number}.bias"] = node.bias
        arrays |= {f"{number}.weight.{index}": one.weight for index, one in enumerate(node.synapses)}
        if isinstance(node, FloatNeurons) and node.ceiling is not None:
            arrays[f"{number}.ceiling"] = node.ceiling
    header = canonical_json(_Header(input_shape=network.input_shape, nodes=tuple(nodes)))
    return write_npz({**arrays, _HEADER: np.frombuffer(header, np.uint8)})


def from_npz(data: bytes) -> FloatNetwork:
    """The network again."""
    arrays = read_npz(data, max_bytes=_MAX_BYTES)
    header = decode_json(_Header, arrays.pop(_HEADER).tobytes(), max_bytes=_MAX_HEADER_BYTES)
    nodes = tuple(_node(number, node, arrays) for number, node in enumerate(header.nodes))
    return FloatNetwork(input_shape=header.input_shape, nodes=nodes)


def _node(number: int, node: _Node, arrays: _Arrays) -> FloatNode:
    if node.kind == "pool":
        return FloatPool(name=node.name, shape=node.shape, source=node.source, size=node.size, stride=node.stride)
    synapses = tuple(
        FloatSynapses(
            source=one.source,
            kind=one.kind,
            weight=arrays[f"{number}.weight.{index}"],
            stride=one.stride,
            padding=one.padding,
        )
        for index, one in enumerate(node.synapses)
    )
    bias = arrays[f"{number}.bias"]
    if node.kind == "readout":
        return FloatReadout(name=node.name, shape=node.shape, synapses=synapses, bias=bias)
    ceiling = arrays.get(f"{number}.ceiling")
    return FloatNeurons(
        name=node.name, shape=node.shape, synapses=synapses, bias=bias, ceiling=ceiling, limit=node.limit
    )
