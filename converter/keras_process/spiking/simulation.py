"""A float network in TensorFlow: what is fine-tuned, with the activation that is asked for."""
# ruff: noqa: ANN401 - TensorFlow is loaded late, so its tensors have no static type here

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from converter.spiking.float_network import FloatNetwork, FloatNeurons, FloatPool, FloatSynapses
from edge_models.spiking.network import Shape

Activation = Callable[[int, Any], Any]
"""From the number of a node and its sums (n, height, width, channels) to what the node passes on."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """What learns of a node: tf.Variable of each synapse's weight, of the bias, and of the ceiling if it fires."""

    maps: tuple[Any, ...]
    bias: Any
    ceiling: Any | None


class Simulation:
    """The network with its weights as variables.

    Args:
        network: Where the weights start.
    """

    def __init__(self, network: FloatNetwork) -> None:
        self.network = network
        self.weights = {
            number: _weights(node) for number, node in enumerate(network.nodes, 1) if not isinstance(node, FloatPool)
        }

    @property
    def variables(self) -> list[Any]:
        """All that learns."""
        found = []
        for one in self.weights.values():
            found += [*one.maps, one.bias, *(() if one.ceiling is None else (one.ceiling,))]
        return found

    def logits(self, x: Any, activation: Activation) -> Any:
        """(n, classes) for inputs (n, ...)."""
        import tensorflow as tf

        values = [tf.reshape(x, (-1, *self.network.input_shape))]
        for number, node in enumerate(self.network.nodes, 1):
            if isinstance(node, FloatPool):
                values.append(pooled(values[node.source], node))
                continue
            total = self.sums(number, values)
            values.append(activation(number, total) if isinstance(node, FloatNeurons) else total)
        return tf.reshape(values[-1], (-1, values[-1].shape[-1]))

    def sums(self, number: int, values: list[Any]) -> Any:
        """What a node gathers from the values of the nodes before it, (n, height, width, channels)."""
        node, weights = self.network.nodes[number - 1], self.weights[number]
        if isinstance(node, FloatPool):
            raise TypeError(f"node {node.name} is a pool, expected one with synapses")
        total = weights.bias
        for one, kernel in zip(node.synapses, weights.maps, strict=True):
            total = total + mapped(values[one.source], one, kernel, node.shape)
        return total

    def learnt(self) -> FloatNetwork:
        """The network with the weights as they are now."""
        nodes = list(self.network.nodes)
        for number, weights in self.weights.items():
            node = nodes[number - 1]
            if isinstance(node, FloatPool):
                continue
            synapses = tuple(
                replace(one, weight=kernel.numpy()) for one, kernel in zip(node.synapses, weights.maps, strict=True)
            )
            node = replace(node, synapses=synapses, bias=weights.bias.numpy())
            if isinstance(node, FloatNeurons) and weights.ceiling is not None:
                node = replace(node, ceiling=ceiling(weights.ceiling).numpy())
            nodes[number - 1] = node
        return FloatNetwork(input_shape=self.network.input_shape, nodes=tuple(nodes))


LEAST_CEILING = 1e-4
"""No ceiling learns its way to 0 or beyond: lambda = |parameter| + this."""


def ceiling(parameter: Any) -> Any:
    """The ceiling that a parameter stands for."""
    import tensorflow as tf

    return tf.abs(parameter) + LEAST_CEILING


def mapped(value: Any, synapses: FloatSynapses, kernel: Any, shape: Shape) -> Any:
    """A linear map of (n, height, width, channels) to (n, *shape)."""
    import tensorflow as tf

    if synapses.kind == "dense":
        flat = tf.reshape(value, (-1, math.prod(value.shape[1:])))
        return tf.reshape(tf.matmul(flat, kernel), (-1, *shape))
    top, bottom, left, right = synapses.padding
    if any(synapses.padding):
        value = tf.pad(value, ((0, 0), (top, bottom), (left, right), (0, 0)))
    rows, columns = synapses.stride
    if synapses.kind == "conv":
        return tf.nn.conv2d(value, kernel, (rows, columns), "VALID")
    if kernel.shape[:2] == (1, 1):  # also for strides that differ, which TensorFlow's depthwise lacks
        return value[:, ::rows, ::columns] * kernel[0, 0]
    if rows != columns:  # every place, then those that are wanted
        everywhere = tf.nn.depthwise_conv2d(value, kernel[..., None], (1, 1, 1, 1), "VALID")
        return everywhere[:, ::rows, ::columns]
    return tf.nn.depthwise_conv2d(value, kernel[..., None], (1, rows, columns, 1), "VALID")


def pooled(value: Any, pool: FloatPool) -> Any:
    """Means of windows."""
    import tensorflow as tf

    return tf.nn.avg_pool2d(value, pool.size, pool.stride, "VALID")


def rectified(network: FloatNetwork) -> Activation:
    """ReLU, with the limit that a node has."""
    import tensorflow as tf

    def activation(number: int, total: Any) -> Any:
        node = network.nodes[number - 1]
        limit = node.limit if isinstance(node, FloatNeurons) else None
        return tf.nn.relu(total) if limit is None else tf.clip_by_value(total, 0.0, limit)

    return activation


def _weights(node: Any) -> Weights:
    import tensorflow as tf

    is_firing = isinstance(node, FloatNeurons)
    start = np.ones(node.shape[2], np.float32) if is_firing and node.ceiling is None else None
    if is_firing and node.ceiling is not None:
        start = np.maximum(node.ceiling - LEAST_CEILING, LEAST_CEILING)
    return Weights(
        maps=tuple(tf.Variable(one.weight) for one in node.synapses),
        bias=tf.Variable(node.bias),
        ceiling=None if start is None else tf.Variable(start),
    )
