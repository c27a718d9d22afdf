"""What each Keras layer means for a spiking network."""
# ruff: noqa: ANN401, ARG001 - Keras is loaded late, so its layers have no static type here; all handlers have one form

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from converter.keras_process.bench import RefusedModelError
from converter.keras_process.spiking.convolutions import convolution, depthwise, separable
from converter.keras_process.spiking.graph import Graph
from converter.keras_process.spiking.values import Floats, Linear, Signal, Value, Windows, picture
from converter.spiking.float_network import FloatSynapses

SUPPORTED = (
    "Dense, Conv1D/2D, DepthwiseConv1D/2D, SeparableConv1D/2D, BatchNormalization, ReLU, AveragePooling1D/2D, "
    "GlobalAveragePooling1D/2D, Add, Flatten, Reshape, ZeroPadding1D/2D, Rescaling, Normalization and Dropout"
)
_LAST = ("softmax", "sigmoid")
_LEAST_STD = 1e-7  # keras.config.epsilon(), which Normalization takes
_LIMITS = {"relu": None, "relu6": 6.0}

Handler = Callable[[Graph, Any, Value], Value]
"""From graph, layer and what it reads to what it gives."""


def applied(graph: Graph, layer: Any, values: list[Value]) -> Value:
    """What a layer, or an operation such as ``+``, gives.

    Args:
        graph: Gets the nodes.
        layer: Of Keras.
        values: What it reads; more than one for an addition.

    Raises:
        RefusedModelError: It has no form in spikes.
    """
    kind = type(layer).__name__
    for value in values:
        graph.refuse_after_last(layer.name, value)
    if kind == "Add":
        return _added(graph, layer, values)
    handler = HANDLERS.get(kind)
    if handler is None and kind.startswith("Random"):
        handler = _passed  # augmentation: only in training
    if handler is None or len(values) != 1:
        raise RefusedModelError(
            f"spiking: layer {layer.name} ({kind}) has no form in spikes, expected {SUPPORTED}; replace it, or leave "
            "the recipe's section spiking out"
        )
    if getattr(layer, "data_format", "channels_last") not in (None, "channels_last"):
        raise RefusedModelError(f"spiking: layer {layer.name} has its channels first, expected them last")
    value = handler(graph, layer, values[0])
    function = getattr(layer, "activation", None)
    return value if function is None or kind == "ReLU" else _activated(graph, layer, value, function)


def _activated(graph: Graph, layer: Any, value: Value, function: Any) -> Value:
    name = getattr(function, "__name__", type(function).__name__).lower()
    if name == "linear":
        return value
    if name in _LIMITS:
        return graph.fired(layer.name, value, _LIMITS[name])
    if name in _LAST:
        return replace(graph.linear(layer.name, value), is_last=True)
    raise RefusedModelError(
        f"spiking: layer {layer.name} ({type(layer).__name__}) has the activation {name}, expected relu, or softmax at "
        "the end; train the network with ReLU"
    )


def _activation(graph: Graph, layer: Any, value: Value) -> Value:
    return value  # applied by ``applied``, as that of every layer


def _softmax(graph: Graph, layer: Any, value: Value) -> Value:
    return replace(graph.linear(layer.name, value), is_last=True)


def _relu(graph: Graph, layer: Any, value: Value) -> Value:
    if layer.negative_slope or layer.threshold:
        raise RefusedModelError(
            f"spiking: layer {layer.name} (ReLU) has a negative slope or a threshold, expected neither"
        )
    return graph.fired(layer.name, value, None if layer.max_value is None else float(layer.max_value))


def _passed(graph: Graph, layer: Any, value: Value) -> Value:
    return value


