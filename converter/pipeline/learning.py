"""From prepared data to a trained model in the TensorFlow process."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.errors import RecipeError, RequestError
from converter.keras_process.process import KerasProcess
from converter.labels import label_curve
from converter.pipeline.order import BuildOrder
from converter.preparation import Prepared, in_batches
from converter.progress import Progress
from converter.qat.environment import qat_command
from converter.qat.training import QatResult, train_quantised
from converter.quantize.calibration import calibration_choice
from converter.quantize.convert import convert
from converter.quantize.embedding import AUTO, NONE
from converter.recipe import Recipe, SavedRecipe, TrainingRecipe
from converter.report.findings import CurveFound, LabelPoint, LearningFound, TrialFound
from converter.retraining import Plan, blind_plan, retraining_plan, retraining_schedule
from converter.spiking.extract import extract
from converter.training.course import outputs_of, train
from converter.training.fit import Curve, Stage, balancing
from converter.training.folds import cross_validate
from converter.training.mix import plain_epochs
from converter.training.pretrain import after_pretraining, check_pretrain, pretrain
from converter.training.search import Trial, search
from converter.training.spiking import check_batches

Lap = Callable[[str], None]
_MOST_BYTES = 512 << 20  # of inputs for a fine-tuning; they lie in memory twice while they go to the child process


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Learnt:
    """How the model in the TensorFlow process came about.

    Attributes:
        order: With the recipe as it was used: a search may have changed it.
        plan: What was learnt from.
        unlabelled: Examples without labels that were learnt from.
        int8: int8 file of quantisation-aware training; None without it.
        found: For the report.
    """

    order: BuildOrder
    plan: Plan
    unlabelled: int
    int8: bytes | None
    found: LearningFound


def learn(order: BuildOrder, prepared: Prepared, keras: KerasProcess, progress: Progress, lap: Lap) -> Learnt:
    """Search, validate, pre-train and train as the order says; a retraining takes the recipe as it is.

    Args:
        order: What to build.
        prepared: Its data.
        keras: Gets the model.
        progress: Told of each step.
        lap: Told the name of each step that has ended.

    Raises:
        RequestError: Delivered frames are not what the model's source delivers.
    """
    trials: tuple[Trial, ...] = ()
    folds: tuple[float, ...] = ()
    if order.is_again:
        order = dataclasses.replace(order, recipe=_trainable(order.recipe))
    elif order.recipe.search is not None:
        searched = search(order.recipe, prepared, progress, keras)
        order, trials = dataclasses.replace(order, recipe=searched.recipe), searched.trials
        lap("search")
    if not order.is_again and order.recipe.training.folds is not None:
        folds = cross_validate(order.recipe, prepared, progress, keras)
        lap("folds")
    plan = _plan(order, prepared, progress)
    lap("match")
    recipe = order.recipe
    _make_model(order, prepared, keras, progress)
    unlabelled = _without_labels(order, prepared)
    curves = [_curve_found("pretrain", pretrain(keras, recipe, unlabelled, progress))] if len(unlabelled) else []
    if curves:
        lap("pretrain")
    points = _label_curve(order, prepared, keras, progress, is_pretrained=bool(curves))
    if points:
        lap("labels")
    curves.append(_curve_found("train", _trained(order, prepared, plan, keras, progress)))
    lap("train")
    simulated = _simulated(order, prepared, plan, keras, progress)
    if simulated is not None:
        curves.append(_curve_found("qat", simulated.curve))
        lap("qat")
    found = LearningFound(
        network=recipe.network.type,
        curves=tuple(curves),
        folds=folds,
        trials=tuple(map(_trial_found, trials)),
        label_curve=points,
    )
    return Learnt(
        order=order,
        plan=plan,
        unlabelled=len(unlabelled),
        int8=None if simulated is None else simulated.int8,
        found=found,
    )


def check_learning(recipe: Recipe) -> None:
    """Refuse what could only fail after a long training.

    Raises:
        RecipeError: Pre-training that does not fit the data, or quantisation-aware training without its environment.
    """
    check_pretrain(recipe)
    if recipe.quantize.qat is None:
        return
    if "int8" not in (recipe.quantize.mode, *recipe.quantize.also):
        raise RecipeError(
            f"recipe {recipe.name}: quantize.qat: found it without int8 in quantize.mode or quantize.also, "
            "expected int8, which is what it simulates"
        )
    qat_command()


def calibration(order: BuildOrder, prepared: Prepared, plan: Plan, count: int) -> NDArray[np.float32]:
    """Inputs (count, ...) that set the ranges of the activations, from what the model has learnt from."""
    recipe, train = order.recipe, prepared.parts.train
    if order.retraining is None or order.is_blind:
        group = None if prepared.data.group is None else prepared.data.group[train]
        chosen = train[calibration_choice(prepared.data.y[train], group, count)]
        return prepared.inputs(chosen)
    frames, y, _ = plan.epochs(0, np.random.default_rng(recipe.training.seed))
    return prepared.preprocess.batch(frames[calibration_choice(y, None, count)])


def more_examples(
    order: BuildOrder, prepared: Prepared, plan: Plan, count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Inputs (n, ...) and classes (n,) for a fine-tuning: the epochs go on until there are ``count``, or enough.

    Where every epoch is the same there is one of them.
    """
    recipe = order.recipe
    most = min(count, max(1, _MOST_BYTES // (4 * math.prod(prepared.preprocess.output_shape))))
    is_one = recipe.augment is None and not order.is_again
    rng = np.random.default_rng([recipe.training.seed, 1])  # other examples than the training's
    inputs: list[NDArray[np.float32]] = []
    classes: list[NDArray[np.int64]] = []
    number = 0
    while not inputs or (not is_one and sum(len(y) for y in classes) < most):
        frames, y, weight = plan.epochs(number, rng)
        share = weight * balancing(y) if recipe.training.balance else weight
        chosen = rng.choice(len(y), len(y), p=share / share.sum()) if np.ptp(share) else np.arange(len(y))
        inputs.append(in_batches(prepared.preprocess, frames, chosen))
        classes.append(y[chosen])
        number += 1
    return np.concatenate(inputs), np.concatenate(classes)


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


def _trainable(recipe: Recipe) -> Recipe:
    """The recipe of a retraining: a model that was imported as it was has to learn now."""
    if not isinstance(recipe.network, SavedRecipe):
        return recipe
    return dataclasses.replace(recipe, network=dataclasses.replace(recipe.network, fine_tune=True))


def _make_model(order: BuildOrder, prepared: Prepared, keras: KerasProcess, progress: Progress) -> None:
    recipe, shape = order.recipe, prepared.preprocess.output_shape
    progress.step("train", 0, _schedule(order).epochs, "loading TensorFlow")
    outputs = outputs_of(recipe, shape, len(prepared.data.labels))
    if order.initial is None:
        keras.create(recipe.network, shape, outputs, seed=recipe.training.seed)
    else:
        keras.load(order.initial, shape, outputs, seed=recipe.training.seed)
    _check_embedding(recipe, shape, keras)
    if recipe.spiking is not None:
        if recipe.augment is None and not order.is_again:  # otherwise epochs differ, and there are as many as it takes
            check_batches(recipe.spiking, len(prepared.parts.train))
        extract(keras, max_pooling=recipe.spiking.max_pooling)  # what has no form in spikes is refused before training


def _check_embedding(recipe: Recipe, shape: tuple[int, ...], keras: KerasProcess) -> None:
    """Look for a layer that the recipe names in the untrained model: a wrong name is refused before the training."""
    if recipe.embedding not in (AUTO, NONE):
        nothing = np.zeros((1, *shape), np.float32)
        convert(keras, recipe.quantize, nothing, modes=("float32",), embedding=recipe.embedding)


def _label_curve(
    order: BuildOrder, prepared: Prepared, keras: KerasProcess, progress: Progress, *, is_pretrained: bool
) -> tuple[LabelPoint, ...]:
    """Trainings with few labels; the model of ``keras`` is as it was afterwards."""
    recipe = order.recipe
    if order.is_again or recipe.label_curve is None:
        return ()
    start = keras.folder / "start.keras"
    keras.save(start)
    points = label_curve(keras, recipe, prepared, start if is_pretrained else None, progress)
    keras.load(start, prepared.preprocess.output_shape, len(prepared.data.labels), seed=recipe.training.seed)
    return points


def _without_labels(order: BuildOrder, prepared: Prepared) -> NDArray[np.float32]:
    """All inputs that pre-training may see: the training part, what has no labels, and what devices sent."""
    if order.recipe.pretrain is None:
        return np.zeros((0, *prepared.preprocess.output_shape), np.float32)
    parts = [prepared.inputs(prepared.parts.train), prepared.unlabelled_inputs()]
    if order.unlabelled is not None and not order.is_blind:
        x, frames = prepared.data.x, order.unlabelled
        if frames.shape[1:] != x.shape[1:] or frames.dtype != x.dtype:
            raise RequestError(
                f"--unlabelled: found frames {frames.dtype}{list(frames.shape[1:])}, "
                f"expected {x.dtype}{list(x.shape[1:])} as in the training data"
            )
        parts.append(in_batches(prepared.preprocess, frames, np.arange(len(frames))))
    return np.concatenate(parts)


def _trained(order: BuildOrder, prepared: Prepared, plan: Plan, keras: KerasProcess, progress: Progress) -> Curve:
    validation = prepared.inputs(prepared.parts.profile), prepared.data.y[prepared.parts.profile]
    return train(
        *(keras, order.recipe, plan.epochs, validation, prepared.preprocess, progress),
        schedule=_schedule(order),
        stage=after_pretraining(order.recipe),
    )


def _simulated(
    order: BuildOrder, prepared: Prepared, plan: Plan, keras: KerasProcess, progress: Progress
) -> QatResult | None:
    recipe = order.recipe
    if recipe.quantize.qat is None:
        return None
    validation = prepared.inputs(prepared.parts.profile), prepared.data.y[prepared.parts.profile]
    stage = Stage(name="qat", loss="reconstruction" if recipe.task == "anomaly" else "classes")
    return train_quantised(
        *(keras, recipe.quantize.qat, recipe.training, plan.epochs, validation, prepared.preprocess, progress),
        stage=stage,
    )


def _schedule(order: BuildOrder) -> TrainingRecipe:
    return retraining_schedule(order.recipe) if order.is_again else order.recipe.training


def _trial_found(trial: Trial) -> TrialFound:
    return TrialFound(value=trial.value, settings=dict(trial.settings))


def _curve_found(stage: str, curve: Curve) -> CurveFound:
    return CurveFound(
        stage=stage,
        loss=curve.loss,
        accuracy=curve.accuracy,
        validation_loss=curve.validation_loss,
        best=curve.best,
    )
