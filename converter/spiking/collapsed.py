"""A spiking network as one .tflite graph over integer-valued floats: the same function as its executors, bit for bit.

For every population, with T levels,

    v = sum of linear(weight * factor, source) + T * bias + threshold // 2       exact: |sums| < 2 ** 24
    c = min(max(v, 0) * reciprocal, T), rounded down

where the reciprocal is the smallest float32 that is not below 1 / threshold. Rounding is monotonous, so a multiple of
the threshold never falls below its integer; that nothing below it reaches it is tried for every threshold and count
when the graph is made. A runtime that divides by a rounded reciprocal cannot err, there is nothing left to divide.

Pools become averages where the window is a power of two, whose sums stay exact in binary; the factor moves into the
weights behind. Weights are stored as the int8 values of the network; both runtimes multiply them by their factor once,
when the graph is loaded or first run, so that they cost no time (measured: the same as float32, 0.03 ms for 2 M MAC).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from converter.errors import ConversionError
from converter.spiking.graph_writer import Activation, GraphWriter, Options, Padding, Tensor
from edge_models.spiking.collapsed import COUNTS, LOGITS
from edge_models.spiking.network import Network, Neurons, Pool, Readout, Synapses
from edge_models.spiking.ranges import collapse_obstacle

Storage = Literal["int8", "float16", "float32"]
_DEQUANTIZE_VERSION = {"int8": 2, "float16": 3}


def collapsed_graph(network: Network, *, storage: Storage = "int8") -> bytes:
    """The .tflite file of a network with coding atf or radix.

    Args:
        network: Checked.
        storage: How weights lie in the file.

    Raises:
        ConversionError: The graph would not be the same function, or not with this storage; the text says why.
    """
    obstacle = collapse_obstacle(network)
    if obstacle is not None:
        raise ConversionError(f"no collapsed graph: {obstacle}; use fewer levels, or run the network without one")
    return _Collapse(network, storage).to_bytes()


def reciprocals(threshold: NDArray[np.int32], levels: int) -> NDArray[np.float32]:
    """For each threshold the float32 r for which floor(v * r) = v div threshold while v < (levels + 1) * threshold.

    Raises:
        ConversionError: There is none for some threshold.
    """
    nearest = np.float32(1) / threshold.astype(np.float32)
    is_below = nearest.astype(np.float64) * threshold < 1
    r = np.where(is_below, np.nextafter(nearest, np.float32(np.inf)), nearest).astype(np.float32)
    for count in range(1, levels + 1):
        exact = np.float64(count) * threshold
        reaches = exact.astype(np.float32) * r >= count
        stays = (exact - 1).astype(np.float32) * r < count
        if not (reaches & stays).all():
            worst = int(threshold[~(reaches & stays)].max())
            raise ConversionError(f"no collapsed graph: threshold {worst} is too large for {levels} levels in float32")
    return r


class _Collapse:
    """One network on its way into a graph.

    Node i is ``divisors[i]`` times what the tensor ``values[i]`` holds, because an average stands for a sum.
    """

    def __init__(self, network: Network, storage: Storage) -> None:
        self._network, self._storage = network, storage
        self._writer = GraphWriter()
        self._input = self._writer.value((1, *network.input_shape), "x")
        self._values: list[Tensor] = [self._input]
        self._divisors: list[int] = [1]

    def to_bytes(self) -> bytes:
        """The file."""
        for node in self._network.nodes[:-1]:
            if isinstance(node, Pool):
                self._pool(node)
            elif isinstance(node, Neurons):
                self._values.append(self._fired(node))
                self._divisors.append(1)
        readout = self._network.readout
        counts = self._counts(readout)
        logits = self._linear(readout, Activation.NONE)
        self._writer.rename(logits, LOGITS)
        return self._writer.to_bytes([self._input], [logits, counts])

    def _counts(self, readout: Readout) -> Tensor:
        """What the readout reads, flat; the readout then reads that tensor."""
        source = readout.synapses[0].source
        counts = self._flat(source)
        if self._divisors[source] != 1:
            factor = self._writer.constant(np.array(self._divisors[source], np.float32), "window")
            counts = self._writer.add("MUL", [counts, factor], counts.shape, COUNTS, options=("MulOptions", {}))
            self._divisors[source] = 1
        elif counts is self._input:
            raise ConversionError("no collapsed graph: the readout reads the input itself")
        self._values[source] = counts
        self._writer.rename(counts, COUNTS)
        return counts

    def _fired(self, node: Neurons) -> Tensor:
        v = self._linear(node, Activation.RELU)
        writer, levels = self._writer, self._network.levels
        r = writer.constant(reciprocals(node.threshold, levels), f"{node.name}/reciprocal")
        share = writer.add("MUL", [v, r], v.shape, f"{node.name}/share", options=("MulOptions", {}))
        most = writer.constant(np.array(levels, np.float32), f"{node.name}/levels")
        bounded = writer.add(
            "MINIMUM", [share, most], v.shape, f"{node.name}/bounded", options=("MaximumMinimumOptions", {})
        )
        return writer.add("FLOOR", [bounded], v.shape, node.name)

    def _linear(self, node: Neurons | Readout, activation: Activation) -> Tensor:
        """The accumulator with bias and half a threshold; the activation is fused into what comes last."""
        bias = node.bias.astype(np.int64) * self._network.levels
        if isinstance(node, Neurons):
            bias += node.threshold // 2
        total = None
        for i, synapses in enumerate(node.synapses):
            fused = activation if len(node.synapses) == 1 else Activation.NONE
            own = bias if i == 0 else np.zeros_like(bias)
            part = self._synapses(synapses, own, f"{node.name}/{i}", fused)
            if total is None:
                total = part
            else:
                last = activation if i == len(node.synapses) - 1 else Activation.NONE
                options = ("AddOptions", {"fusedActivationFunction": last})
                total = self._writer.add("ADD", [total, part], part.shape, f"{node.name}/sum{i}", options=options)
        if total is None:
            raise ValueError(f"{node.name} has no synapses")
        return total

    def _synapses(self, synapses: Synapses, bias: NDArray[np.int64], name: str, activation: Activation) -> Tensor:
        source = synapses.source
        factor = (self._network.levels if source == 0 else 1) * self._divisors[source] << synapses.shift
        constant = self._writer.constant(bias.astype(np.float32), f"{name}/bias")
        channels = len(bias)
        if synapses.kind == "dense":
            weight = self._weight(synapses.weight.T, factor, name)
            inputs = [self._flat(source), weight, constant]
            options: Options = ("FullyConnectedOptions", {"fusedActivationFunction": activation})
            return self._writer.add("FULLY_CONNECTED", inputs, (1, channels), name, options=options)
        image, padding = self._padded(synapses)
        size = synapses.weight.shape[:2]
        shape = (1, *_spatial(self._network.shape_of(source), synapses), channels)
        window = {"strideH": synapses.stride[0], "strideW": synapses.stride[1], "padding": padding}
        window |= {"fusedActivationFunction": activation, "dilationHFactor": 1, "dilationWFactor": 1}
        if synapses.kind == "conv":
            weight = self._weight(synapses.weight.transpose(3, 0, 1, 2), factor, name)
            options = ("Conv2DOptions", window)
            return self._writer.add("CONV_2D", [image, weight, constant], shape, name, options=options)
        weight = self._weight(synapses.weight.reshape(1, *size, channels), factor, name)
        options = ("DepthwiseConv2DOptions", window | {"depthMultiplier": 1})
        return self._writer.add("DEPTHWISE_CONV_2D", [image, weight, constant], shape, name, options=options)

    def _weight(self, weight: NDArray[np.int8], factor: int, name: str) -> Tensor:
        """Weights times a factor, stored small where that is exact."""
        exact = weight.astype(np.float64) * factor
        if self._storage == "int8":
            stored = self._writer.constant(weight, f"{name}/weight8", scale=factor)
        else:
            numbers = exact.astype(self._storage)
            if not np.array_equal(numbers.astype(np.float64), exact):
                raise ConversionError(f"no collapsed graph in {self._storage}: weights of {name} are not exact there")
            stored = self._writer.constant(numbers, f"{name}/weight16")
            if self._storage == "float32":
                return stored
        version = _DEQUANTIZE_VERSION[self._storage]
        return self._writer.add("DEQUANTIZE", [stored], stored.shape, f"{name}/weight", version=version)

    def _padded(self, synapses: Synapses) -> tuple[Tensor, Padding]:
        """The source as an image, zeros around it where the kinds of padding that runtimes know do not fit."""
        shape = self._network.shape_of(synapses.source)
        image = self._image(synapses.source)
        if not any(synapses.padding):
            return image, Padding.VALID
        if synapses.padding == _same_padding(shape, synapses):
            return image, Padding.SAME
        return self._pad(image, synapses.padding), Padding.VALID

    def _pad(self, image: Tensor, padding: tuple[int, int, int, int]) -> Tensor:
        top, bottom, left, right = padding
        _, height, width, channels = image.shape
        edges = self._writer.constant(np.array([[0, 0], [top, bottom], [left, right], [0, 0]], np.int32), "edges")
        shape = (1, height + top + bottom, width + left + right, channels)
        return self._writer.add("PAD", [image, edges], shape, "padded", options=("PadOptions", {}))

    def _pool(self, node: Pool) -> None:
        image, size = self._image(node.source), math.prod(node.size)
        shape = (1, *node.shape)
        window = {"strideH": node.stride[0], "strideW": node.stride[1], "padding": Padding.VALID}
        divisor = self._divisors[node.source]
        if size & (size - 1) == 0:
            options = ("Pool2DOptions", window | {"filterHeight": node.size[0], "filterWidth": node.size[1]})
            value = self._writer.add("AVERAGE_POOL_2D", [image], shape, node.name, options=options)
            divisor *= size
        elif node.shape[:2] == (1, 1):
            axes = self._writer.constant(np.array([1, 2], np.int32), f"{node.name}/axes")
            value = self._writer.add(
                "SUM", [image, axes], shape, node.name, options=("ReducerOptions", {"keepDims": True})
            )
        else:
            ones = self._weight(np.ones((1, *node.size, shape[3]), np.int8), 1, node.name)
            none = self._writer.constant(np.zeros(shape[3], np.float32), f"{node.name}/bias")
            window |= {"depthMultiplier": 1, "dilationHFactor": 1, "dilationWFactor": 1}
            options = ("DepthwiseConv2DOptions", window)
            value = self._writer.add("DEPTHWISE_CONV_2D", [image, ones, none], shape, node.name, options=options)
        self._values.append(value)
        self._divisors.append(divisor)

    def _flat(self, source: int) -> Tensor:
        """A node as (1, n)."""
        return self._shaped(source, (1, math.prod(self._network.shape_of(source))))

    def _image(self, source: int) -> Tensor:
        """A node as (1, height, width, channels)."""
        return self._shaped(source, (1, *self._network.shape_of(source)))

    def _shaped(self, source: int, shape: tuple[int, ...]) -> Tensor:
        value = self._values[source]
        if value.shape == shape:
            return value
        to = self._writer.constant(np.array(shape, np.int32), "shape")
        options = ("ReshapeOptions", {"newShape": np.array(shape, np.int32)})
        return self._writer.add("RESHAPE", [value, to], shape, "reshaped", options=options)


def _spatial(shape: tuple[int, int, int], synapses: Synapses) -> tuple[int, int]:
    top, bottom, left, right = synapses.padding
    lengths = (shape[0] + top + bottom, shape[1] + left + right)
    height, width = (
        (length - size) // stride + 1
        for length, size, stride in zip(lengths, synapses.weight.shape[:2], synapses.stride, strict=True)
    )
    return height, width


def _same_padding(shape: tuple[int, int, int], synapses: Synapses) -> tuple[int, int, int, int]:
    """Padding SAME as TFLite computes it: the odd zero goes to the end."""
    edges = []
    for length, size, stride in zip(shape[:2], synapses.weight.shape[:2], synapses.stride, strict=True):
        total = max((-(-length // stride) - 1) * stride + size - length, 0)
        edges += [total // 2, total - total // 2]
    return edges[0], edges[1], edges[2], edges[3]