def _added(graph: Graph, layer: Any, values: list[Value]) -> Value:
    if len(values) < len(("one", "other")):
        raise RefusedModelError(
            f"spiking: layer {layer.name} adds a constant, expected a sum of two layers; put it into the bias of the "
            "layer before"
        )
    sums = [graph.linear(layer.name, value) for value in values]
    if len({one.shape for one in sums}) != 1:
        raise RefusedModelError(
            f"spiking: layer {layer.name} adds {' and '.join(str(one.shape) for one in sums)}, expected equal shapes"
        )
    synapses = tuple(synapse for one in sums for synapse in one.synapses)
    bias = np.asarray(sum(one.bias for one in sums), np.float32)
    return Linear(name=layer.name, synapses=synapses, bias=bias, shape=sums[0].shape, view=sums[0].view)


def _normalised(graph: Graph, layer: Any, value: Value) -> Value:
    """Batch normalisation with the statistics that it has."""
    axis = layer.axis[0] if isinstance(layer.axis, list | tuple) else layer.axis
    if axis not in (-1, len(value.view)):
        raise RefusedModelError(f"spiking: layer {layer.name} normalises axis {axis}, expected the channels, the last")
    variance, mean = np.asarray(layer.moving_variance), np.asarray(layer.moving_mean)
    gamma = np.asarray(layer.gamma) if layer.scale else 1.0
    scale: Floats = np.asarray(gamma / np.sqrt(variance + layer.epsilon), np.float32)
    beta = np.asarray(layer.beta) if layer.center else 0.0
    return _scaled(layer, value, scale, np.asarray(beta - mean * scale, np.float32))


def _rescaled(graph: Graph, layer: Any, value: Value) -> Value:
    width = value.view[-1]
    scale = np.broadcast_to(np.asarray(layer.scale, np.float32), (width,))
    return _scaled(layer, value, scale, np.broadcast_to(np.asarray(layer.offset, np.float32), (width,)))


def _standardised(graph: Graph, layer: Any, value: Value) -> Value:
    """Normalization: with the mean and variance that the layer has learnt from data."""
    width = value.view[-1]
    mean, variance = (np.asarray(one, np.float32).reshape(-1) for one in (layer.mean, layer.variance))
    if layer.invert or len(mean) not in (1, width):
        raise RefusedModelError(
            f"spiking: layer {layer.name} (Normalization) has {len(mean)} means or is inverted, expected one mean for "
            "each channel; do it in input.preprocess"
        )
    scale = np.asarray(np.broadcast_to(1.0 / np.maximum(np.sqrt(variance), _LEAST_STD), (width,)), np.float32)
    return _scaled(layer, value, scale, np.asarray(-mean * scale, np.float32))


def _scaled(layer: Any, value: Value, scale: Floats, offset: Floats) -> Value:
    if isinstance(value, Signal) and any(value.padding):
        raise RefusedModelError(f"spiking: layer {layer.name} scales padded values, expected it before the padding")
    if isinstance(value, Linear) and value.view[-1] != value.shape[2]:
        raise RefusedModelError(
            f"spiking: layer {layer.name} follows a Flatten without activation, expected one before"
        )
    return value.affine(scale, offset)


def _dense(graph: Graph, layer: Any, value: Value) -> Value:
    kernel = np.asarray(layer.kernel, np.float32)
    bias = np.asarray(layer.bias, np.float32) if layer.use_bias else np.zeros(kernel.shape[1], np.float32)
    if isinstance(value, Linear):
        return value.pointwise(layer.name, kernel, bias)
    if len(value.view) > 1:  # Keras lets a dense layer work at every place
        shape = graph.shape_of(value, layer.name)
        here = FloatSynapses(source=value.node, kind="conv", weight=kernel[None, None])
        return graph.mapped(layer.name, value, here, bias, (*shape[:2], kernel.shape[1]))
    graph.whole(value, layer.name)
    synapses = FloatSynapses(source=value.node, kind="dense", weight=kernel)
    return graph.mapped(layer.name, value, synapses, bias, (1, 1, kernel.shape[1]))


def _flattened(graph: Graph, layer: Any, value: Value) -> Value:
    return _reshaped_to(layer, value, (math.prod(value.view),))


