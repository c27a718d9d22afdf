"""The training loop: epochs made by a function, learnt by the TensorFlow process while the next one is being made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.datasets.windows import ExampleInputs
from converter.keras_process.process import KerasProcess
from converter.progress import Progress
from converter.recipe import TrainingRecipe
from converter.training.mix import EpochSource

MAX_VALIDATED = 400  # examples that an epoch's accuracy is watched on


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Training curves, one value for each epoch."""

    loss: tuple[float, ...]
    accuracy: tuple[float, ...]  # on the validation part


def fit(
    keras: KerasProcess,
    epochs: EpochSource,
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    preprocess: ExampleInputs,
    recipe: TrainingRecipe,
    progress: Progress,
) -> Curve:
    """Train the model of ``keras``; the rate ends near 0, so the last weights are the ones to keep.

    Args:
        keras: Gives logits.
        epochs: Makes the frames of each epoch, in random order.
        validation: Preprocessed inputs and classes to watch the training on; they decide nothing.
        preprocess: From frames to inputs.
        recipe: Number of epochs, batch, rates, seed.
        progress: Told after each epoch.
    """
    rng = np.random.default_rng(recipe.seed)
    watched = slice(None, None, -(-len(validation[1]) // MAX_VALIDATED))
    inputs, y = validation[0][watched], validation[1][watched]

    def prepared(number: int) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float32]]:
        frames, classes, weight = epochs(number, rng)
        whole = max(len(classes) // recipe.batch * recipe.batch, min(len(classes), recipe.batch))
        return preprocess.batch(frames[:whole]), classes[:whole], weight[:whole]

    coming = prepared(0)
    keras.schedule(recipe, recipe.epochs * -(-len(coming[1]) // recipe.batch))
    losses, accuracies = [], []
    for number in range(recipe.epochs):
        keras.begin_epoch(*coming)
        if number + 1 < recipe.epochs:
            coming = prepared(number + 1)
        losses.append(keras.end_epoch())
        accuracies.append(float((keras.logits(inputs).argmax(axis=1) == y).mean()))
        detail = f"loss {losses[-1]:.3f}, validation accuracy {accuracies[-1]:.3f}"
        progress.step("train", number + 1, recipe.epochs, detail)
    return Curve(loss=tuple(losses), accuracy=tuple(accuracies))
