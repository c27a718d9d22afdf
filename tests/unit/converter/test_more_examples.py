"""Examples for a fine-tuning are drawn from the epochs that the model has learnt from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.pipeline.learning import more_examples
from converter.pipeline.order import BuildOrder
from converter.preparation import Prepared, prepare
from converter.recipe import AugmentRecipe, Recipe, load_recipe
from converter.retraining import Plan
from converter.training.mix import plain_epochs

RECIPE = load_recipe("digits")


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(RECIPE)


def drawn(
    prepared: Prepared, count: int, recipe: Recipe = RECIPE, *, is_blind: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    train = prepared.parts.train
    x, y = prepared.data.x[train], prepared.data.y[train]
    plan = Plan(epochs=plain_epochs(x, y, recipe.augment, recipe.input.value_range), findings=())
    order = BuildOrder(recipe=recipe, output=Path("b"), created="", is_blind=is_blind)
    return more_examples(order, prepared, plan, count)


def test_epochs_that_are_all_the_same_are_taken_once(prepared: Prepared) -> None:
    inputs, y = drawn(prepared, 100_000)

    assert len(inputs) == len(y) == len(prepared.parts.train)
    assert inputs.dtype == np.float32
    expected = prepared.inputs(prepared.parts.train).sum()
    assert inputs.sum() == pytest.approx(expected, rel=1e-5)  # the same frames in another order


def test_epochs_that_differ_go_on_until_there_are_enough(prepared: Prepared) -> None:
    size, augmented = len(prepared.parts.train), replace(RECIPE, augment=AugmentRecipe(share=1.0, noise=0.0, crop=1))

    few, _ = drawn(prepared, 10, augmented)
    many, y = drawn(prepared, 2 * size + 1, augmented)

    assert (len(few), len(many), len(y)) == (size, 3 * size, 3 * size)
    assert not np.array_equal(many[:size], many[size : 2 * size])


def test_a_retraining_goes_on_as_well(prepared: Prepared) -> None:
    size = len(prepared.parts.train)

    assert len(drawn(prepared, size + 1, is_blind=True)[0]) == 2 * size


def test_the_same_recipe_draws_the_same_examples(prepared: Prepared) -> None:
    for first, second in zip(drawn(prepared, 10), drawn(prepared, 10), strict=True):
        np.testing.assert_array_equal(first, second)


def test_rare_classes_come_more_often_where_the_training_weighs_them(prepared: Prepared) -> None:
    y = prepared.data.y
    train = prepared.parts.train
    kept = np.concatenate([train[y[train] != 3], train[y[train] == 3][:20]])
    rare = replace(prepared, parts=replace(prepared.parts, train=kept))
    balanced = replace(RECIPE, training=replace(RECIPE.training, balance=True))

    plain = (drawn(rare, 10)[1] == 3).mean()
    weighed = (drawn(rare, 10, balanced)[1] == 3).mean()

    assert plain == pytest.approx(20 / len(kept))
    assert weighed > 0.06  # a tenth is what all ten have
