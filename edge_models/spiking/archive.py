"""A spiking network as ``model.spiking.npz``: three arrays, nothing that is not needed, nothing that is trusted.

    header    uint8, one JSON document: everything but the numbers (``Header`` below)
    weight    int8, the weights of all synapses in the order of the header, each in C order, one after the other
    constant  int32, of each population its biases and then its thresholds, of the readout its biases

Few members keep a small network small: an array of its own costs 300 bytes. Fields of the header that a reader does
not know are ignored; a change that old readers would get wrong raises ``FORMAT``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from edge_models.errors import FieldError, NetworkError
from edge_models.fields import canonical_json, decode_json, described
from edge_models.npz import read_npz, write_npz
from edge_models.spiking.network import Network, Neurons, Node, Pool, Readout, Synapses
from edge_models.spiking.ranges import check
from edge_models.spiking.shapes import MAX_NAME, MAX_NODES
from edge_models.tensors import TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1
MAX_BYTES = 64 << 20  # of all arrays together, before anything is allocated
_MAX_HEADER_BYTES = 1 << 20  # a node needs 200
_MAX_AXIS = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapsesHeader:
    """One linear map; its weights are the next ``prod(shape)`` values of ``weight``."""

    source: int = described("Index of the node that it reads; 0 is the input.", ge=0, le=MAX_NODES)
    kind: Literal["dense", "conv", "depthwise"] = described("What the axes of the weights are.")
    shape: tuple[int, ...] = described("Of the weights.", ge=1, le=_MAX_AXIS, max_length=4)
    stride: tuple[int, int] = described("Rows, columns.", default=(1, 1), ge=1, le=_MAX_AXIS)
    padding: tuple[int, int, int, int] = described(
        "Zeros: top, bottom, left, right.", default=(0, 0, 0, 0), ge=0, le=_MAX_AXIS
    )
    shift: int = described("What passes is multiplied by 2 to this power.", default=0, ge=0, le=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuronsHeader:
    """A population; its biases and thresholds are the next 2 * channels values of ``constant``."""

    node: Literal["neurons"] = described("Tells the kinds of nodes apart.")
    name: str = described("For people.", max_length=MAX_NAME)
    shape: tuple[int, int, int] = described("Height, width, channels.", ge=1, le=_MAX_AXIS)
    synapses: tuple[SynapsesHeader, ...] = described("What it reads.", max_length=16)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolHeader:
    """Sums of windows."""

    node: Literal["pool"] = described("Tells the kinds of nodes apart.")
    name: str = described("For people.", max_length=MAX_NAME)
    shape: tuple[int, int, int] = described("Height, width, channels.", ge=1, le=_MAX_AXIS)
    source: int = described("Index of the node that it reads.", ge=0, le=MAX_NODES)
    size: tuple[int, int] = described("Rows, columns of a window.", ge=1, le=_MAX_AXIS)
    stride: tuple[int, int] = described("Rows, columns between windows.", ge=1, le=_MAX_AXIS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadoutHeader:
    """The last node; its biases are the last values of ``constant``."""

    node: Literal["readout"] = described("Tells the kinds of nodes apart.")
    name: str = described("For people.", max_length=MAX_NAME)
    shape: tuple[int, int, int] = described("1, 1, classes.", ge=1, le=_MAX_AXIS)
    synapses: tuple[SynapsesHeader, ...] = described("Exactly one, dense.", max_length=16)
    scale: float = described("A logit is scale / levels times what the readout holds.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Everything of a network but its numbers."""

    format: int = described("Version of this document.", ge=1)
    coding: Literal["atf", "radix", "if"] = described("How it is executed.")
    steps: int = described("Time steps, for radix bit planes.", ge=1, le=255)
    input: TensorSpec = described("The codes that it is given.")
    input_shape: tuple[int, int, int] = described("Height, width, channels of the same.", ge=1, le=_MAX_AXIS)
    nodes: tuple[NeuronsHeader | PoolHeader | ReadoutHeader, ...] = described("In order.", max_length=MAX_NODES)


def to_npz(network: Network) -> bytes:
    """The bytes of ``model.spiking.npz``; equal networks give equal bytes.

    Raises:
        NetworkError: The network cannot be executed exactly, so no device would load it.
    """
    check(network)
    header = Header(
        format=FORMAT,
        coding=network.coding,
        steps=network.steps,
        input=network.input,
        input_shape=network.input_shape,
        nodes=tuple(_node_header(node) for node in network.nodes),
    )
    weights: list[NDArray[np.int8]] = []
    constants: list[NDArray[np.int32]] = []
    for node in network.nodes:
        if not isinstance(node, Pool):
            weights.extend(synapses.weight.ravel() for synapses in node.synapses)
            constants.append(node.bias)
        if isinstance(node, Neurons):
            constants.append(node.threshold)
    text = np.frombuffer(canonical_json(header), np.uint8)
    return write_npz({"header": text, "weight": np.concatenate(weights), "constant": np.concatenate(constants)})


