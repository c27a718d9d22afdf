"""One training with a few labels, judged on the artifact that devices would get."""

from __future__ import annotations

import dataclasses
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training has reached.

    Attributes:
        validation: Accuracy of the Keras model on the profile part.
        test: Accuracy of the int8 artifact on the test part; None where it was not asked for.
    """

    validation: float
    test: float | None


def trained(
    keras: KerasProcess,
    recipe: Recipe,
    prepared: Prepared,
    labelled: Indices,
    arm: Arm,
    *,
    steps: int,
    is_tested: bool = True,
) -> Trained:
    """Learn from the labelled examples, convert, and judge.

    Args:
        keras: Gets the model; the one that it had is gone.
        recipe: Network, augmentation and quantisation.
        prepared: The examples.
        labelled: Those whose labels may be seen; all of the training part may be calibrated with.
        arm: How; its training's seed is that of weights, order and augmentation.
        steps: Of an epoch.
        is_tested: Whether to convert and to look at the test part.
    """
    shape, classes = prepared.preprocess.output_shape, len(prepared.data.labels)
    seed = arm.training.seed
    if arm.start is None:
        keras.create(recipe.network, shape, classes, seed=seed)
    else:
        keras.load(arm.start, shape, classes, seed=seed)
    x, y = prepared.data.x[labelled], prepared.data.y[labelled]
    epochs = plain_epochs(x, y, recipe.augment, recipe.input.value_range, size=steps * arm.training.batch)
    held, truth = prepared.inputs(prepared.parts.profile), prepared.data.y[prepared.parts.profile]
    run = Stage(part=arm.part)
    bare = dataclasses.replace(recipe, pretrain=None)
    train(
        *(keras, bare, epochs, (held, truth), prepared.preprocess, _QUIET),
        schedule=arm.training,
        stage=run,
    )
    validation = float((keras.logits(held).argmax(axis=1) == truth).mean())
    return Trained(validation=validation, test=_tested(keras, recipe, prepared) if is_tested else None)


def _tested(keras: KerasProcess, recipe: Recipe, prepared: Prepared) -> float:
    """Accuracy of the int8 artifact on the test part."""
    part = prepared.parts.train
    chosen = stratified(prepared.data.y[part], recipe.quantize.calibration, _CALIBRATED_SEED)
    conversion = convert(keras, recipe.quantize, prepared.inputs(part[chosen]), modes=("int8",))
    with loaded(conversion.files["int8"]) as model:
        logits = outputs_of(model, prepared.inputs(prepared.parts.test), 0, "int8", _QUIET)
    return float((logits.argmax(axis=1) == prepared.data.y[prepared.parts.test]).mean())
