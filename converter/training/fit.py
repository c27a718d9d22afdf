"""The training loop: epochs made by a function, AdamW on a cosine, the best weights on the profile part kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.progress import Progress
from converter.recipe import TrainingRecipe
from converter.training.mix import EpochSource
from edge_models.preprocess import Preprocessor


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Training curves, one value for each epoch."""

    loss: tuple[float, ...]
    accuracy: tuple[float, ...]  # on the validation part


def fit(
    model: Any,  # noqa: ANN401 - keras.Model
    epochs: EpochSource,
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    preprocess: Preprocessor,
    recipe: TrainingRecipe,
    progress: Progress,
) -> Curve:
    """Train ``model`` in place.

    Args:
        model: Gives logits.
        epochs: Makes the frames of each epoch.
        validation: Preprocessed inputs and classes that choose the best epoch among the last ones.
        preprocess: From frames to inputs.
        recipe: Number of epochs, batch, rates, seed.
        progress: Told after each epoch.
    """
    import keras

    rng = np.random.default_rng(recipe.seed)
    first = epochs(0, rng)
    steps = recipe.epochs * math.ceil(len(first[1]) / recipe.batch)
    model.compile(
        optimizer=keras.optimizers.AdamW(
            keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps, alpha=0.02), weight_decay=recipe.l2
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    losses, accuracies = [], []
    best, best_weights = -1.0, None
    for number in range(recipe.epochs):
        x, y, weight = first if number == 0 else epochs(number, rng)
        history = model.fit(
            preprocess.batch(x), y, sample_weight=weight, batch_size=recipe.batch, verbose=0, shuffle=True
        )
        accuracy = float((predict(model, validation[0]).argmax(axis=1) == validation[1]).mean())
        losses.append(float(history.history["loss"][0]))
        accuracies.append(accuracy)
        if accuracy >= best and number >= recipe.epochs // 2:
            best, best_weights = accuracy, model.get_weights()
        progress.step("train", number + 1, recipe.epochs, f"loss {losses[-1]:.3f}, validation accuracy {accuracy:.3f}")
    if best_weights is not None:
        model.set_weights(best_weights)
    return Curve(loss=tuple(losses), accuracy=tuple(accuracies))


def predict(model: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:  # noqa: ANN401 - keras.Model
    """Logits (n, classes) of preprocessed inputs (n, ...)."""
    return np.concatenate([np.asarray(model(x[i : i + 512], training=False)) for i in range(0, len(x), 512)])


def seed_everything(seed: int) -> None:
    """Make Keras, TensorFlow, numpy's and Python's generators repeat themselves."""
    import keras

    keras.utils.set_random_seed(seed)
