"""Clip-floor-shift: activations that have as many levels as counts, and where their ceilings start.

Bu et al., Optimal ANN-SNN Conversion for High-accuracy and Ultra-low-latency SNNs (ICLR 2022), eq. 15, with one ceiling
for every channel.
"""
# ruff: noqa: ANN401 - TensorFlow is loaded late, so its tensors have no static type here

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.spiking.simulation import Activation, Simulation, ceiling, rectified
from converter.spiking.float_network import FloatNetwork, FloatNeurons

_PERCENTILE = 99.7  # of a channel's activations: above it are few, and each level would be coarser for all others
_SHARE_OF_LAYER = 0.1  # a channel that is hardly ever active starts with this share of its layer's ceiling
_AT_ONCE = 256


def levelled(simulation: Simulation, levels: int) -> Activation:
    """The activation with ``levels`` levels above 0, whose rounding gradients do not see."""
    import tensorflow as tf

    def activation(number: int, total: Any) -> Any:
        top = ceiling(simulation.weights[number].ceiling)
        share = tf.clip_by_value(total / top, 0.0, 1.0)
        rounded = tf.floor(share * levels + 0.5) / levels
        return top * (share + tf.stop_gradient(rounded - share))

    return activation


def with_ceilings(network: FloatNetwork, x: NDArray[np.float32]) -> FloatNetwork:
    """The network with ceilings where it has none: a percentile of each channel's activations for inputs (n, ...)."""
    firing = {number for number, node in enumerate(network.nodes, 1) if _lacks(node)}
    if not firing:
        return network
    seen = _activations(network, x, firing)
    nodes = list(network.nodes)
    for number in firing:
        node = nodes[number - 1]
        if isinstance(node, FloatNeurons):
            nodes[number - 1] = replace(node, ceiling=_ceiling(seen[number]))
    return replace(network, nodes=tuple(nodes))


def _lacks(node: object) -> bool:
    return isinstance(node, FloatNeurons) and node.ceiling is None


def _activations(network: FloatNetwork, x: NDArray[np.float32], nodes: set[int]) -> dict[int, NDArray[np.float32]]:
    """Activations (values, channels) of some nodes behind ReLU."""
    simulation, relu = Simulation(network), rectified(network)
    seen: dict[int, list[NDArray[np.float32]]] = {number: [] for number in nodes}

    def kept(number: int, total: Any) -> Any:
        found = relu(number, total)
        if number in seen:
            seen[number].append(found.numpy().reshape(-1, found.shape[-1]))
        return found

    for start in range(0, len(x), _AT_ONCE):
        simulation.logits(x[start : start + _AT_ONCE], kept)
    return {number: np.concatenate(parts) for number, parts in seen.items()}


def _ceiling(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """One for each channel of (values, channels)."""
    tops = np.percentile(values, _PERCENTILE, axis=0)
    least = _SHARE_OF_LAYER * max(float(tops.max()), 1e-3)
    return np.asarray(np.maximum(tops, least), np.float32)
