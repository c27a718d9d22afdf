"""A network as the C kernel takes it: a program of 32-bit words, and all weights one after the other.

The order of the words is what ``spiking_open`` in kernel.c reads; ``ABI`` changes with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_models.spiking.network import Network, Neurons, Node, Pool, Readout, Shape, Synapses
from edge_models.spiking.ranges import INT16_MAX, check, value_ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABI = 2
_MAGIC = 0x44535031
_CODINGS = {"atf": 0, "radix": 1, "if": 2}
_SYNAPSES = {"dense": 0, "conv": 1, "depthwise": 2}
_NEURONS, _POOL, _READOUT = range(3)


def to_program(network: Network, *, is_portable: bool = False) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Write ``network`` down for the kernel.

    Args:
        network: Is checked first: the kernel relies on its ranges.
        is_portable: Do not use what only some processors of a family have.

    Returns:
        The words and the weights.

    Raises:
        NetworkError: The network cannot be executed exactly.
    """
    check(network)
    ranges = value_ranges(network)
    head = [_MAGIC, ABI, int(is_portable), _CODINGS[network.coding], network.steps, network.levels]
    head += [*ranges[0], len(network.nodes) + 1, *network.input_shape]
    words = [_words(*head)]
    weights: list[NDArray[np.int8]] = []
    for node in network.nodes:
        words += _node_words(network, node, ranges)
        if not isinstance(node, Pool):
            weights += [synapses.weight.reshape(-1) for synapses in node.synapses]
    return np.concatenate(words), np.concatenate(weights)


def event_budget(synapses: Synapses, low: int, high: int) -> int:
    """How many events of one sum fit 16 bits, whichever they are; 0 when one does not.

    The worst are those with the largest weights, each with the largest value or change.

    Args:
        synapses: Dense or conv.
        low: Of the source's values, at most 0.
        high: Of the source's values, at least 0.
    """
    largest = high - low
    weight = np.abs(synapses.weight.astype(np.int16)).reshape(-1, synapses.weight.shape[-1])
    weight.sort(axis=0)
    # int32: the inputs of one channel are at most MAX_TOTAL_WEIGHTS / CHANNEL_BLOCK
    sums = np.cumsum(weight[::-1], axis=0, dtype=np.int32).max(axis=1).astype(np.int64) * largest
    return int(np.searchsorted(sums, INT16_MAX, side="right"))


def _words(*values: int) -> NDArray[np.int32]:
    return np.array(values, np.int32)


def _node_words(network: Network, node: Node, ranges: tuple[tuple[int, int], ...]) -> list[NDArray[np.int32]]:
    if isinstance(node, Pool):
        return [_words(_POOL, *node.shape, node.source, *node.size, *node.stride, 0, 0)]
    kind = _READOUT if isinstance(node, Readout) else _NEURONS
    words = [_words(kind, *node.shape, len(node.synapses)), node.bias]
    if isinstance(node, Neurons):
        words.append(node.threshold)
    words += [_synapses_words(part, network.shape_of(part.source), *ranges[part.source]) for part in node.synapses]
    return words


def _synapses_words(synapses: Synapses, source: Shape, low: int, high: int) -> NDArray[np.int32]:
    budget = 0 if synapses.kind == "depthwise" else event_budget(synapses, low, high)
    rows, columns = source[:2] if synapses.kind == "dense" else synapses.weight.shape[:2]
    top, _, left, _ = synapses.padding
    kind = _SYNAPSES[synapses.kind]
    return _words(synapses.source, kind, synapses.shift, budget, rows, columns, *synapses.stride, top, left)
