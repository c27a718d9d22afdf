"""One training with a few labels, judged on the artifact that devices would get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converter.datasets.split import stratified
from converter.keras_process.learning import Part
from converter.keras_process.process import KerasProcess
from converter.measure.running import loaded, outputs_of
from converter.preparation import Prepared
from converter.progress import SilentProgress
from converter.quantize.convert import convert
from converter.recipe import Recipe, TrainingRecipe
from converter.training.course import train
from converter.training.fit import Stage
from converter.training.mix import plain_epochs

Indices = NDArray[np.intp]
_QUIET = SilentProgress()
_CALIBRATED_SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to learn from few labels.

    Attributes:
        name: For tables and the report.
        training: How; every epoch has ``training.batch * steps`` examples, however few are different ones.
        start: Keras model whose weights it starts from; None for random ones.
        part: What learns.
    """

    name: str
    training: TrainingRecipe
    start: Path | None = None
    part: Part = "all"


def learnt(
    keras: KerasProcess, recipe: Recipe, prepared: Prepared, labelled: Indices, arm: Arm, *, steps: int
) -> float:
    """Learn from the labelled examples and return the accuracy on the profile part, in floating point.

    Args:
        keras: Gets the model; the one that it had is gone.
        recipe: Network and augmentation.
        prepared: The examples.
        labelled: Those whose labels may be seen.
        arm: How; its training's seed is that of weights, order and augmentation.
        steps: Of an epoch.
    """
    shape, classes = prepared.preprocess.output_shape, len(prepared.data.labels)
    training = arm.training
    if arm.start is None:
        keras.create(recipe.network, shape, classes, seed=training.seed)
    else:
        keras.load(arm.start, shape, classes, seed=training.seed)
    x, y = prepared.data.x[labelled], prepared.data.y[labelled]
    epochs = plain_epochs(x, y, recipe.augment, recipe.input.value_range, size=steps * training.batch)
    held, truth = prepared.inputs(prepared.parts.profile), prepared.data.y[prepared.parts.profile]
    watched = (held, truth)
    train(*(keras, recipe, epochs, watched, prepared.preprocess, _QUIET), schedule=training, stage=Stage(part=arm.part))
    return float((keras.logits(held).argmax(axis=1) == truth).mean())


def artifact_accuracy(keras: KerasProcess, recipe: Recipe, prepared: Prepared) -> float:
    """Convert the model of ``keras`` to int8 and return the artifact's accuracy on the test part.

    Examples of the training part set the ranges: that takes no labels.
    """
    part = prepared.parts.train
    chosen = stratified(prepared.data.y[part], recipe.quantize.calibration, _CALIBRATED_SEED)
    conversion = convert(keras, recipe.quantize, prepared.inputs(part[chosen]), modes=("int8",))
    with loaded(conversion.files["int8"]) as model:
        logits = outputs_of(model, prepared.inputs(prepared.parts.test), 0, "int8", _QUIET)
    return float((logits.argmax(axis=1) == prepared.data.y[prepared.parts.test]).mean())
