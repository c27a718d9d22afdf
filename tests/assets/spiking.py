"""Small random spiking networks and frames for them, from a seed alone: nothing is trained, nothing is read.

Thresholds are chosen so that counts of all sizes occur; a case in which nothing fires would prove nothing.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_models.spiking.network import (
    Coding,
    Network,
    Neurons,
    Node,
    Pool,
    Readout,
    Shape,
    SynapseKind,
    Synapses,
)
from edge_models.tensors import DTYPE_RANGE, Dtype, QuantParams, TensorSpec

Kind = Literal["conv", "dense", "residual", "depthwise", "conv1d", "benchmark"]
KINDS: tuple[Kind, ...] = ("conv", "dense", "residual", "depthwise", "conv1d")
CODINGS: tuple[Coding, ...] = ("atf", "radix", "if")
_WEIGHT_STD = 40.0


def network(
    seed: int,
    *,
    coding: Coding = "atf",
    steps: int = 4,
    kind: Kind = "conv",
    classes: int = 5,
    dtype: Dtype = "uint8",
    zero_point: int | None = None,
) -> Network:
    """A valid network of random weights.

    Args:
        seed: Equal seeds and arguments give equal networks.
        coding: How it is executed.
        steps: Time steps, bit planes for radix.
        kind: ``conv`` has a pool, a stride and uneven padding, ``dense`` two layers, ``residual`` an addition with a
            shifted identity and a global pool, ``depthwise`` a separable pair, ``conv1d`` one row;
            ``benchmark`` is conv 16-32-64 (3x3, pooled) with 128 dense neurons on 28 x 28, the one that is timed.
        classes: Of the readout.
        dtype: int8 or uint8 codes.
        zero_point: Of the codes; the lowest code when left out, so that x is not negative.
    """
    low, _ = DTYPE_RANGE[dtype]
    quant = QuantParams(scale=1 / 255, zero_point=low if zero_point is None else zero_point)
    builder = _Builder(seed, _INPUTS[kind], (1 << steps) - 1 if coding == "radix" else steps, dtype, quant)
    match kind:
        case "conv":
            _conv(builder)
        case "dense":
            builder.dense(24)
            builder.dense(12)
        case "residual":
            _residual(builder)
        case "depthwise":
            builder.conv(6, kernel=(3, 3), padding=(1, 1, 1, 1))
            builder.depthwise(kernel=(3, 3), stride=(2, 2), padding=(0, 1, 0, 1))
            builder.conv(10, kernel=(1, 1))
            builder.pool(builder.shape[:2])
        case "conv1d":
            builder.conv(8, kernel=(1, 5), padding=(0, 0, 2, 2))
            builder.pool((1, 2))
            builder.conv(12, kernel=(1, 3), stride=(1, 2))
        case "benchmark":
            _benchmark(builder)
    builder.readout(classes)
    spec = TensorSpec(shape=builder.input_shape, dtype=dtype, quant=quant)
    return Network(coding=coding, steps=steps, input=spec, input_shape=builder.input_shape, nodes=tuple(builder.nodes))


def frames(network: Network, seed: int, count: int) -> NDArray[np.int32]:
    """Centred codes, int32 (count, height, width, channels), over the whole range of the input's dtype."""
    quant = network.input.quant
    if quant is None:
        raise ValueError("the network's input has no quantisation")
    low, high = DTYPE_RANGE[network.input.dtype]
    rng = np.random.default_rng(seed)
    codes = rng.integers(low, high + 1, (count, *network.input_shape), dtype=np.int32)
    return codes - np.int32(quant.zero_point)


def _conv(builder: _Builder) -> None:
    builder.conv(6, kernel=(3, 3), padding=(1, 1, 1, 1))
    builder.pool((2, 2))
    builder.conv(8, kernel=(3, 2), stride=(2, 1), padding=(1, 0, 0, 1))
    builder.dense(16)


def _residual(builder: _Builder) -> None:
    builder.conv(6, kernel=(3, 3), padding=(1, 1, 1, 1))
    source = len(builder.nodes)
    builder.conv(6, kernel=(3, 3), padding=(1, 1, 1, 1))
    builder.residual(source)
    source = len(builder.nodes)
    builder.conv(10, kernel=(3, 3), stride=(2, 2), padding=(0, 1, 0, 1))
    builder.projected(source, kernel=(1, 1), stride=(2, 2))
    builder.pool(builder.shape[:2])


def _benchmark(builder: _Builder) -> None:
    for channels in (16, 32, 64):
        builder.conv(channels, kernel=(3, 3), padding=(1, 1, 1, 1))
        builder.pool((2, 2))
    builder.dense(128)


