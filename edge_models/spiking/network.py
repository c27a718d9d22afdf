"""A spiking network as integers: a directed graph of populations that exchange spike counts.

Node 0 is the input, centred codes x = code - zero_point. Every further node is a population of integrate-and-fire
neurons, a sum pool, or, as the last one, the readout. All tensors are (height, width, channels) in C order; a signal
of one dimension has height 1, a vector is (1, 1, n). A dense synapse reads its source flattened in C order.

With T = ``levels`` a count c of 0..T stands for the share c / T of the highest activation; average pooling is the sum
of counts, its divisor is in the weights behind it. In one population

    A = sum over its synapses of (weight * source) << shift        (first layer: T times that, the input is no count)
    c = clip(floor((A + T * bias + threshold // 2) / threshold), 0, T)

is what accumulate-then-fire computes. The readout does not fire: logits = A + T * bias, in units of scale / T.

References: Bu et al., Optimal ANN-SNN Conversion (ICLR 2022) for the activation; PASCAL (arXiv 2505.01730) and TPP
(arXiv 2502.14487) for accumulating before firing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edge_models.tensors import TensorSpec

Coding = Literal["atf", "radix", "if"]
"""``atf`` accumulate-then-fire, graded counts; ``radix`` the same in bit planes; ``if`` plain spikes, step by step."""
SynapseKind = Literal["dense", "conv", "depthwise"]
Shape = tuple[int, int, int]
"""(height, width, channels)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Synapses:
    """A linear map from the values of one node into the accumulators of another.

    Attributes:
        source: Index of the node that it reads, below the index of the node that it feeds.
        kind: dense, conv (cross-correlation) or depthwise (multiplier 1).
        weight: int8; dense (inputs, outputs), conv (rows, columns, channels in, channels out), depthwise (rows,
            columns, channels).
        stride: Rows, columns; (1, 1) for dense.
        padding: Zeros before and after: top, bottom, left, right.
        shift: What passes is multiplied by 2 ** shift, so that branches of different size share one accumulator.
    """

    source: int
    kind: SynapseKind
    weight: NDArray[np.int8]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    shift: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neurons:
    """A population that fires.

    Attributes:
        name: For people, unique in the network.
        shape: Of its counts.
        synapses: At least one; several are a residual addition.
        bias: int32 (channels,), the constant current of one step.
        threshold: int32 (channels,), at least 1.
    """

    name: str
    shape: Shape
    synapses: tuple[Synapses, ...]
    bias: NDArray[np.int32]
    threshold: NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Sums of the counts in windows, no padding; a global average is a window as large as the source.

    Attributes:
        name: For people, unique in the network.
        shape: Of the sums.
        source: Index of the node that it reads.
        size: Rows, columns of a window.
        stride: Rows, columns between windows.
    """

    name: str
    shape: Shape
    source: int
    size: tuple[int, int]
    stride: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Readout:
    """The last node: it integrates and never fires.

    Attributes:
        name: For people, unique in the network.
        shape: (1, 1, classes).
        synapses: Exactly one, dense.
        bias: int32 (classes,), the constant current of one step.
        scale: A logit is scale / levels times what the readout holds.
    """

    name: str
    shape: Shape
    synapses: tuple[Synapses, ...]
    bias: NDArray[np.int32]
    scale: float


Node = Neurons | Pool | Readout


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Network:
    """The whole network.

    Attributes:
        coding: How it is executed.
        steps: Time steps; for radix bit planes.
        input: Codes that the engine is given, their own shape; int8 or uint8 with a zero point.
        input_shape: The same as (height, width, channels).
        nodes: Node 1, 2, ...; the last is the readout.
    """

    coding: Coding
    steps: int
    input: TensorSpec
    input_shape: Shape
    nodes: tuple[Node, ...]

    @property
    def levels(self) -> int:
        """The largest count of a neuron, T in the formulas."""
        return (1 << self.steps) - 1 if self.coding == "radix" else self.steps

    @property
    def readout(self) -> Readout:
        """The last node."""
        last = self.nodes[-1]
        if not isinstance(last, Readout):
            raise TypeError(f"the last node is {last.name}, expected a readout")
        return last

    @property
    def features(self) -> int:
        """How many counts the readout reads."""
        return math.prod(self.shape_of(self.readout.synapses[0].source))

    def shape_of(self, index: int) -> Shape:
        """Shape of a node; 0 is the input."""
        return self.input_shape if index == 0 else self.nodes[index - 1].shape
