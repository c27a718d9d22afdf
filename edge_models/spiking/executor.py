"""The port of everything that runs a spiking network; all executors give the same integers for the same input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpikingAnswer:
    """What a network says to one frame.

    Attributes:
        logits: int32 (classes,), in units of the readout's scale / levels.
        counts: int32 (features,), what the readout read: spike counts over all steps, flattened in C order.
        steps: Time steps that were really run; less than the network's with early exit.
    """

    logits: NDArray[np.int32]
    counts: NDArray[np.int32]
    steps: int


class Executor(Protocol):
    """Runs one network, one frame at a time, in one thread."""

    @property
    def name(self) -> str:
        """Which executor this is, such as ``numpy``, ``c``, ``c-delta`` or ``collapsed``."""

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run one frame.

        Args:
            x: Centred codes, int32 of the network's ``input_shape``.
        """

    def close(self) -> None:
        """Free what it holds; a second call does nothing."""


class DeltaExecutor(Executor, Protocol):
    """Keeps its accumulators from frame to frame and propagates only what has changed: exact, and the faster the less
    there is to propagate.
    """

    def run_delta(self, x: NDArray[np.int32], threshold: int = 0) -> SpikingAnswer:
        """Run the next frame of a stream; the answer is that of ``run``.

        Args:
            x: As for ``run``.
            threshold: An input that differs from the value last taken by less is taken as unchanged; 0 and 1 are exact.
        """

    def reset(self) -> None:
        """Forget the stream: the next frame is its first one."""


class EarlyExecutor(Executor, Protocol):
    """Can stop a network with coding ``if`` as soon as its answer is decided."""

    def run_early(self, x: NDArray[np.int32], margin: int) -> SpikingAnswer:
        """Stop after step t when the two largest logits differ by at least ``margin`` * t.

        Args:
            x: As for ``run``.
            margin: Of one step, in the units of the accumulators.

        Returns:
            The answer after ``steps`` steps; its logits are in units of the readout's scale / steps.
        """


class StreamExecutor(DeltaExecutor, EarlyExecutor, Protocol):
    """What the C kernel is."""
