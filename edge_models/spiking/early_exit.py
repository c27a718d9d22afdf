"""Stop a network of plain spikes as soon as its answer is decided, and give that in the units of a full run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from edge_models.spiking.executor import SpikingAnswer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.spiking.executor import EarlyExecutor

EARLY_SUFFIX = "-early"


class EarlyExit:
    """Runs a network with coding ``if``; an ``Executor``.

    After step t of T the answer is that of t steps. It is multiplied by T / t and rounded, so that logits and counts
    mean the same as those of a full run; in integers, so that all executors still agree bit for bit.

    Args:
        executor: Becomes this object's.
        margin: See ``EarlyExecutor.run_early``.
        steps: Of a full run.
    """

    def __init__(self, executor: EarlyExecutor, margin: int, steps: int) -> None:
        self._executor, self._margin, self._steps = executor, margin, steps

    @property
    def name(self) -> str:
        """Name of the executor, with a suffix."""
        return self._executor.name + EARLY_SUFFIX

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run one frame until it is decided; see the port."""
        answer = self._executor.run_early(x, self._margin)
        if answer.steps == self._steps:
            return answer
        logits, counts = (self._full(values, answer.steps) for values in (answer.logits, answer.counts))
        return SpikingAnswer(logits=logits, counts=counts, steps=answer.steps)

    def close(self) -> None:
        """Close the executor."""
        self._executor.close()

    def _full(self, values: NDArray[np.int32], steps: int) -> NDArray[np.int32]:
        """Inside 32 bits, because T / t times what t steps can reach is what T steps can reach."""
        return ((values.astype(np.int64) * self._steps + steps // 2) // steps).astype(np.int32)
