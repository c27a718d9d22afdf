"""The port every engine implements, and the one way to run it on real values.

An engine speaks stored codes without a batch axis; ``infer`` puts quantisation around it, so that no engine and no
caller has its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edge_models.errors import InputError
from edge_models.quantize import dequantize, quantize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.manifest import OutputSpec
    from edge_models.tensors import TensorSpec


class Engine(Protocol):
    """Runs one artifact, one frame at a time, in one thread."""

    @property
    def name(self) -> str:
        """Which engine this is, as in ``Artifact.engine``."""

    @property
    def runtime(self) -> str:
        """Runtime and version that really run the artifact, such as ``ai-edge-litert 2.3.0``."""

    @property
    def executor(self) -> str:
        """How that runs it at the moment, such as ``interpreter``, ``collapsed``, ``c``, ``c-delta`` or ``numpy``."""

    @property
    def note(self) -> str:
        """Why it is slower than it could be here, one line for people; empty where nothing is missing."""

    @property
    def input(self) -> TensorSpec:
        """What ``run`` takes."""

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """What ``run`` gives, in the order of the artifact."""

    def run(self, codes: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run one frame.

        Args:
            codes: Exactly ``input.shape`` and ``input.dtype``.

        Returns:
            One array in stored codes for each output's name; the caller owns it, a later run does not change it.

        Raises:
            InputError: Another shape or dtype.
            UnsupportedArtifactError: The runtime gave up on the model.
            RuntimeError: The engine is closed.
        """

    def close(self) -> None:
        """Free the runtime's memory; a second call does nothing."""


def infer(engine: Engine, x: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Quantise one preprocessed frame, run it and return real values by output name.

    A frame with as many numbers as the engine's input but other axes (an image for a dense network, a window with a
    channel axis) is reshaped in C order.

    Raises:
        InputError: Another number of values.
    """
    if x.size != math.prod(engine.input.shape):
        raise InputError(f"model input has shape {x.shape} after preprocessing, expected {engine.input.shape}")
    codes = engine.run(quantize(x.reshape(engine.input.shape), engine.input))
    return {output.name: dequantize(codes[output.name], output.spec) for output in engine.outputs}
