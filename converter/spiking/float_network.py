"""A network with batch normalisation folded away, in floating point: what training hands over to quantisation.

The graph is that of ``edge_models.spiking.network``, node by node; here activations are real numbers and a pool is a
mean. The child process that trains writes it, ``converter.spiking.integers`` turns it into integers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_models.spiking.network import Shape, SynapseKind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatSynapses:
    """A linear map; see ``edge_models.spiking.network.Synapses``.

    Attributes:
        source: Index of the node that it reads; 0 is the input.
        kind: dense, conv or depthwise.
        weight: float32, laid out as there. The identity of a residual addition is depthwise (1, 1, channels) of ones.
        stride: Rows, columns.
        padding: Zeros at top, bottom, left, right.
    """

    source: int
    kind: SynapseKind
    weight: NDArray[np.float32]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatNeurons:
    """A layer with ReLU, or, with a ceiling, with the clip-floor-shift activation of QCFS.

    Attributes:
        name: Of the activation's layer.
        shape: (height, width, channels).
        synapses: One, or the branches of an addition.
        bias: float32 (channels,).
        ceiling: float32 (channels,), the activation at the highest level (lambda of QCFS); None before it is known.
        limit: No activation is above it: 6 of ReLU6; None of ReLU.
    """

    name: str
    shape: Shape
    synapses: tuple[FloatSynapses, ...]
    bias: NDArray[np.float32]
    ceiling: NDArray[np.float32] | None
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatPool:
    """Means of windows, no padding."""

    name: str
    shape: Shape
    source: int
    size: tuple[int, int]
    stride: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatReadout:
    """The last dense layer, without activation."""

    name: str
    shape: Shape
    synapses: tuple[FloatSynapses, ...]
    bias: NDArray[np.float32]


FloatNode = FloatNeurons | FloatPool | FloatReadout


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FloatNetwork:
    """The whole network.

    Attributes:
        input_shape: (height, width, channels) of the preprocessed input.
        nodes: Node 1, 2, ...; the last is the readout.
    """

    input_shape: Shape
    nodes: tuple[FloatNode, ...]
