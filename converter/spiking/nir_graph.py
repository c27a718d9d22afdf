"""A spiking network as a NIR graph, in the dialect of the tool that is to read it.

NIR (Pedersen et al., Nature Communications 15, 8122, 2024) describes integrate-and-fire neurons in continuous time.
What it cannot say is decided by each tool that reads it: whether a spike subtracts the threshold or sets the membrane
to zero, where the membrane starts, how much current a step brings. So a file has a dialect:

``sinabs-soft``
    Reset by subtraction, as our networks have it. Weights, bias and thresholds are the integers themselves, so the
    imported network gives our integers once its neurons start at ``v_initial`` (metadata of each ``IF``), send at most
    one spike in a step and have no lower bound.
``spikingjelly-hard``
    Reset to zero, another function: it is for networks that go on learning there. Weights and bias of each channel are
    divided by its threshold less a half, so that the threshold is 1 everywhere and no rounding decides a spike;
    ``r`` is 1 / dt for steps of 0.1 ms.

In both, each step is given the same centred codes (code - zero point) as (channels, height, width), and a logit is
scale / steps times the sum of the outputs of all steps.
"""

from __future__ import annotations

import io
import math
from typing import Literal, get_args

import nir
import numpy as np
from numpy.typing import NDArray

from converter.errors import ModelError
from edge_models.spiking.network import Network, Neurons, Pool, Readout, Shape, Synapses

