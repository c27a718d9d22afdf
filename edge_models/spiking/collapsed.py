"""The executor for stills where a TFLite runtime is: the whole network as one graph over integer-valued floats.

The graph holds the integers of the network and computes whole counts; while every sum stays below 2 ** 24 a float32 is
an exact integer, so that the answer is that of the other executors, bit for bit (``ranges.is_collapsible``). This file
knows the graph's border: input (height, width, channels) float32, outputs ``logits`` and ``counts`` by name. How it is
made is the converter's matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edge_models.errors import UnsupportedArtifactError
from edge_models.spiking.executor import SpikingAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_models.tensors import TensorSpec

LOGITS, COUNTS = "logits", "counts"


class GraphTensor(Protocol):
    """A tensor at the border of a graph."""

    @property
    def name(self) -> str:
        """As the file has it."""

    @property
    def spec(self) -> TensorSpec:
        """Shape without batch axis, and dtype."""


class Graph(Protocol):
    """What of ``edge_models.engines.tflite.TfliteModel`` is needed here."""

    @property
    def input(self) -> GraphTensor:
        """The input."""

    @property
    def outputs(self) -> Sequence[GraphTensor]:
        """In the order of what ``run`` gives."""

    def run(self, codes: NDArray[Any]) -> list[NDArray[Any]]:
        """Run one frame."""

    def close(self) -> None:
        """Free it."""


class Collapsed:
    """Runs the graph; an ``Executor``."""

    name = "collapsed"

    def __init__(self, graph: Graph, *, steps: int = 1) -> None:
        """Hold the graph's border against what a collapsed graph has.

        Args:
            graph: Becomes this object's.
            steps: What the answers say of time steps.

        Raises:
            UnsupportedArtifactError: Another number, name, shape or dtype of tensors.
        """
        names = [tensor.name for tensor in graph.outputs]
        if sorted(names) != [COUNTS, LOGITS]:
            raise UnsupportedArtifactError(
                f"collapsed graph has outputs {', '.join(names)[:200]}, expected {LOGITS} and {COUNTS}"
            )
        for tensor in (graph.input, *graph.outputs):
            axes = 3 if tensor is graph.input else 1
            if tensor.spec.dtype != "float32" or len(tensor.spec.shape) != axes:
                raise UnsupportedArtifactError(
                    f"{tensor.name[:100]} of the collapsed graph is {tensor.spec.dtype}{list(tensor.spec.shape)}, "
                    f"expected float32 of {axes} axes"
                )
        self._graph, self._steps = graph, steps
        self._logits, self._counts = names.index(LOGITS), names.index(COUNTS)
        self.input_shape = graph.input.spec.shape
        self.classes = graph.outputs[self._logits].spec.shape[0]
        self.features = graph.outputs[self._counts].spec.shape[0]

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run one frame; see the port."""
        answers = self._graph.run(x.astype(np.float32))
        logits, counts = (answers[i].astype(np.int32) for i in (self._logits, self._counts))
        return SpikingAnswer(logits=logits, counts=counts, steps=self._steps)

    def close(self) -> None:
        """Free the graph; a second call does nothing."""
        self._graph.close()
