"""The integers that a spiking network can meet, worst case over all inputs, and what follows from them.

Sums are exact for each channel: positive and negative weights apart, each with the value of its source that is worst
for it; only the borders, where padding leaves terms out, are taken as if they were inside. Because every source
includes 0 in its range, partial sums in any order stay inside as well, and so do the accumulators of delta execution
while changes arrive one by one. One bound holds for all codings: T steps with at most one spike each add up to no more
than a count of T, and the bit planes of a radix code arrive as prefixes of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_models.errors import NetworkError
from edge_models.spiking.network import Network, Neurons, Pool, Readout, Synapses
from edge_models.spiking.shapes import check_shapes
from edge_models.tensors import DTYPE_RANGE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

INT16_MAX = (1 << 15) - 1
INT32_MAX = (1 << 31) - 1
_INT64_EXACT = 1 << 56  # sixteen synapses of twice that still fit 64 bits
COLLAPSED_LIMIT = 1 << 24  # float32 holds every integer up to here
COLLAPSED_STEP_LIMIT = 1 << 21  # of threshold * (T + 1): the rounding of a reciprocal stays below half a step


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Worst case of one node.

    Attributes:
        low: Of the accumulator without bias: the least that adding its inputs, in any order, can give; at most 0.
        high: The same, the most; at least 0.
        total_low: With T times the bias and half a threshold: membranes, logits and all sums on the way to them.
        total_high: The same, the most.
    """

    low: int
    high: int
    total_low: int
    total_high: int

    @property
    def is_int16(self) -> bool:
        """Whether the accumulator without bias fits 16 bits, so that a kernel may keep it there."""
        return self.low >= -INT16_MAX and self.high <= INT16_MAX

    @property
    def is_int32(self) -> bool:
        """Whether nothing that is computed leaves 32 bits."""
        return self.total_low >= -INT32_MAX and self.total_high <= INT32_MAX


def check(network: Network) -> None:
    """Refuse a network that an executor could not run exactly.

    Raises:
        NetworkError: Shapes, sources or dtypes do not fit, a threshold or scale is no number to divide by, or a sum
            can leave 32 bits.
    """
    check_shapes(network)
    for node, bound in zip(network.nodes, _each_bound(network), strict=True):  # one by one: a source before its readers
        if not bound.is_int32:
            found = f"sums from {bound.total_low} to {bound.total_high}"
            raise NetworkError(f"{node.name} can reach {found}, expected less than 2**31: use fewer levels or inputs")


def value_ranges(network: Network) -> tuple[tuple[int, int], ...]:
    """Least and most of one value of each node, the input first; (0, 0) for the readout, which nothing reads."""
    quant = network.input.quant
    low, high = DTYPE_RANGE[network.input.dtype]
    zero_point = 0 if quant is None else quant.zero_point
    ranges = [(low - zero_point, high - zero_point)]
    for node in network.nodes:
        match node:
            case Neurons():
                ranges.append((0, network.levels))
            case Pool():
                least, most = ranges[node.source]
                ranges.append((least * math.prod(node.size), most * math.prod(node.size)))
            case Readout():
                ranges.append((0, 0))
    return tuple(ranges)


