"""A network as a list of steps that any Keras can build: what the Keras 3 process writes and the Keras 2 one reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edge_models.fields import described

MAX_BYTES = 1 << 24

KEPT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Activation": ("activation",),
        "Add": (),
        "AveragePooling2D": ("pool_size", "strides", "padding"),
        "BatchNormalization": ("momentum", "epsilon", "center", "scale"),
        "Concatenate": ("axis",),
        "Conv2D": ("filters", "kernel_size", "strides", "padding", "activation", "use_bias"),
        "Dense": ("units", "activation", "use_bias"),
        "DepthwiseConv2D": ("kernel_size", "strides", "padding", "depth_multiplier", "activation", "use_bias"),
        "Dropout": ("rate",),
        "Flatten": (),
        "GlobalAveragePooling2D": (),
        "MaxPooling2D": ("pool_size", "strides", "padding"),
        "ReLU": ("max_value",),
        "Reshape": ("target_shape",),
        "ZeroPadding2D": ("padding",),
    }
)
"""Layers that can be simulated, each with what of its configuration makes a difference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerStep:
    """One layer, applied once."""

    name: str = described("Of the layer.", max_length=1000)
    kind: str = described("Class of the layer.", max_length=100)
    config: str = described("JSON of what makes a difference.", max_length=100_000)
    inputs: tuple[int, ...] = described("Numbers of the steps whose outputs it takes; -1 is the network's input.")
    weights: int = described("Arrays that it has: STEP.0, STEP.1 and so on in the file of weights.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The network; its output is that of the last step."""

    shape: tuple[int, ...] = described("Of the input, without batch axis.")
    steps: tuple[LayerStep, ...] = described("In an order in which they can be applied.")