_INPUTS: dict[Kind, Shape] = {
    "conv": (9, 8, 2),
    "dense": (1, 1, 30),
    "residual": (8, 8, 3),
    "depthwise": (8, 9, 2),
    "conv1d": (1, 32, 3),
    "benchmark": (28, 28, 1),
}


class _Builder:
    """Appends one node after the other, each reading the one before."""

    def __init__(self, seed: int, shape: Shape, levels: int, dtype: Dtype, quant: QuantParams) -> None:
        low, high = (code - quant.zero_point for code in DTYPE_RANGE[dtype])
        self.input_shape = self.shape = shape
        self.nodes: list[Node] = []
        self._rng = np.random.default_rng(seed)
        self._sizes = [math.sqrt((low * low + low * high + high * high) / 3)]  # root mean square of an element
        self._levels = levels

    def conv(
        self,
        channels: int,
        *,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> None:
        weight = self._weight((*kernel, self.shape[2], channels))
        self._fire([self._synapses("conv", weight, stride, padding)], channels, math.prod(weight.shape[:3]))

    def depthwise(
        self, *, kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int, int, int]
    ) -> None:
        weight = self._weight((*kernel, self.shape[2]))
        self._fire([self._synapses("depthwise", weight, stride, padding)], self.shape[2], math.prod(kernel))

    def dense(self, units: int) -> None:
        inputs = math.prod(self.shape)
        self._fire([self._synapses("dense", self._weight((inputs, units)))], units, inputs)

    def residual(self, source: int) -> None:
        """A convolution of the node before plus the identity of ``source``, both into one accumulator."""
        channels = self.shape[2]
        weight = self._weight((3, 3, channels, channels))
        branch = self._synapses("conv", weight, (1, 1), (1, 1, 1, 1))
        one = np.full((1, 1, channels), 5, np.int8)
        self._fire([branch, Synapses(source=source, kind="depthwise", weight=one, shift=5)], channels, 9 * channels)

    def projected(self, source: int, *, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        """A convolution of the node before plus a strided convolution of ``source``."""
        channels = self.shape[2]
        before = self.nodes[source - 1].shape[2]
        weight = self._weight((1, 1, channels, channels))
        branch = Synapses(source=source, kind="conv", weight=self._weight((*kernel, before, channels)), stride=stride)
        self._fire([self._synapses("conv", weight), branch], channels, channels + before)

    def pool(self, size: tuple[int, int]) -> None:
        height, width, channels = self.shape
        shape = (height // size[0], width // size[1], channels)
        name = f"pool{len(self.nodes) + 1}"
        self.nodes.append(Pool(name=name, shape=shape, source=len(self.nodes), size=size, stride=size))
        self._sizes.append(self._sizes[-1] * size[0] * size[1])
        self.shape = shape

    def readout(self, classes: int) -> None:
        inputs = math.prod(self.shape)
        synapses = self._synapses("dense", self._weight((inputs, classes)))
        bias = self._rng.integers(-300, 300, classes, dtype=np.int32)
        shape = (1, 1, classes)
        self.nodes.append(Readout(name="readout", shape=shape, synapses=(synapses,), bias=bias, scale=0.01))

    def _weight(self, shape: tuple[int, ...]) -> NDArray[np.int8]:
        return np.clip(np.rint(self._rng.normal(0, _WEIGHT_STD, shape)), -127, 127).astype(np.int8)

    def _synapses(
        self,
        kind: SynapseKind,
        weight: NDArray[np.int8],
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> Synapses:
        source = len(self.nodes)
        return Synapses(source=source, kind=kind, weight=weight, stride=stride, padding=padding)

    def _fire(self, synapses: list[Synapses], channels: int, fan_in: int) -> None:
        typical = math.sqrt(fan_in) * _WEIGHT_STD * self._sizes[-1] * (1 if self.nodes else self._levels)
        threshold = max(2, round(typical * 1.5 / self._levels))
        first = synapses[0]
        if first.kind == "dense":
            self.shape = (1, 1, channels)
        else:
            top, bottom, left, right = first.padding
            height = (self.shape[0] + top + bottom - first.weight.shape[0]) // first.stride[0] + 1
            width = (self.shape[1] + left + right - first.weight.shape[1]) // first.stride[1] + 1
            self.shape = (height, width, channels)
        self._sizes.append(0.4 * self._levels)
        self.nodes.append(
            Neurons(
                name=f"neurons{len(self.nodes) + 1}",
                shape=self.shape,
                synapses=tuple(synapses),
                bias=self._rng.integers(-threshold // 4, threshold // 2, channels, dtype=np.int32),
                threshold=self._rng.integers(threshold // 2, threshold * 3 // 2, channels, dtype=np.int32),
            )
        )
