"""What a ``FloatNetwork`` computes, in numpy: with ReLU as it was trained, or with the levels that counts can express.

Images go through in batches, so that the unrolled windows of a convolution stay small.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from converter.spiking.float_network import FloatNetwork, FloatNeurons, FloatPool, FloatReadout, FloatSynapses

_BATCH = 128


def logits(network: FloatNetwork, inputs: NDArray[np.float32], *, levels: int | None = None) -> NDArray[np.float32]:
    """Outputs of the readout, float32 (n, classes).

    Args:
        network: With ceilings when ``levels`` are given.
        inputs: Preprocessed, float32 (n, ...) with as many values each as the network's input.
        levels: None for ReLU; otherwise every activation is rounded to one of so many shares of its ceiling.
    """
    parts = [values[-1] for values in batches(network, inputs, levels=levels)]
    return np.concatenate(parts).reshape(len(inputs), -1)


def batches(
    network: FloatNetwork, inputs: NDArray[np.float32], *, levels: int | None = None, size: int = _BATCH
) -> Iterator[list[NDArray[np.float32]]]:
    """Values of all nodes, the input first, each (batch, height, width, channels); one batch after the other."""
    shaped = np.asarray(inputs, np.float32).reshape(-1, *network.input_shape)
    for start in range(0, len(shaped), size):
        values = [shaped[start : start + size]]
        for node in network.nodes:
            match node:
                case FloatPool():
                    values.append(pooled(node, values[node.source]))
                case FloatNeurons():
                    values.append(activation(node, current(node, values), levels))
                case FloatReadout():
                    values.append(current(node, values))
        yield values


def current(node: FloatNeurons | FloatReadout, values: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """What reaches a node, before its activation: (batch, height, width, channels)."""
    total = node.bias.astype(np.float32)
    for synapses in node.synapses:
        total = total + mapped(synapses, values[synapses.source])
    return total


def activation(node: FloatNeurons, total: NDArray[np.float32], levels: int | None) -> NDArray[np.float32]:
    """ReLU, or ceiling / levels * clip(floor(levels * x / ceiling + 1/2), 0, levels)."""
    if levels is None:
        return np.clip(total, 0, node.limit)
    if node.ceiling is None:
        raise ValueError(f"layer {node.name} has no ceiling yet")
    step = node.ceiling / np.float32(levels)
    rounded: NDArray[np.float32] = step * np.clip(np.floor(total / step + np.float32(0.5)), 0, levels)
    return rounded


def mapped(synapses: FloatSynapses, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """One linear map of (batch, height, width, channels), without bias."""
    if synapses.kind == "dense":
        return (values.reshape(len(values), -1) @ synapses.weight)[:, None, None, :]
    top, bottom, left, right = synapses.padding
    padded = np.pad(values, ((0, 0), (top, bottom), (left, right), (0, 0)))
    rows, columns = synapses.weight.shape[:2]
    down, across = synapses.stride
    windows = sliding_window_view(padded, (rows, columns), axis=(1, 2))[:, ::down, ::across]
    if synapses.kind == "depthwise":
        found: NDArray[np.float32] = np.einsum("bhwcij,ijc->bhwc", windows, synapses.weight, optimize=True)
        return found
    batch, height, width, channels = windows.shape[:4]
    kernel = synapses.weight.transpose(2, 0, 1, 3).reshape(channels * rows * columns, -1)
    unrolled = windows.reshape(batch * height * width, -1) @ kernel
    return unrolled.reshape(batch, height, width, -1)


def pooled(node: FloatPool, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of windows."""
    down, across = node.stride
    windows = sliding_window_view(values, node.size, axis=(1, 2))[:, ::down, ::across]
    means: NDArray[np.float32] = windows.mean(axis=(-2, -1), dtype=np.float32)
    return means
