"""The network that grows while a Keras graph is read: its nodes, and what may be put between them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from converter.keras_process.bench import RefusedModelError
from converter.keras_process.spiking.values import (
    Floats,
    Linear,
    Signal,
    Value,
    View,
    Windows,
    flat_matrix,
    identity,
    picture,
    strided,
)
from converter.spiking.float_network import (
    FloatNetwork,
    FloatNeurons,
    FloatNode,
    FloatPool,
    FloatReadout,
    FloatSynapses,
)
from edge_models.spiking.network import Shape


class Graph:
    """Nodes in order.

    Args:
        view: Shape of the input for Keras, without batch axis.
        is_strided: Put strided convolutions in the place of maximum pooling, instead of refusing it.
    """

    def __init__(self, view: View, *, is_strided: bool) -> None:
        self._view, self._is_strided = view, is_strided
        self._input_shape: Shape | None = None
        self._nodes: list[FloatNode] = []

    def input(self) -> Signal:
        """What the graph begins with."""
        return Signal(node=0, view=self._view)

    def shape_of(self, signal: Signal, name: str) -> Shape:
        """(height, width, channels) that a layer sees, without the zeros around it.

        Raises:
            RefusedModelError: The layer would read the node in another form than it has.
        """
        seen = picture(signal.view)
        if signal.node == 0:
            self._input_shape = self._input_shape or seen
        found = self._shape(signal.node)
        if found != seen:
            raise RefusedModelError(
                f"spiking: layer {name} reads {found} reshaped to {seen}, expected no reshaping between layers but "
                "Flatten before Dense; take the Reshape out of the model"
            )
        return seen

    def mapped(self, name: str, signal: Signal, synapses: FloatSynapses, bias: Floats, shape: Shape) -> Linear:
        """A linear map of a signal, whose own scale and offset go into weights and bias."""
        weight = synapses.weight
        if signal.scale is not None or signal.offset is not None:
            axis = -1 if synapses.kind == "depthwise" else -2
            channels = weight.shape[axis]
            if signal.offset is not None:
                self._refuse_border(name, signal, synapses)
                offset = _channel(signal.offset, channels, synapses.kind)
                axes = (0, 1) if synapses.kind == "depthwise" else tuple(range(weight.ndim - 1))
                bias = bias + (weight * offset).sum(axis=axes)
            if signal.scale is not None:
                weight = weight * _channel(signal.scale, channels, synapses.kind)
        view = shape[3 - max(len(signal.view), 1) :]
        return Linear(
            name=name,
            synapses=(replace(synapses, weight=np.asarray(weight, np.float32)),),
            bias=np.asarray(bias, np.float32),
            shape=shape,
            view=view,
        )

    def linear(self, name: str, value: Value) -> Linear:
        """The value as a sum: itself, or the signal passed on as it is."""
        if isinstance(value, Linear):
            self.refuse_after_last(name, value)
            return value
        shape = self.shape_of(value, name)
        if any(value.padding):
            raise RefusedModelError(f"spiking: layer {name} reads padded values, expected a convolution after padding")
        bias = np.zeros(shape[2], np.float32)
        return replace(self.mapped(name, value, identity(value.node, shape[2]), bias, shape), view=value.view)

    def fired(self, name: str, value: Value, limit: float | None = None) -> Signal:
        """The value behind a rectifier: a new population."""
        linear = self.linear(name, value)
        neurons = FloatNeurons(
            name=self._free(name),
            shape=linear.shape,
            synapses=linear.synapses,
            bias=linear.bias,
            ceiling=None,
            limit=limit,
        )
        return self._added(neurons, linear.view)

    def pooled(self, name: str, value: Value, windows: Windows, view: View | None = None) -> Signal:
        """Means of windows."""
        if not isinstance(value, Signal) or value.node == 0:
            raise RefusedModelError(
                f"spiking: {name} is an average pooling of values that are no spikes, expected it after an activation; "
                "put a ReLU before it"
            )
        shape = self.shape_of(value, name)
        (height, width), zeros = windows.over(shape)
        if any(zeros) or any(value.padding):
            raise RefusedModelError(f"spiking: {name} pools over the border, expected padding: valid")
        pool = FloatPool(
            name=self._free(name),
            shape=(height, width, shape[2]),
            source=value.node,
            size=windows.size,
            stride=windows.stride,
        )
        made = self._added(pool, view or pool.shape[3 - len(value.view) :])
        return replace(made, scale=value.scale, offset=value.offset)

    def thinned(self, name: str, value: Value, windows: Windows) -> Value:
        """In the place of a maximum of windows: the convolution before it with a stride.

        Raises:
            RefusedModelError: Not asked for, or there is no convolution before it.
        """
        if not self._is_strided:
            raise RefusedModelError(
                f"spiking: {name} is a maximum pooling, which has no form in spike counts; use average pooling (of the "
                "reference networks cnn: halve: average or stride), or set spiking.max_pooling: strided and fine-tune"
            )
        node = self._nodes[value.node - 1] if isinstance(value, Signal) and value.node else None
        if isinstance(value, Signal) and isinstance(node, FloatNeurons) and self.shape_of(value, name):
            before = Linear(name=node.name, synapses=node.synapses, bias=node.bias, shape=node.shape, view=value.view)
            fired = self.fired(f"{node.name}_strided", self._thin(name, before, windows), node.limit)
            return replace(fired, scale=value.scale, offset=value.offset)
        if isinstance(value, Signal):
            raise RefusedModelError(f"spiking: {name} is a maximum pooling without a convolution before it")
        return self._thin(name, value, windows)

    def network(self, value: Value) -> FloatNetwork:
        """The whole, ended by what the model gives.

        Raises:
            RefusedModelError: It does not end with a dense layer without activation, or has no hidden layer.
        """
        matrix = None
        if isinstance(value, Linear) and len(value.synapses) == 1 and value.shape[:2] == (1, 1):
            matrix = flat_matrix(value.synapses[0], self._shape(value.synapses[0].source))
        if not isinstance(value, Linear) or matrix is None:
            raise RefusedModelError(
                "spiking: the model does not end with a dense layer that gives the logits; add one, without activation"
            )
        source = value.synapses[0].source
        self._nodes.append(
            FloatReadout(
                name=self._free(value.name),
                shape=value.shape,
                synapses=(FloatSynapses(source=source, kind="dense", weight=matrix),),
                bias=value.bias,
            )
        )
        nodes = _used(self._nodes)
        if not any(isinstance(node, FloatNeurons) for node in nodes):
            raise RefusedModelError(
                "spiking: found no layer with ReLU, expected at least one: there is nothing to fire"
            )
        return FloatNetwork(input_shape=self._shape(0), nodes=nodes)

    def _thin(self, name: str, linear: Linear, windows: Windows) -> Linear:
        made = strided(linear, windows, tuple(self._shape(one.source) for one in linear.synapses))
        if made is None:
            raise RefusedModelError(
                f"spiking: {name} is a maximum pooling whose windows no stride of the layer before it can stand for; "
                "use average pooling"
            )
        return made

    def _shape(self, node: int) -> Shape:
        if node:
            return self._nodes[node - 1].shape
        return self._input_shape or picture(self._view)

    def _added(self, node: FloatNode, view: View) -> Signal:
        self._nodes.append(node)
        return Signal(node=len(self._nodes), view=view)

    def _free(self, name: str) -> str:
        """The name, or with a number behind it when a layer is used twice."""
        taken = {node.name for node in self._nodes}
        return next(one for one in (name, *(f"{name}_{i}" for i in range(2, 1000))) if one not in taken)

    def _refuse_border(self, name: str, signal: Signal, synapses: FloatSynapses) -> None:
        if any(synapses.padding):
            what = "the input is shifted" if signal.node == 0 else "batch normalisation stands after an activation"
            raise RefusedModelError(
                f"spiking: {name} pads with zeros where {what}, so the border would be another; use padding: valid, "
                "put the normalisation before the ReLU, or do it in input.preprocess"
            )

    @staticmethod
    def refuse_after_last(name: str, value: Value) -> None:
        """Refuse a layer behind the softmax or sigmoid that ends a model."""
        if isinstance(value, Linear) and value.is_last:
            raise RefusedModelError(
                f"spiking: layer {name} follows a softmax or sigmoid, expected ReLU in the middle of the model"
            )

    def whole(self, signal: Signal, name: str) -> Shape:
        """Shape of a node that is read flat, in C order."""
        shape = self._shape(signal.node)
        if math.prod(shape) != math.prod(signal.view):
            raise RefusedModelError(f"spiking: layer {name} reads {signal.view}, found {shape}")
        return shape


def _channel(values: Floats, count: int, kind: str) -> Floats:
    """Factors as they stand along a weight's axis of inputs; of a flattened source every place has all channels."""
    whole = np.tile(values, count // len(values))
    return whole if kind == "depthwise" else whole[:, None]


def _used(nodes: list[FloatNode]) -> tuple[FloatNode, ...]:
    """Those that the last one reads, directly or not, with new numbers."""
    wanted = {len(nodes)}
    for number in range(len(nodes), 0, -1):
        if number in wanted:
            wanted.update(_sources(nodes[number - 1]))
    order = {old: new for new, old in enumerate(sorted(wanted | {0}))}
    return tuple(_renumbered(nodes[old - 1], order) for old in order if old)


def _sources(node: FloatNode) -> list[int]:
    return [node.source] if isinstance(node, FloatPool) else [one.source for one in node.synapses]


def _renumbered(node: FloatNode, order: dict[int, int]) -> FloatNode:
    if isinstance(node, FloatPool):
        return replace(node, source=order[node.source])
    synapses = tuple(replace(one, source=order[one.source]) for one in node.synapses)
    return replace(node, synapses=synapses)