def _reshaped(graph: Graph, layer: Any, value: Value) -> Value:
    count = math.prod(value.view)
    known = math.prod(side for side in layer.target_shape if side != -1)
    return _reshaped_to(layer, value, tuple(count // known if side == -1 else side for side in layer.target_shape))


def _reshaped_to(layer: Any, value: Value, view: tuple[int, ...]) -> Value:
    if isinstance(value, Linear) and picture(view) != value.shape:
        raise RefusedModelError(
            f"spiking: layer {layer.name} reshapes {value.shape} before an activation, expected it after one"
        )
    if isinstance(value, Signal) and any(value.padding):
        raise RefusedModelError(f"spiking: layer {layer.name} reshapes padded values, expected a convolution first")
    return value.seen_as(layer.name, view) if isinstance(value, Signal) else replace(value, view=view)


def _pooled(graph: Graph, layer: Any, value: Value) -> Value:
    return graph.pooled(layer.name, value, _windows(layer))


def _maximum(graph: Graph, layer: Any, value: Value) -> Value:
    return graph.thinned(layer.name, value, _windows(layer))


def _maximum_whole(graph: Graph, layer: Any, value: Value) -> Value:
    raise RefusedModelError(
        f"spiking: {layer.name} is a maximum pooling of the whole picture, which has no form in spike counts; use "
        "global average pooling"
    )


def _pooled_whole(graph: Graph, layer: Any, value: Value) -> Value:
    shape = picture(value.view)
    windows = Windows(size=shape[:2], stride=shape[:2], is_same=False)
    view = (*(1 for _ in value.view[:-1]), shape[2]) if layer.keepdims else (shape[2],)
    return graph.pooled(layer.name, value, windows, view)


def _bordered(graph: Graph, layer: Any, value: Value) -> Value:
    if not isinstance(value, Signal) or value.offset is not None:
        raise RefusedModelError(f"spiking: layer {layer.name} pads before an activation, expected it after one")
    sides = layer.padding if isinstance(layer.padding[0], list | tuple) else ((0, 0), layer.padding)
    (top, bottom), (left, right) = sides
    old = value.padding
    return replace(value, padding=(old[0] + top, old[1] + bottom, old[2] + left, old[3] + right))


def _windows(layer: Any) -> Windows:
    size, stride = tuple(layer.pool_size), tuple(layer.strides)
    whole = (1, size[0]) if len(size) == 1 else (size[0], size[1])
    step = (1, stride[0]) if len(stride) == 1 else (stride[0], stride[1])
    return Windows(size=whole, stride=step, is_same=layer.padding == "same")


HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        "Dense": _dense,
        "Conv1D": convolution,
        "Conv2D": convolution,
        "DepthwiseConv1D": depthwise,
        "DepthwiseConv2D": depthwise,
        "SeparableConv1D": separable,
        "SeparableConv2D": separable,
        "BatchNormalization": _normalised,
        "Rescaling": _rescaled,
        "Normalization": _standardised,
        "ReLU": _relu,
        "Relu": lambda graph, layer, value: graph.fired(layer.name, value),  # keras.ops.relu
        "Relu6": lambda graph, layer, value: graph.fired(layer.name, value, 6.0),
        "Activation": _activation,
        "Softmax": _softmax,
        "AveragePooling1D": _pooled,
        "AveragePooling2D": _pooled,
        "GlobalAveragePooling1D": _pooled_whole,
        "GlobalAveragePooling2D": _pooled_whole,
        "GlobalMaxPooling1D": _maximum_whole,
        "GlobalMaxPooling2D": _maximum_whole,
        "MaxPooling1D": _maximum,
        "MaxPooling2D": _maximum,
        "Flatten": _flattened,
        "Reshape": _reshaped,
        "ZeroPadding1D": _bordered,
        "ZeroPadding2D": _bordered,
        **dict.fromkeys(
            (
                "Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise",
                "ActivityRegularization", "Identity",
            ),
            _passed,
        ),
    }
)  # fmt: skip