Dialect = Literal["sinabs-soft", "spikingjelly-hard"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
STEP_S = 1e-4
"""SpikingJelly's default length of a step in seconds."""

Weights = NDArray[np.float32]


def nir_file(graph: nir.NIRGraph) -> bytes:
    """``graph`` as a file (HDF5) that nir 1.0.4 and newer read."""
    stream = io.BytesIO()
    nir.write(stream, graph)
    return stream.getvalue()


def nir_graph(network: Network, dialect: Dialect) -> nir.NIRGraph:
    """The graph of ``network``: input, for each node its linear maps and neurons or its pool, output.

    Raises:
        ModelError: NIR or the dialect cannot say what the network does.
    """
    if network.coding != "if":
        raise ModelError(
            f"coding: found {network.coding}, expected if: NIR's neurons fire step by step, so this network would "
            "become another one; build the bundle with spiking.coding=if"
        )
    return _Exporter(network, dialect).graph()


class _Exporter:
    """Collects NIR nodes and edges."""

    def __init__(self, network: Network, dialect: Dialect) -> None:
        self._network = network
        self._dialect = dialect
        self._nodes: dict[str, nir.NIRNode] = {}
        self._edges: list[tuple[str, str]] = []
        self._names: list[str] = []  # of what each node of the network gives
        self._flat = [_is_flat(network)]  # whether that is a vector

    def graph(self) -> nir.NIRGraph:
        shape = self._network.input_shape
        self._nodes["input"] = nir.Input(input_type={"input": _shape_of(shape, is_flat=self._flat[0])})
        self._names.append("input")
        for index, node in enumerate(self._network.nodes, start=1):
            if isinstance(node, Pool):
                self._pool(index, node)
            else:
                self._population(index, node)
        classes = self._network.readout.shape[2]
        self._nodes["output"] = nir.Output(output_type={"output": np.array([classes])})
        self._edges.append((self._names[-1], "output"))
        return nir.NIRGraph(nodes=self._nodes, edges=self._edges, metadata=self._about())

    def _about(self) -> dict[str, str | float | int]:
        """What stands in no node."""
        quant = self._network.input.quant
        return {
            "dialect": self._dialect,
            "steps": self._network.steps,
            "logit_scale": self._network.readout.scale / self._network.levels,
            "input_scale": 1.0 if quant is None else quant.scale,
            "input_zero_point": 0 if quant is None else quant.zero_point,
        }

    def _pool(self, index: int, node: Pool) -> None:
        if self._flat[node.source]:
            raise ModelError(f"{node.name}: found a pool of a vector, expected one of (height, width, channels)")
        name = f"pool_{index}"
        self._nodes[name] = nir.SumPool2d(
            kernel_size=np.array(node.size), stride=np.array(node.stride), padding=np.array((0, 0))
        )
        self._edges.append((self._names[node.source], name))
        self._names.append(name)
        self._flat.append(False)

    def _population(self, index: int, node: Neurons | Readout) -> None:
        if len(node.synapses) > 1 and self._dialect == "sinabs-soft":
            raise ModelError(
                f"{node.name}: found an addition of {len(node.synapses)} branches, expected a chain: nirtorch 2.0, by "
                "which sinabs reads, runs a branch after what it leads to; export another network or dialect"
            )
        divisor = self._divisor(node)
        names = []
        for branch, synapses in enumerate(node.synapses):
            bias = node.bias / divisor if branch == 0 else np.zeros(len(node.bias))
            names.append(self._linear(f"{index}_{branch}", synapses, divisor, bias.astype(np.float32)))
        is_flat = node.synapses[0].kind == "dense"
        self._flat.append(is_flat)
        if isinstance(node, Readout):
            self._names.append(names[0])
            return
        name = f"if_{index}"
        self._nodes[name] = self._neurons(node, is_flat=is_flat)
        self._edges += [(linear, name) for linear in names]
        self._names.append(name)

    def _divisor(self, node: Neurons | Readout) -> NDArray[np.float64]:
        """What weights and bias of each channel are divided by."""
        if isinstance(node, Readout) or self._dialect == "sinabs-soft":
            return np.ones(len(node.bias))
        return node.threshold.astype(np.float64) - 0.5

    def _neurons(self, node: Neurons, *, is_flat: bool) -> nir.IF:
        shape = _shape_of(node.shape, is_flat=is_flat)

        def everywhere(channels: NDArray[np.float64]) -> Weights:
            values = channels if is_flat else channels[:, np.newaxis, np.newaxis]
            return np.broadcast_to(values, shape).astype(np.float32)

        if self._dialect == "spikingjelly-hard":
            ones = np.ones(shape, np.float32)
            return nir.IF(r=ones / np.float32(STEP_S), v_threshold=ones)
        # Half a unit more: whole numbers plus a half never equal a threshold, so v > v_threshold and v >= v_threshold,
        # which tools differ in, are the same.
        start = {"v_initial": everywhere((node.threshold // 2).astype(np.float64) + 0.5)}
        threshold = everywhere(node.threshold.astype(np.float64))
        return nir.IF(r=np.ones(shape, np.float32), v_threshold=threshold, metadata=start)

    def _linear(self, name: str, synapses: Synapses, divisor: NDArray[np.float64], bias: Weights) -> str:
        source, name_before = self._network.shape_of(synapses.source), self._names[synapses.source]
        weight = synapses.weight.astype(np.float64) * 2.0**synapses.shift / divisor
        is_flat = self._flat[synapses.source]
        if synapses.kind == "dense":
            if not is_flat:
                name_before = self._flatten(name, source, name_before)
            name = f"affine_{name}"
            matrix = weight.T if is_flat else _channels_first(weight, source)
            self._nodes[name] = nir.Affine(weight=matrix.astype(np.float32), bias=bias)
        else:
            if is_flat:
                raise ModelError(f"conv_{name}: found a convolution of a vector, expected (height, width, channels)")
            name = f"conv_{name}"
            self._nodes[name] = self._convolution(synapses, weight, source, bias)
        self._edges.append((name_before, name))
        return name

    def _flatten(self, name: str, source: Shape, before: str) -> str:
        shape = {"input": _shape_of(source, is_flat=False)}
        self._nodes[f"flatten_{name}"] = nir.Flatten(input_type=shape, start_dim=0, end_dim=-1)
        self._edges.append((before, f"flatten_{name}"))
        return f"flatten_{name}"

    def _convolution(self, synapses: Synapses, weight: NDArray[np.float64], source: Shape, bias: Weights) -> nir.Conv2d:
        if synapses.kind == "depthwise":  # neither tool reads convolutions in groups
            weight = weight[:, :, np.newaxis, :] * np.eye(source[2])
        weight, padding = _padded_alike(weight, synapses.padding)
        if self._dialect == "spikingjelly-hard":
            weight, padding = _squared(weight, padding)
        return nir.Conv2d(
            input_shape=source[:2],
            weight=np.ascontiguousarray(weight.transpose(3, 2, 0, 1), np.float32),
            stride=synapses.stride,
            padding=padding,
            dilation=(1, 1),
            groups=1,
            bias=bias,
        )


def _is_flat(network: Network) -> bool:
    """Whether the input is a vector: only dense synapses read it."""
    readers = [
        synapses.kind
        for node in network.nodes
        if not isinstance(node, Pool)
        for synapses in node.synapses
        if synapses.source == 0
    ]
    return network.input_shape[:2] == (1, 1) and set(readers) == {"dense"}


def _shape_of(shape: Shape, *, is_flat: bool) -> NDArray[np.int64]:
    height, width, channels = shape
    return np.array([math.prod(shape)] if is_flat else [channels, height, width])


def _channels_first(weight: NDArray[np.float64], source: Shape) -> NDArray[np.float64]:
    """A dense weight (height * width * channels, units) for a source that is flattened as (channels, height, width)."""
    return weight.reshape(*source, -1).transpose(3, 2, 0, 1).reshape(weight.shape[1], -1)


def _padded_alike(
    weight: NDArray[np.float64], padding: tuple[int, int, int, int]
) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Kernel and padding for a tool that pads both sides alike: where it pads too much, the kernel has zeros."""
    top, bottom, left, right = padding
    rows, columns = max(top, bottom), max(left, right)
    grown = np.pad(weight, ((rows - top, rows - bottom), (columns - left, columns - right), (0, 0), (0, 0)))
    return grown, (rows, columns)


def _squared(weight: NDArray[np.float64], padding: tuple[int, int]) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Kernel and padding with zeros around until the kernel is a square: nir's check of shapes knows no other."""
    more = weight.shape[1] - weight.shape[0]
    if more % 2:
        raise ModelError(
            f"kernel: found {weight.shape[0]} x {weight.shape[1]} once both sides are padded alike, expected an even "
            "difference: nir 1.0 checks shapes as if kernels were squares; choose odd kernels, or dialect sinabs-soft"
        )
    rows, columns = max(more, 0) // 2, max(-more, 0) // 2
    grown = np.pad(weight, ((rows, rows), (columns, columns), (0, 0), (0, 0)))
    return grown, (padding[0] + rows, padding[1] + columns)
