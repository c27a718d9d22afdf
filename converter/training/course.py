"""The whole training of a recipe: in one go, the head of a transferred network first, or not at all."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.process import KerasProcess
from converter.progress import Progress
from converter.recipe import Recipe, SavedRecipe, TrainingRecipe, TransferRecipe
from converter.training.augment import Masked
from converter.training.fit import Curve, Stage, fit
from converter.training.inputs import Inputs
from converter.training.mix import EpochSource

Validation = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Preprocessed inputs (n, ...) and classes (n,) to watch the training on."""


def train(
    keras: KerasProcess,
    recipe: Recipe,
    epochs: EpochSource,
    validation: Validation,
    preprocess: Inputs,
    progress: Progress,
    *,
    schedule: TrainingRecipe | None = None,
    stage: Stage | None = None,
) -> Curve:
    """Train the model that ``keras`` has made of ``recipe.network``.

    A saved model without ``fine_tune`` stays as it is. A transferred network learns in two stages: its head on the
    frozen backbone for ``frozen_epochs``, then everything but the statistics of batch normalisation, with a smaller
    rate, for the epochs of the schedule; with 0 of them the backbone stays as it is.

    Args:
        keras: Holds the model.
        recipe: Task, network, augmentation and training.
        epochs: Makes the frames of each epoch, in random order.
        validation: What to watch the training on.
        preprocess: From frames to inputs.
        progress: Told after each epoch.
        schedule: In place of ``recipe.training``, as a retraining has it.
        stage: Name and watch of the run; its loss follows from the task.
    """
    schedule = schedule or recipe.training
    network = recipe.network
    if isinstance(network, SavedRecipe) and not network.fine_tune:
        return Curve()
    stage = dataclasses.replace(stage or Stage(), loss="reconstruction" if recipe.task == "anomaly" else "classes")
    inputs = _masked(recipe, preprocess, schedule)
    if not isinstance(network, TransferRecipe):
        return fit(keras, epochs, validation, inputs, schedule, progress, stage)
    head = dataclasses.replace(stage, name="head", part="head", watch=None)
    first = dataclasses.replace(schedule, epochs=network.frozen_epochs)
    then = dataclasses.replace(schedule, learning_rate=schedule.learning_rate * network.fine_tune_rate)
    curve = fit(keras, epochs, validation, inputs, first, progress, head)
    return curve.followed_by(
        fit(keras, epochs, validation, inputs, then, progress, dataclasses.replace(stage, part="fine"))
    )


def outputs_of(recipe: Recipe, shape: tuple[int, ...], labels: int) -> int:
    """Numbers that the model gives for an input of this shape: one for each label, or the whole input again."""
    return int(np.prod(shape)) if recipe.task == "anomaly" else labels


def _masked(recipe: Recipe, preprocess: Inputs, schedule: TrainingRecipe) -> Inputs:
    if recipe.augment is None or not recipe.augment.spec_mask:
        return preprocess
    return Masked(preprocess, recipe.augment, np.random.default_rng([schedule.seed, 1]))
