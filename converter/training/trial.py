"""One training that is judged and thrown away: a fold of a cross-validation, or a trial of a search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.learning import Loss
from converter.keras_process.process import KerasProcess
from converter.preparation import Prepared
from converter.progress import Progress
from converter.recipe import Recipe
from converter.training.course import outputs_of, train
from converter.training.fit import Stage
from converter.training.mix import plain_epochs
from converter.training.networks import check_network
from converter.training.watched import judged

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What a training reached on examples that it has not learnt from.

    Attributes:
        loss: Cross-entropy, or mean squared error of the reconstruction.
        accuracy: None for a reconstruction.
    """

    loss: float
    accuracy: float | None

    @property
    def value(self) -> float:
        """The higher the better: the accuracy, or the loss with its sign turned."""
        return -self.loss if self.accuracy is None else self.accuracy


@dataclass(frozen=True, slots=True, kw_only=True)
class Within:
    """Progress of one of several trainings, as a part of the whole.

    Attributes:
        whole: Who is told.
        stage: Of the whole.
        number: Of this training, from 0.
        count: Of all trainings.
    """

    whole: Progress
    stage: str
    number: int
    count: int

    def step(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """Tell of one epoch."""
        said = f"{self.number + 1} of {self.count}, {stage}: {detail}"
        self.whole.step(self.stage, self.number * total + done, self.count * total, said)


def tried(
    keras: KerasProcess,
    recipe: Recipe,
    prepared: Prepared,
    learn: Indices,
    held: Indices,
    progress: Progress,
    stage: Stage | None = None,
) -> Judged:
    """Train a new model on some examples and judge it on others; in floating point, without pre-training.

    Args:
        keras: Gets the model; the one that it had is gone.
        recipe: Network and training.
        prepared: The examples.
        learn: Those to learn from.
        held: Those to judge by.
        progress: Told after each epoch.
        stage: Name and watch of the run.
    """
    x, y = prepared.data.x[learn], prepared.data.y[learn]
    shape = prepared.preprocess.output_shape
    check_network(recipe.network, shape)
    keras.create(recipe.network, shape, outputs_of(recipe, shape, len(prepared.data.labels)), seed=recipe.training.seed)
    inputs, classes = prepared.inputs(held), prepared.data.y[held]
    epochs = plain_epochs(x, y, recipe.augment, recipe.input.value_range)
    train(keras, recipe, epochs, (inputs, classes), prepared.preprocess, progress, stage=stage)
    loss: Loss = "reconstruction" if recipe.task == "anomaly" else "classes"
    found, accuracy = judged(keras.logits(inputs), inputs, classes, loss)
    return Judged(loss=found, accuracy=accuracy)
