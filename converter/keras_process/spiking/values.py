"""What flows through a Keras graph while it is read: signals, and sums that nothing has rectified yet.

Everything linear between two activations becomes one map: batch normalisation, rescaling and pointwise layers behind
another linear one are multiplied into its weights. No Keras here, only numpy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.bench import RefusedModelError
from converter.spiking.float_network import FloatSynapses
from edge_models.spiking.network import Shape

Floats = NDArray[np.float32]
View = tuple[int, ...]
"""The shape that Keras sees, without batch axis."""
Padding = tuple[int, int, int, int]
NO_PADDING: Padding = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signal:
    """The output of a node, scale * x + offset, with zeros around it.

    Attributes:
        node: Its index; 0 is the input.
        view: Its shape for Keras.
        scale: float32, one for each place of the view's last axis; None for 1.
        offset: The same; None for 0.
        padding: Zeros around: top, bottom, left, right.
    """

    node: int
    view: View
    scale: Floats | None = None
    offset: Floats | None = None
    padding: Padding = NO_PADDING

    def affine(self, scale: Floats, offset: Floats) -> Signal:
        """``scale`` times it, plus ``offset``, each (channels,)."""
        one = scale if self.scale is None else scale * self.scale
        zero = offset if self.offset is None else offset + scale * self.offset
        return replace(self, scale=one, offset=zero if np.any(zero) else None)

    def seen_as(self, name: str, view: View) -> Signal:
        """In another shape, for layer ``name``; scale and offset go along.

        Raises:
            RefusedModelError: They differ along an axis that is the last one no longer.
        """

        def along(values: Floats | None) -> Floats | None:
            if values is None or len(values) == view[-1]:
                return values
            if view[-1] % len(values) == 0:  # the channels of every place, as Flatten puts them
                return np.tile(values, view[-1] // len(values))
            if np.ptp(values) == 0:
                return np.full(view[-1], values[0], np.float32)
            raise RefusedModelError(
                f"spiking: layer {name} reshapes {self.view} to {view} behind a layer that scales each of its columns, "
                "expected one scale for all of them, or the scaling behind the reshaping"
            )

        return replace(self, view=view, scale=along(self.scale), offset=along(self.offset))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linear:
    """A sum of linear maps and a bias, before the activation.

    Attributes:
        name: Of the layer that it comes from.
        synapses: The maps, one of each branch of an addition.
        bias: (channels,) float32.
        shape: (height, width, channels).
        view: Its shape for Keras.
        is_last: A softmax or sigmoid was taken off: nothing may follow.
    """

    name: str
    synapses: tuple[FloatSynapses, ...]
    bias: Floats
    shape: Shape
    view: View
    is_last: bool = False

    def affine(self, scale: Floats, offset: Floats) -> Linear:
        """``scale`` times it, plus ``offset``, each (channels,): what folds batch normalisation."""
        scaled = tuple(replace(one, weight=one.weight * scale) for one in self.synapses)
        return replace(self, synapses=scaled, bias=self.bias * scale + offset)

    def pointwise(self, name: str, kernel: Floats, bias: Floats) -> Linear:
        """A matrix (channels, channels out) behind it, at every place: both are one map."""
        maps = tuple(
            replace(one, kind="conv", weight=one.weight[..., None] * kernel)
            if one.kind == "depthwise"
            else replace(one, weight=one.weight @ kernel)
            for one in self.synapses
        )
        width = kernel.shape[-1]
        return Linear(
            name=name,
            synapses=maps,
            bias=self.bias @ kernel + bias,
            shape=(*self.shape[:2], width),
            view=(*self.view[:-1], width),
        )


Value = Signal | Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Where a convolution or a pooling looks: rows, columns."""

    size: tuple[int, int]
    stride: tuple[int, int]
    is_same: bool

    def over(self, shape: Shape) -> tuple[tuple[int, int], Padding]:
        """Height and width of the result, and the zeros that TensorFlow's ``same`` puts around the source."""
        sides, zeros = [], []
        for length, size, stride in zip(shape[:2], self.size, self.stride, strict=True):
            count = -(-length // stride) if self.is_same else (length - size) // stride + 1
            missing = max((count - 1) * stride + size - length, 0) if self.is_same else 0
            sides.append(count)
            zeros += [missing // 2, missing - missing // 2]
        return (sides[0], sides[1]), (zeros[0], zeros[1], zeros[2], zeros[3])


def picture(view: View) -> Shape:
    """(height, width, channels) of what Keras sees; a signal of one dimension has height 1."""
    if len(view) > len(("height", "width", "channels")):
        raise RefusedModelError(f"spiking: found a tensor of shape {view}, expected at most (height, width, channels)")
    whole = (*(1 for _ in range(3 - len(view))), *view)
    return (whole[0], whole[1], whole[2])


def padded(shape: Shape, padding: Padding) -> Shape:
    """The shape with zeros around it."""
    top, bottom, left, right = padding
    return shape[0] + top + bottom, shape[1] + left + right, shape[2]


def identity(node: int, channels: int) -> FloatSynapses:
    """What passes a node on as it is."""
    return FloatSynapses(source=node, kind="depthwise", weight=np.ones((1, 1, channels), np.float32))


def strided(linear: Linear, windows: Windows, sources: tuple[Shape, ...]) -> Linear | None:
    """The sum only at the first place of every window: what stands in for a maximum; None where that cannot be.

    Args:
        linear: What the windows go over.
        windows: Of the pooling.
        sources: Shape of the source of each synapse.
    """
    (height, width), _ = windows.over(linear.shape)
    thinned = []
    for one, source in zip(linear.synapses, sources, strict=True):
        if one.kind == "dense":
            return None
        rows = _thinned(source[0], one.weight.shape[0], one.stride[0] * windows.stride[0], one.padding[0], height)
        columns = _thinned(source[1], one.weight.shape[1], one.stride[1] * windows.stride[1], one.padding[2], width)
        if rows is None or columns is None:
            return None
        stride = (one.stride[0] * windows.stride[0], one.stride[1] * windows.stride[1])
        thinned.append(replace(one, stride=stride, padding=(one.padding[0], rows, one.padding[2], columns)))
    shape = (height, width, linear.shape[2])
    return replace(linear, synapses=tuple(thinned), shape=shape, view=shape[3 - len(linear.view) :])


def _thinned(length: int, size: int, stride: int, before: int, count: int) -> int | None:
    """Zeros after the source, so that exactly ``count`` places are left."""
    after = max((count - 1) * stride + size - length - before, 0)
    return after if (length + before + after - size) // stride + 1 == count else None


def flat_matrix(one: FloatSynapses, source: Shape) -> Floats | None:
    """The map to a single place as a matrix (inputs, outputs); None when it does not see the whole source."""
    if one.kind == "dense":
        return one.weight
    if one.weight.shape[:2] != source[:2] or any(one.padding):
        return None
    if one.kind == "conv":
        return one.weight.reshape(-1, one.weight.shape[-1])
    channels = source[2]
    spread = one.weight[..., None] * np.eye(channels, dtype=np.float32)
    return spread.reshape(math.prod(source), channels)
