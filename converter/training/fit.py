"""The training loop: epochs made by a function, learnt by the TensorFlow process while the next one is being made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.keras_process.process import KerasProcess
from converter.progress import Progress
from converter.recipe import TrainingRecipe
from converter.training.inputs import Inputs
from converter.training.mix import EpochSource
from converter.training.watched import Curve, Stage, Watched

__all__ = ["Curve", "Stage", "fit"]

PORTION_BYTES = 128 << 20  # of float32 inputs handed over at once, so that neither process holds a whole large epoch


def fit(
    keras: KerasProcess,
    epochs: EpochSource,
    validation: tuple[NDArray[np.float32], NDArray[np.int64]],
    preprocess: Inputs,
    recipe: TrainingRecipe,
    progress: Progress,
    stage: Stage = Stage(),  # noqa: B008 - frozen
) -> Curve:
    """Train the model of ``keras``; the rate ends near 0, so without ``patience`` the last weights are kept.

    Args:
        keras: Gives logits or a reconstruction.
        epochs: Makes the frames of each epoch, in random order.
        validation: Preprocessed inputs and classes to watch the training on. With ``recipe.patience`` they decide when
            it ends and which weights are kept; otherwise they decide nothing.
        preprocess: From frames to inputs.
        recipe: Number of epochs, batch, rates, penalties, seed.
        progress: Told after each epoch.
        stage: What this run is for.
    """
    if not recipe.epochs:
        return Curve()
    watched = Watched(keras, validation, recipe, progress, stage)
    stream = _portions(epochs, preprocess, recipe)
    coming: _Portion | None = next(stream)
    keras.schedule(recipe, recipe.epochs * coming.steps if coming else 1, loss=stage.loss, part=stage.part)
    while coming is not None:
        portion = coming
        keras.begin_epoch(portion.x, portion.y, portion.weight)
        coming = next(stream, None)
        watched.learnt(keras.end_epoch(), len(portion.y))
        if portion.is_last and watched.epoch_ended():
            break
    return watched.curve()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Portion:
    """A piece of an epoch that is learnt at once; ``steps`` are those of the whole epoch."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    weight: NDArray[np.float32]
    steps: int
    is_last: bool


def _portions(epochs: EpochSource, preprocess: Inputs, recipe: TrainingRecipe) -> Iterator[_Portion]:
    """All epochs in portions of whole batches; the examples that are left over come another time."""
    rng = np.random.default_rng(recipe.seed)
    for number in range(recipe.epochs):
        frames, y, weight = epochs(number, rng)
        if recipe.balance:
            weight = weight * balancing(y)
        whole = max(len(y) // recipe.batch * recipe.batch, min(len(y), recipe.batch))
        bytes_each = preprocess.batch(frames[:1]).nbytes
        size = max(1, PORTION_BYTES // (bytes_each * recipe.batch)) * recipe.batch
        for start in range(0, whole, size):
            piece = slice(start, min(start + size, whole))
            yield _Portion(
                x=preprocess.batch(frames[piece]),
                y=y[piece],
                weight=weight[piece],
                steps=-(-whole // recipe.batch),
                is_last=start + size >= whole,
            )


def balancing(y: NDArray[np.int64]) -> NDArray[np.float32]:
    """A weight for each example (n,), so that all classes that occur weigh the same; their mean is 1.

    Examples:
        >>> balancing(np.array([0, 0, 2])).tolist()
        [0.75, 0.75, 1.5]
    """
    _, members, counts = np.unique(y, return_inverse=True, return_counts=True)
    return np.asarray(len(y) / (len(counts) * counts[members]), np.float32)
