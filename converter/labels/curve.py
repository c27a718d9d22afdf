"""The curve of a model's metric over the number of labels, from scratch and after pre-training.

The examples without labels do not depend on which labels are drawn, so they are learnt from once; every point is a
training of its own from there, with its own labels and its own seed.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from converter.datasets.split import few_of_each
from converter.errors import RecipeError
from converter.keras_process.process import KerasProcess
from converter.labels.trial import Arm, artifact_accuracy, learnt
from converter.preparation import Prepared
from converter.progress import Progress
from converter.recipe import LabelCurveRecipe, Recipe
from converter.report.findings import LabelPoint

FROM_SCRATCH, PRE_TRAINED = "from scratch", "pre-trained"


def label_curve(
    keras: KerasProcess, recipe: Recipe, prepared: Prepared, start: Path | None, progress: Progress
) -> tuple[LabelPoint, ...]:
    """Train for every count and seed of the recipe's section ``label_curve``, with the same steps in every training.

    Args:
        keras: Gets one model after the other; the one that it had is gone.
        recipe: All of it.
        prepared: The examples; labels are drawn from the training part.
        start: Keras model that has learnt from the examples without labels; None without pre-training.
        progress: Told after each training.

    Returns:
        Accuracies of the int8 artifact on the test part; nothing without the section.

    Raises:
        RecipeError: A class has fewer examples than the curve asks for.
    """
    section = recipe.label_curve
    if section is None:
        return ()
    y = prepared.data.y[prepared.parts.train]
    _check(recipe, section, int(np.bincount(y, minlength=len(prepared.data.labels)).min()))
    arms = arms_of(recipe, section, start)
    runs = [(count, seed, arm) for count in section.per_class for seed in range(section.seeds) for arm in arms]
    points = []
    for number, (count, seed, arm) in enumerate(runs):
        labelled = prepared.parts.train[few_of_each(y, count, recipe.training.seed + seed)]
        seeded = dataclasses.replace(arm.training, seed=recipe.training.seed + seed)
        steps = max(1, section.updates // max(1, seeded.epochs))
        learnt(keras, recipe, prepared, labelled, dataclasses.replace(arm, training=seeded), steps=steps)
        value = artifact_accuracy(keras, recipe, prepared)
        points.append(LabelPoint(per_class=count, seed=seed, method=arm.name, value=value))
        progress.step("labels", number + 1, len(runs), f"{count} of each class, {arm.name}: {value:.3f}")
    return tuple(points)


def arms_of(recipe: Recipe, section: LabelCurveRecipe, start: Path | None) -> tuple[Arm, ...]:
    """The ways to learn that are compared."""
    scratch = Arm(name=FROM_SCRATCH, training=section.scratch or recipe.training)
    if start is None or recipe.pretrain is None:
        return (scratch,)
    return scratch, Arm(name=PRE_TRAINED, training=recipe.training, start=start, part=recipe.pretrain.then)


def _check(recipe: Recipe, section: LabelCurveRecipe, smallest: int) -> None:
    if recipe.task == "anomaly":
        raise RecipeError(f"recipe {recipe.name}: label_curve: found it for anomaly, expected classification")
    if max(section.per_class) > smallest:
        raise RecipeError(
            f"recipe {recipe.name}: label_curve.per_class: found {max(section.per_class)}, expected at most what the "
            f"smallest class has in the training part, {smallest}"
        )