def weighted_range(synapses: Synapses, low: int, high: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Least and most of sum(weight * source) for each output channel, before shift and T.

    Args:
        synapses: Of any kind.
        low: Of the source's values, at most 0.
        high: Of the source's values, at least 0.

    Returns:
        Two int64 arrays (channels,).
    """
    weight = synapses.weight.reshape(-1, synapses.weight.shape[-1])
    positive = np.maximum(weight, 0).sum(axis=0, dtype=np.int64)
    negative = np.minimum(weight, 0).sum(axis=0, dtype=np.int64)
    return positive * low + negative * high, positive * high + negative * low


def bounds(network: Network) -> tuple[Bound, ...]:
    """The worst case of node 1, 2, ..., in the order of ``network.nodes``.

    The network's shapes must be right (``check_shapes``).

    Raises:
        NetworkError: A node is so far beyond 32 bits that its bound does not even fit 64.
    """
    return tuple(_each_bound(network))


def collapse_obstacle(network: Network) -> str | None:
    """Why the network is not the same function as a float32 graph of its integers; None when it is.

    Two conditions: every sum below 2 ** 24, and threshold * (T + 1) below 2 ** 21, so that a runtime that multiplies
    by a rounded reciprocal instead of dividing still lands between the same two integers.
    """
    if network.coding == "if":
        return "coding if has no closed form: a neuron's spikes depend on the order of its inputs"
    for node, bound in zip(network.nodes, bounds(network), strict=True):
        largest = max(-bound.total_low, bound.total_high, _absolute(network, node))
        if largest >= COLLAPSED_LIMIT:
            return f"{node.name} reaches {largest}, exact in float32 only below {COLLAPSED_LIMIT}"
        if isinstance(node, Neurons):
            step = int(node.threshold.max()) * (network.levels + 1)
            if step >= COLLAPSED_STEP_LIMIT:
                return f"{node.name} has threshold * (T + 1) = {step}, exact only below {COLLAPSED_STEP_LIMIT}"
    return None


def is_collapsible(network: Network) -> bool:
    """Whether a float32 graph of the same integers gives the same logits bit by bit."""
    return collapse_obstacle(network) is None


def _each_bound(network: Network) -> Iterator[Bound]:
    ranges = value_ranges(network)
    for node in network.nodes:
        yield _bound(network, node, ranges)


def _bound(network: Network, node: Neurons | Pool | Readout, ranges: tuple[tuple[int, int], ...]) -> Bound:
    if isinstance(node, Pool):
        low, high = (value * math.prod(node.size) for value in ranges[node.source])
        return Bound(low=low, high=high, total_low=low, total_high=high)
    least, most = _accumulated(network, node, ranges)
    bias = node.bias.astype(np.int64) * network.levels
    half = node.threshold.astype(np.int64) // 2 if isinstance(node, Neurons) else np.zeros_like(bias)
    return Bound(
        low=int(least.min()),
        high=int(most.max()),
        total_low=int((least + np.minimum(bias, 0)).min()),
        total_high=int((most + np.maximum(bias, 0) + half).max()),
    )


def _accumulated(
    network: Network, node: Neurons | Readout, ranges: tuple[tuple[int, int], ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    parts = []
    for synapses in node.synapses:
        low, high = ranges[synapses.source]
        negative, positive = weighted_range(synapses, 0, 1)
        factor = (network.levels if synapses.source == 0 else 1) << synapses.shift
        largest = int((positive - negative).max()) * max(-low, high) * factor  # a Python int, which cannot wrap
        if largest > _INT64_EXACT:
            raise NetworkError(f"{node.name} can reach {largest}, expected less than 2**31: use fewer levels or inputs")
        parts.append(((positive * low + negative * high) * factor, (positive * high + negative * low) * factor))
    return np.sum([part[0] for part in parts], axis=0), np.sum([part[1] for part in parts], axis=0)


def _absolute(network: Network, node: Neurons | Pool | Readout) -> int:
    """Sum of |weight| * max |source| and T * |bias|: holds for sums in which a graph splits or regroups the terms."""
    ranges = value_ranges(network)
    if isinstance(node, Pool):
        return max(abs(value) for value in ranges[node.source]) * math.prod(node.size)
    total = np.abs(node.bias.astype(np.int64)) * network.levels
    if isinstance(node, Neurons):
        total += node.threshold.astype(np.int64) // 2
    for synapses in node.synapses:
        positive, negative = weighted_range(synapses, 0, 1)[::-1]
        factor = (network.levels if synapses.source == 0 else 1) << synapses.shift
        total = total + (positive - negative) * max(abs(value) for value in ranges[synapses.source]) * factor
    return int(total.max())
