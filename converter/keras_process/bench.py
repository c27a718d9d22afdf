"""What the TensorFlow process holds between orders, and the form of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edge_models.fields import described
from edge_models.npz import read_npz

MAX_ARRAY_BYTES = 8 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One line back."""

    error: str | None = described("Why it was not done; null when it was.", default=None)
    refused: str | None = described("What about the model makes it impossible, and the remedy.", default=None)
    loss: float | None = described("Mean loss of the epoch.", default=None)
    figures: dict[str, float] = described("What else was found out, by name.", default_factory=dict)


class RefusedModelError(Exception):
    """The model is at fault, and its owner can mend it; the text says how, and the user sees it as it is."""


class Bench:
    """The state of the process.

    Attributes:
        model: The ``keras.Model`` in work; its output is the logits, or the reconstruction.
        batch: Examples in a step of the schedule.
        memory: What a module of orders keeps for itself between its orders, by the module's own key.
    """

    def __init__(self) -> None:
        self.model: Any = None
        self.batch = 1
        self.memory: dict[str, Any] = {}


def arrays(file: str, *names: str) -> dict[str, NDArray[Any]]:
    """Arrays that the parent has written."""
    return read_npz(Path(file), max_bytes=MAX_ARRAY_BYTES, names=names)
