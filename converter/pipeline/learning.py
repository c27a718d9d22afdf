"""From prepared data to a trained model in the TensorFlow process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets.split import stratified
from converter.keras_process.process import KerasProcess
from converter.pipeline.order import BuildOrder
from converter.preparation import Prepared
from converter.progress import Progress
from converter.recipe import Recipe
from converter.report.findings import CurveFound, LearningFound
from converter.retraining import Plan, blind_plan, retraining_plan, retraining_schedule
from converter.training.course import outputs_of, train
from converter.training.fit import Curve
from converter.training.mix import plain_epochs

Lap = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learnt:
    """How the model in the TensorFlow process came about.

    Attributes:
        recipe: As it was used: a search may have changed it.
        plan: What was learnt from.
        found: For the report.
    """

    recipe: Recipe
    plan: Plan
    found: LearningFound


def learn(order: BuildOrder, prepared: Prepared, keras: KerasProcess, progress: Progress, lap: Lap) -> Learnt:
    """Train as the order says.

    Args:
        order: What to build.
        prepared: Its data.
        keras: Gets the model.
        progress: Told of each step.
        lap: Told the name of each step that has ended.
    """
    recipe = order.recipe
    plan = _plan(order, prepared, progress)
    lap("match")
    curve = _trained(order, recipe, prepared, plan, keras, progress)
    lap("train")
    found = LearningFound(network=recipe.network.type, curves=(_curve_found("train", curve),))
    return Learnt(recipe=recipe, plan=plan, found=found)


def calibration(order: BuildOrder, prepared: Prepared, plan: Plan) -> NDArray[np.float32]:
    """Inputs that set the ranges of the activations, from what the model has learnt from."""
    recipe, train = order.recipe, prepared.parts.train
    if order.retraining is None or order.is_blind:
        chosen = train[stratified(prepared.data.y[train], recipe.quantize.calibration, seed=0)]
        return prepared.inputs(chosen)
    frames, y, _ = plan.epochs(0, np.random.default_rng(recipe.training.seed))
    return prepared.preprocess.batch(frames[stratified(y, recipe.quantize.calibration, seed=0)])


def _plan(order: BuildOrder, prepared: Prepared, progress: Progress) -> Plan:
    recipe = order.recipe
    x, y = _training_frames(prepared)
    if order.is_blind:
        return blind_plan(x, y, recipe)
    if order.retraining is not None:
        return retraining_plan(x, y, order.retraining, recipe, prepared.spec, progress)
    return Plan(epochs=plain_epochs(x, y, recipe.augment, recipe.input.value_range), findings=())


def _training_frames(prepared: Prepared) -> tuple[NDArray[Any], NDArray[np.int64]]:
    train = prepared.parts.train
    return prepared.data.x[train], prepared.data.y[train]


def _trained(
    order: BuildOrder, recipe: Recipe, prepared: Prepared, plan: Plan, keras: KerasProcess, progress: Progress
) -> Curve:
    schedule = retraining_schedule(recipe) if order.is_again else recipe.training
    shape = prepared.preprocess.output_shape
    progress.step("train", 0, schedule.epochs, "loading TensorFlow")
    outputs = outputs_of(recipe, shape, len(prepared.data.labels))
    if order.initial is None:
        keras.create(recipe.network, shape, outputs, seed=schedule.seed)
    else:
        keras.load(order.initial, shape, outputs, seed=schedule.seed)
    validation = prepared.inputs(prepared.parts.profile), prepared.data.y[prepared.parts.profile]
    return train(keras, recipe, plan.epochs, validation, prepared.preprocess, progress, schedule=schedule)


def _curve_found(stage: str, curve: Curve) -> CurveFound:
    return CurveFound(
        stage=stage,
        loss=curve.loss,
        accuracy=curve.accuracy,
        validation_loss=curve.validation_loss,
        best=curve.best,
    )
