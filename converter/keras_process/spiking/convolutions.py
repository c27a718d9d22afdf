"""Convolutions of Keras as maps of a spiking network: one dimension, dilation, groups and multipliers written out."""
# ruff: noqa: ANN401 - Keras is loaded late, so its layers have no static type here

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from converter.keras_process.bench import RefusedModelError
from converter.keras_process.spiking.graph import Graph
from converter.keras_process.spiking.values import Floats, Linear, Signal, Value, Windows, padded
from converter.spiking.float_network import FloatSynapses
from edge_models.spiking.network import SynapseKind


def convolution(graph: Graph, layer: Any, value: Value) -> Value:
    """Conv1D or Conv2D."""
    kernel = _whole(layer.kernel, layer.dilation_rate)
    if layer.groups > 1:
        kernel = _ungrouped(kernel, layer.groups)
    bias = _bias(layer, kernel.shape[-1])
    if isinstance(value, Linear):
        return _behind(layer, value, kernel[0, 0] if kernel.shape[:2] == (1, 1) else None, bias)
    return _mapped(graph, layer, value, "conv", kernel, bias)


def depthwise(graph: Graph, layer: Any, value: Value) -> Value:
    """DepthwiseConv1D or DepthwiseConv2D; with a multiplier as a convolution with zeros."""
    kernel = _whole(layer.kernel, layer.dilation_rate)
    bias = _bias(layer, kernel.shape[2] * kernel.shape[3])
    if not isinstance(value, Signal):
        return _behind(layer, value, None, bias)
    return _each_channel(graph, layer, value, kernel, bias)


def separable(graph: Graph, layer: Any, value: Value) -> Value:
    """SeparableConv1D or SeparableConv2D: nothing fires between its two, so they are one convolution."""
    if not isinstance(value, Signal):
        return _behind(layer, value, None, np.zeros(0, np.float32))
    kernel = _whole(layer.depthwise_kernel, layer.dilation_rate)
    spread = _each_channel(graph, layer, value, kernel, np.zeros(kernel.shape[2] * kernel.shape[3], np.float32))
    whole: Floats = _whole(layer.pointwise_kernel, (1,) * len(layer.strides))
    return spread.pointwise(layer.name, whole[0, 0], _bias(layer, whole.shape[-1]))


def _behind(layer: Any, value: Linear, points: Floats | None, bias: Floats) -> Linear:
    """A convolution behind another linear layer: only a pointwise one is one map with it."""
    if points is None or any(step != 1 for step in layer.strides):
        raise RefusedModelError(
            f"spiking: layer {layer.name} ({type(layer).__name__}) follows a layer without activation, expected a ReLU "
            "between them"
        )
    return value.pointwise(layer.name, points, bias)


def _each_channel(graph: Graph, layer: Any, value: Signal, kernel: Floats, bias: Floats) -> Linear:
    *_, channels, multiplier = kernel.shape
    if multiplier == 1:
        return _mapped(graph, layer, value, "depthwise", kernel[..., 0], bias)
    whole = np.zeros((*kernel.shape[:2], channels, channels, multiplier), np.float32)
    own = np.arange(channels)
    whole[:, :, own, own] = kernel
    return _mapped(graph, layer, value, "conv", whole.reshape(*kernel.shape[:2], channels, -1), bias)


def _mapped(graph: Graph, layer: Any, value: Signal, kind: SynapseKind, kernel: Floats, bias: Floats) -> Linear:
    if layer.padding == "causal":
        value = replace(value, padding=(0, 0, value.padding[2] + kernel.shape[1] - 1, value.padding[3]))
    shape = padded(graph.shape_of(value, layer.name), value.padding)
    stride = (1, *layer.strides)[-2:] if len(layer.strides) == 1 else tuple(layer.strides)
    windows = Windows(
        size=(kernel.shape[0], kernel.shape[1]), stride=(stride[0], stride[1]), is_same=layer.padding == "same"
    )
    (height, width), zeros = windows.over(shape)
    top, bottom, left, right = (before + now for before, now in zip(value.padding, zeros, strict=True))
    synapses = FloatSynapses(
        source=value.node, kind=kind, weight=kernel, stride=windows.stride, padding=(top, bottom, left, right)
    )
    return graph.mapped(layer.name, value, synapses, bias, (height, width, kernel.shape[-1]))


def _bias(layer: Any, count: int) -> Floats:
    return np.asarray(layer.bias, np.float32) if layer.use_bias else np.zeros(count, np.float32)


def _whole(kernel: Any, dilation: tuple[int, ...]) -> Floats:
    """(rows, columns, in, out) of a kernel of one or two dimensions, with the zeros of a dilated one."""
    found = np.asarray(kernel, np.float32)
    if found.ndim == len(("columns", "in", "out")):
        found, dilation = found[None], (1, *dilation)
    rows, columns = ((side - 1) * step + 1 for side, step in zip(found.shape[:2], dilation, strict=True))
    whole = np.zeros((rows, columns, *found.shape[2:]), np.float32)
    whole[:: dilation[0], :: dilation[1]] = found
    return whole


def _ungrouped(kernel: Floats, groups: int) -> Floats:
    """A convolution in groups as one over all channels, with zeros."""
    rows, columns, width, outputs = kernel.shape
    whole = np.zeros((rows, columns, width * groups, outputs), np.float32)
    each = outputs // groups
    for group in range(groups):
        outs = slice(group * each, (group + 1) * each)
        whole[:, :, group * width : (group + 1) * width, outs] = kernel[..., outs]
    return whole
