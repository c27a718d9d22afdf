"""Stratified k-fold cross-validation: how much a figure depends on which examples were learnt from."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from converter.errors import RecipeError
from converter.keras_process.process import KerasProcess
from converter.preparation import Prepared
from converter.progress import Progress
from converter.recipe import Recipe
from converter.training.trial import Within, tried


def cross_validate(recipe: Recipe, prepared: Prepared, progress: Progress, keras: KerasProcess) -> tuple[float, ...]:
    """Accuracy, in floating point, of each fold's model on the examples of that fold.

    The training and the profile part are divided into ``training.folds``; the test part stays untouched, and no group
    is in two folds. With ``dataset.per_class`` the folds are of the few examples that are labelled.

    Args:
        recipe: Network and training.
        prepared: The examples.
        progress: Told after each epoch.
        keras: Gets one model after the other.

    Raises:
        RecipeError: Too few examples or groups for so many folds, or none that could be told apart.
    """
    count = recipe.training.folds or 0
    if recipe.task == "anomaly":
        raise RecipeError("training.folds: found it for task anomaly, whose training part has nothing to tell apart")
    parts = prepared.parts
    pool = parts.train if recipe.dataset.per_class else np.concatenate([parts.train, parts.profile])
    group = None if prepared.data.group is None else prepared.data.group[pool]
    fold = fold_of(prepared.data.y[pool], group, count, recipe.training.seed)
    found = []
    for number in range(count):
        within = Within(whole=progress, stage="folds", number=number, count=count)
        judged = tried(keras, recipe, prepared, pool[fold != number], pool[fold == number], within)
        found.append(judged.value)
        progress.step("folds", (number + 1) * recipe.training.epochs, count * recipe.training.epochs, _said(found))
    return tuple(found)


def fold_of(y: NDArray[np.int64], group: NDArray[np.int64] | None, count: int, seed: int) -> NDArray[np.int64]:
    """Number of the fold of each example, (n,): each class, but no group, in all of them.

    Examples:
        >>> fold_of(np.array([0, 0, 0, 1, 1, 1]), None, 3, seed=1).tolist()
        [0, 2, 1, 1, 2, 0]

    Raises:
        RecipeError: Too few examples or groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    members, least = ("groups", len(np.unique(group))) if group is not None else ("examples of a class", _least(y))
    if least < count:
        raise RecipeError(f"training.folds: found {count} for {least} {members}, expected at most {least}")
    folds = StratifiedKFold if group is None else StratifiedGroupKFold
    fold = np.zeros(len(y), np.int64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a class with fewer groups than folds is missing in some
        divided = folds(count, shuffle=True, random_state=seed).split(y, y, group)
        for number, (_, held) in enumerate(divided):
            fold[held] = number
    return fold


def _least(y: NDArray[np.int64]) -> int:
    return int(np.unique(y, return_counts=True)[1].min())


def _said(found: list[float]) -> str:
    return f"{len(found)} folds, accuracy {np.mean(found):.3f}"
