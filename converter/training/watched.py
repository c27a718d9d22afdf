"""How a training goes: its curves, when it has learnt enough, and which weights are kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.learning import Loss, Part, Recall, Remember
from converter.keras_process.process import KerasProcess
from converter.progress import Progress
from converter.recipe import TrainingRecipe

MAX_VALIDATED = 400  # examples that an epoch's accuracy is watched on
MAX_DECIDING = 4000  # the same where they decide when to stop

Watch = Callable[[int, float, float | None], bool]
"""Told epoch, validation loss and accuracy (None for a reconstruction) after each epoch; True ends the training."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one run of the training loop is for.

    Attributes:
        name: Of the progress.
        loss: What is made small.
        part: What learns.
        watch: Asked after each epoch whether it was enough; None for never.
    """

    name: str = "train"
    loss: Loss = "classes"
    part: Part = "all"
    watch: Watch | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Training curves, one value for each epoch.

    Attributes:
        loss: Of the training, with penalties and weights.
        accuracy: On the validation part; empty for a reconstruction.
        validation_loss: Cross-entropy, or mean squared error of the reconstruction, on the validation part.
        best: Epoch whose weights were kept, from 0; None for the last.
    """

    loss: tuple[float, ...] = ()
    accuracy: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()
    best: int | None = None

    def followed_by(self, other: Curve) -> Curve:
        """Both runs as one."""
        return Curve(
            loss=self.loss + other.loss,
            accuracy=self.accuracy + other.accuracy,
            validation_loss=self.validation_loss + other.validation_loss,
            best=None if other.best is None else len(self.loss) + other.best,
        )


class Watched:
    """Follows one run of the training loop.

    Args:
        keras: The model in training.
        validation: Preprocessed inputs and classes; never empty.
        recipe: Patience and number of epochs.
        progress: Told after each epoch.
        stage: What the run is for.
    """

    def __init__(
        self,
        keras: KerasProcess,
        validation: tuple[NDArray[np.float32], NDArray[np.int64]],
        recipe: TrainingRecipe,
        progress: Progress,
        stage: Stage,
    ) -> None:
        most = MAX_VALIDATED if recipe.patience is None and stage.watch is None else MAX_DECIDING
        some = slice(None, None, -(-len(validation[1]) // most))
        self._inputs, self._y = validation[0][some], validation[1][some]
        self._keras, self._recipe, self._progress, self._stage = keras, recipe, progress, stage
        self._portions: list[tuple[float, int]] = []
        self._losses: list[float] = []
        self._validated: list[tuple[float, float | None]] = []
        self._best: int | None = None

    def learnt(self, loss: float, count: int) -> None:
        """A portion of an epoch with so many examples has been learnt."""
        self._portions.append((loss, count))

    def epoch_ended(self) -> bool:
        """Judge the epoch; True when the training has to end."""
        losses, counts = zip(*self._portions, strict=True)
        self._portions = []
        self._losses.append(float(np.average(losses, weights=counts)))
        found = judged(self._keras.logits(self._inputs), self._inputs, self._y, self._stage.loss)
        self._validated.append(found)
        number = len(self._losses) - 1
        accuracy = "" if found[1] is None else f", validation accuracy {found[1]:.3f}"
        detail = f"loss {self._losses[-1]:.3g}, validation loss {found[0]:.3g}{accuracy}"
        self._progress.step(self._stage.name, number + 1, self._recipe.epochs, detail)
        is_enough = self._recipe.patience is not None and self._keep_best(number, self._recipe.patience)
        return is_enough or (self._stage.watch is not None and self._stage.watch(number, *found))

    def curve(self) -> Curve:
        """The curves so far; goes back to the best weights where they were kept."""
        if self._best is not None:
            self._keras.do("keeping the best weights", Recall())
        return Curve(
            loss=tuple(self._losses),
            accuracy=tuple(accuracy for _, accuracy in self._validated if accuracy is not None),
            validation_loss=tuple(loss for loss, _ in self._validated),
            best=self._best,
        )

    def _keep_best(self, number: int, patience: int) -> bool:
        """Remember the weights of the epoch if they are the best; True when there were none for too long."""
        if self._best is None or self._validated[number][0] < self._validated[self._best][0]:
            self._best = number
            self._keras.do("keeping the best weights", Remember())
        return number - self._best >= patience


def judged(
    outputs: NDArray[np.float32], inputs: NDArray[np.float32], y: NDArray[np.int64], loss: Loss
) -> tuple[float, float | None]:
    """Validation loss and accuracy of outputs (n, k) for inputs (n, ...) of classes (n,); no accuracy of a copy.

    Examples:
        >>> logits = np.log(np.array([[0.5, 0.5], [0.1, 0.9]], np.float32))
        >>> found, accuracy = judged(logits, logits, np.array([1, 1]), "classes")
        >>> round(found, 3), accuracy
        (0.399, 0.5)
    """
    exact = outputs.astype(np.float64)
    if loss == "reconstruction":
        return float(np.mean((exact - inputs.reshape(len(inputs), -1)) ** 2)), None
    shifted = exact - exact.max(axis=1, keepdims=True)
    likelihood = shifted[np.arange(len(y)), y] - np.log(np.exp(shifted).sum(axis=1))
    mean = float(-likelihood.mean())
    return mean if math.isfinite(mean) else math.inf, float((exact.argmax(axis=1) == y).mean())
