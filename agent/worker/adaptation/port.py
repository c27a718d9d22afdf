"""What the worker asks of anything that learns on the device: the port behind which learners stand.

A learner only learns. Whether what it learnt is used, taken back or kept over a restart is the guard's business
(``agent.worker.adaptation.guard``), which is the same for every learner. Drift is always judged by what the artifact
itself says; nothing here reaches a detector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """What an artifact made of one input.

    Attributes:
        features: Its embedding, (f,); of a spiking network the counts that the readout reads.
        logits: Its answer, (c,): logits, or logarithms of probabilities.
    """

    features: NDArray[np.float32]
    logits: NDArray[np.float64]

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return self.features.nbytes + self.logits.nbytes


class Adaptation(Protocol):
    """Learns to correct one artifact's answers; one thread, no IO, no clock, no randomness of its own."""

    name: str

    def predict(self, example: Example) -> NDArray[np.float64]:
        """Corrected logits (c,); exactly ``example.logits`` for a learner that has learnt nothing."""

    def learn(self, example: Example, label: int) -> None:
        """Take the true class of an example; below c."""

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """A copy of all that was learnt, with the same names and shapes at any time."""

    def restore(self, weights: Weights) -> None:
        """Go back to what ``weights`` of a learner of this kind and size gave."""
