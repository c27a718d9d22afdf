"""A TensorFlow process that learns nothing: it remembers its orders and gives the answers that a test wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.bench import Answer
from converter.keras_process.learning import Loss, Part
from converter.keras_process.process import KerasProcess
from converter.recipe import NetworkRecipe, TrainingRecipe

Answers = Callable[["FakeKeras", NDArray[np.float32]], NDArray[np.float32]]
"""Outputs (n, k) for inputs (n, ...), by what has been ordered so far."""


class FakeKeras(KerasProcess):
    """Knows how often it was trained, and on what.

    Args:
        answers: Outputs for inputs.
    """

    def __init__(self, answers: Answers) -> None:  # without the folder and the process that super() would make
        self.answers = answers
        self.networks: list[NetworkRecipe] = []
        self.schedules: list[tuple[TrainingRecipe, int, Loss, Part]] = []
        self.portions: list[dict[str, Any]] = []
        self.orders: list[str] = []

    def create(self, network: NetworkRecipe, shape: tuple[int, ...], classes: int, *, seed: int) -> None:
        self.networks.append(network)
        self.portions.clear()

    def schedule(self, recipe: TrainingRecipe, steps: int, *, loss: Loss = "classes", part: Part = "all") -> None:
        self.schedules.append((recipe, steps, loss, part))

    def begin_epoch(self, x: NDArray[np.float32], y: NDArray[np.int64], weight: NDArray[np.float32]) -> None:
        self.portions.append({"x": x, "y": y, "weight": weight})

    def end_epoch(self) -> float:
        return 1.0 / len(self.portions)

    def logits(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        return self.answers(self, x)

    def do(self, step: str, message: Any) -> Answer:
        self.orders.append(message.op)
        return Answer()


class AsTheyAre:
    """Inputs that need no preprocessing."""

    def batch(self, examples: NDArray[Any], /) -> NDArray[np.float32]:
        return np.asarray(examples, np.float32)
