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