def from_npz(data: bytes, *, max_bytes: int = MAX_BYTES) -> Network:
    """The network in the bytes of ``model.spiking.npz``, checked: an executor can run it as it is.

    Args:
        data: The file.
        max_bytes: Bound on all arrays together.

    Raises:
        ArchiveError: Not an .npz of these three arrays, or too large.
        NetworkError: The header, the shapes or the ranges of the integers are wrong.
    """
    arrays = read_npz(data, max_bytes=max_bytes, names=("header", "weight", "constant"))
    for name, dtype in (("header", np.uint8), ("weight", np.int8), ("constant", np.int32)):
        if arrays[name].dtype != dtype or arrays[name].ndim != 1:
            found = f"{arrays[name].dtype}{list(arrays[name].shape)}"
            raise NetworkError(f"array {name} is {found}, expected one axis of {np.dtype(dtype)}")
    header = _header(arrays["header"].tobytes())
    weights, constants = _Values("weight", arrays["weight"]), _Values("constant", arrays["constant"])
    nodes = tuple(_node(node, weights, constants) for node in header.nodes)
    weights.check_used()
    constants.check_used()
    network = Network(
        coding=header.coding, steps=header.steps, input=header.input, input_shape=header.input_shape, nodes=nodes
    )
    check(network)
    return network


class _Values:
    """Hands out the values of one array, one piece after the other."""

    def __init__(self, name: str, values: NDArray[Any]) -> None:
        self._name = name
        self._values = values
        self._used = 0

    def take(self, shape: tuple[int, ...], node: str) -> NDArray[Any]:
        start, self._used = self._used, self._used + math.prod(shape)
        if self._used > self._values.size:
            raise NetworkError(
                f"array {self._name} has {self._values.size} values, expected {self._used} or more for node {node!r}"
            )
        return self._values[start : self._used].reshape(shape)

    def check_used(self) -> None:
        if self._used != self._values.size:
            raise NetworkError(f"array {self._name} has {self._values.size} values, the header says {self._used}")


def _header(data: bytes) -> Header:
    try:
        header = decode_json(Header, data, max_bytes=_MAX_HEADER_BYTES)
    except FieldError as exc:
        raise NetworkError(f"spiking header: {exc}") from exc
    if header.format != FORMAT:
        raise NetworkError(f"spiking header has format {header.format}, expected {FORMAT}: update this program")
    return header


def _node_header(node: Node) -> NeuronsHeader | PoolHeader | ReadoutHeader:
    if isinstance(node, Pool):
        source, size, stride = node.source, node.size, node.stride
        return PoolHeader(node="pool", name=node.name, shape=node.shape, source=source, size=size, stride=stride)
    synapses = tuple(
        SynapsesHeader(
            source=part.source,
            kind=part.kind,
            shape=part.weight.shape,
            stride=part.stride,
            padding=part.padding,
            shift=part.shift,
        )
        for part in node.synapses
    )
    if isinstance(node, Neurons):
        return NeuronsHeader(node="neurons", name=node.name, shape=node.shape, synapses=synapses)
    return ReadoutHeader(node="readout", name=node.name, shape=node.shape, synapses=synapses, scale=node.scale)


def _node(header: NeuronsHeader | PoolHeader | ReadoutHeader, weights: _Values, constants: _Values) -> Node:
    name, shape = header.name, header.shape
    if isinstance(header, PoolHeader):
        return Pool(name=name, shape=shape, source=header.source, size=header.size, stride=header.stride)
    synapses = tuple(
        Synapses(
            source=part.source,
            kind=part.kind,
            weight=weights.take(part.shape, name),
            stride=part.stride,
            padding=part.padding,
            shift=part.shift,
        )
        for part in header.synapses
    )
    bias = constants.take((shape[2],), name)
    if isinstance(header, NeuronsHeader):
        threshold = constants.take((shape[2],), name)
        return Neurons(name=name, shape=shape, synapses=synapses, bias=bias, threshold=threshold)
    return Readout(name=name, shape=shape, synapses=synapses, bias=bias, scale=header.scale)
