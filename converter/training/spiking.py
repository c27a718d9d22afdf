"""Fine-tuning of a trained network for spikes: first for the levels of counts, then for spikes step by step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from converter.errors import DatasetError
from converter.keras_process.process import KerasProcess
from converter.keras_process.spiking.tuning import EndTuning, TuneSpiking, TuneSteps
from converter.progress import Progress
from converter.recipe.spiking import SpikingRecipe, SpikingTrainingRecipe
from converter.spiking.extract import extract
from converter.spiking.float_archive import from_npz, to_npz
from converter.spiking.float_network import FloatNetwork
from converter.training.watched import Curve

TOLD_EVERY = 50
"""Updates between two words of progress, and between two values of a curve."""


def fine_tune(
    keras: KerasProcess,
    recipe: SpikingRecipe,
    inputs: NDArray[np.float32],
    y: NDArray[np.int64],
    progress: Progress,
    *,
    seed: int,
) -> tuple[FloatNetwork, Curve]:
    """The model of ``keras`` with activations of ``recipe.levels`` levels, and ceilings that were learnt.

    Args:
        keras: Holds the trained model, whose logits are learnt besides the labels; it stays as it is.
        recipe: Its section training says how long.
        inputs: Preprocessed, float32 (n, ...).
        y: Classes (n,).
        progress: Told every 50 updates.
        seed: Of the order of examples.

    Returns:
        The network, and the mean loss of every 50 updates.

    Raises:
        ModelError: A layer has no form in spike counts.
        DatasetError: Fewer examples than a batch.
        ConversionError: The loss grew beyond all bounds.
    """
    training = recipe.training or SpikingTrainingRecipe()
    network = extract(keras, max_pooling=recipe.max_pooling)
    tuning = _Tuning(keras, recipe, inputs, y, progress, seed)
    return tuning.run("spiking", network, training, recipe.levels, is_stepwise=False)


def surrogate(
    keras: KerasProcess,
    recipe: SpikingRecipe,
    network: FloatNetwork,
    inputs: NDArray[np.float32],
    y: NDArray[np.int64],
    progress: Progress,
    *,
    seed: int,
) -> tuple[FloatNetwork, Curve]:
    """The network after learning through its own spikes, for plain integrate-and-fire neurons.

    Args:
        keras: Holds the trained model, whose logits are learnt besides the labels; it stays as it is.
        recipe: Its section surrogate says how long; ``steps`` (or ``levels``) how many steps the spikes run.
        network: Where it starts, best the one that ``fine_tune`` made with about as many levels as steps.
        inputs: Preprocessed, float32 (n, ...).
        y: Classes (n,).
        progress: Told every 50 updates.
        seed: Of the order of examples.
    """
    training = recipe.surrogate or SpikingTrainingRecipe(learning_rate=5e-4, batch=64)
    tuning = _Tuning(keras, recipe, inputs, y, progress, seed)
    return tuning.run("surrogate", network, training, recipe.steps or recipe.levels, is_stepwise=True)


def check_batches(recipe: SpikingRecipe, examples: int) -> None:
    """Refuse batches that so many examples cannot fill.

    Raises:
        DatasetError: There are fewer; names the setting.
    """
    for where, training in (("training", recipe.training), ("surrogate", recipe.surrogate)):
        if training is not None:
            _check_batch(where, training, examples)


def _check_batch(where: str, training: SpikingTrainingRecipe, examples: int) -> None:
    if examples < training.batch:
        raise DatasetError(
            f"spiking.{where}.batch: found {training.batch} and {examples} examples, expected at least as many "
            "examples as a batch has; lower it"
        )


class _Tuning:
    """The loop of both."""

    def __init__(
        self,
        keras: KerasProcess,
        recipe: SpikingRecipe,
        inputs: NDArray[np.float32],
        y: NDArray[np.int64],
        progress: Progress,
        seed: int,
    ) -> None:
        self._keras, self._recipe, self._progress, self._seed = keras, recipe, progress, seed
        self._inputs, self._y = inputs, y

    def run(
        self, stage: str, network: FloatNetwork, training: SpikingTrainingRecipe, levels: int, *, is_stepwise: bool
    ) -> tuple[FloatNetwork, Curve]:
        """Make all updates."""
        _check_batch("surrogate" if is_stepwise else "training", training, len(self._inputs))
        self._progress.step(stage, 0, training.steps, f"{len(self._inputs)} examples, {levels} levels")
        teacher = self._keras.logits(self._inputs)
        begin = self._keras.folder / "spiking-begin.npz"
        begin.write_bytes(to_npz(network))
        message = TuneSpiking(
            network=str(begin),
            file=self._keras.write(x=self._inputs, y=self._y, teacher=teacher),
            levels=levels,
            is_stepwise=is_stepwise,
            steps=training.steps,
            batch=training.batch,
            learning_rate=training.learning_rate,
            calibration=self._recipe.calibration,
            seed=self._seed,
        )
        self._keras.do("preparing the fine-tuning for spikes", message)
        losses = self._losses(stage, training.steps)
        end = self._keras.folder / "spiking-end.npz"
        self._keras.do("fine-tuning for spikes", EndTuning(result=str(end)))
        return from_npz(end.read_bytes()), Curve(loss=tuple(losses))

    def _losses(self, stage: str, steps: int) -> list[float]:
        losses: list[float] = []
        for start in range(0, steps, TOLD_EVERY):
            count = min(TOLD_EVERY, steps - start)
            losses.append(self._keras.do("fine-tuning for spikes", TuneSteps(count=count)).loss or 0.0)
            self._progress.step(stage, start + count, steps, f"loss {losses[-1]:.3g}")
        return losses
