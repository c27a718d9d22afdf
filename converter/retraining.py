"""How a retraining learns: the original data made to look like what the devices see, and what they delivered."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.progress import Progress
from converter.recipe import Recipe, TrainingRecipe
from converter.request import Retraining
from converter.training.mix import Epoch, EpochSource, augmented
from edge_models.manifest import InputSpec


def retraining_schedule(recipe: Recipe) -> TrainingRecipe:
    """The training section with the effort of a retraining; the blind arm has the same."""
    return dataclasses.replace(
        recipe.training, epochs=recipe.retrain.epochs, learning_rate=recipe.retrain.learning_rate
    )


def retraining_epochs(
    x: NDArray[Any],
    y: NDArray[np.int64],
    retraining: Retraining,
    recipe: Recipe,
    spec: InputSpec,
    progress: Progress,
) -> EpochSource:
    """Epochs of original and delivered frames."""
    del spec, progress
    samples = retraining.samples

    def epoch(_: int, rng: np.random.Generator) -> Epoch:
        frames = x if recipe.augment is None else augmented(x, recipe.augment, recipe.input.value_range, rng)
        if samples is None:
            return frames, y, np.ones(len(y), np.float32)
        picked = rng.integers(0, len(samples.y), len(y))
        more = samples.x[picked]
        if recipe.augment is not None:
            more = augmented(more, recipe.augment, recipe.input.value_range, rng)
        return np.concatenate([frames, more]), np.concatenate([y, samples.y[picked]]), np.ones(2 * len(y), np.float32)

    return epoch
