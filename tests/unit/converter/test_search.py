"""Folds and the search for hyper-parameters, with a model that learns nothing but answers as its recipe deserves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from converter.datasets import Dataset, Splits
from converter.datasets.windows import ExampleInputs
from converter.errors import RecipeError
from converter.preparation import Prepared
from converter.progress import SilentProgress
from converter.recipe import (
    DatasetRecipe,
    InputRecipe,
    MlpRecipe,
    NetworkRecipe,
    Recipe,
    SearchRange,
    SearchRecipe,
    TrainingRecipe,
)
from converter.training.folds import cross_validate, fold_of
from converter.training.search import changed, search
from edge_models.manifest import InputSpec
from edge_models.tensors import TensorSpec
from tests.unit.converter.fake_keras import FakeKeras

N = 60
Y = np.arange(N) % 3
X = np.eye(3, dtype=np.float32)[Y]  # an example gives its class away
RECIPE = Recipe(
    name="r",
    model="r",
    dataset=DatasetRecipe(source="npz:r.npz"),
    input=InputRecipe(kind="rows"),
    network=MlpRecipe(dropout=0.5),
    training=TrainingRecipe(epochs=4, batch=8),
)


def prepared(group: NDArray[np.int64] | None = None) -> Prepared:
    spec = InputSpec(kind="rows", source=TensorSpec(shape=(3,), dtype="float32"))
    data = Dataset(x=X, y=Y, labels=("a", "b", "c"), group=group, sha256="0" * 64)
    parts = Splits(train=np.arange(30), profile=np.arange(30, 45), test=np.arange(45, N))
    return Prepared(data=data, parts=parts, unlabelled=X[:0], spec=spec, preprocess=ExampleInputs(spec))


def dropout_of(network: NetworkRecipe) -> float:
    return network.dropout if isinstance(network, MlpRecipe) else 0.0


def wrong_with_dropout(keras: FakeKeras, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits that are right for all examples but a share of as much as the dropout."""
    wrong = np.arange(len(x)) < dropout_of(keras.networks[-1]) * len(x)
    return np.asarray(np.where(wrong[:, None], np.roll(x, 1, axis=1), x) * 9, np.float32)


def found(space: dict[str, SearchRange], trials: int = 12, **keys: Any) -> Any:
    recipe = replace(RECIPE, search=SearchRecipe(trials=trials, space=space), **keys)
    return search(recipe, prepared(), SilentProgress(), FakeKeras(wrong_with_dropout))


def test_search_finds_the_better_setting() -> None:
    result = found({"network.dropout": SearchRange(low=0.0, high=0.9)})

    values = [trial.value for trial in result.trials if trial.value is not None]
    assert dropout_of(result.recipe.network) < 0.2
    assert max(values) == next(
        trial.value for trial in result.trials if trial.settings["network.dropout"] == result.recipe.network.dropout
    )
    assert result.recipe.search is None


def test_own_settings_are_the_first_trial() -> None:
    assert found({"network.dropout": SearchRange(low=0.0, high=0.9)}).trials[0].settings == {"network.dropout": 0.5}


def test_search_is_the_same_each_time() -> None:
    space = {
        "training.learning_rate": SearchRange(low=1e-4, high=1e-1, log=True),
        "training.batch": SearchRange(choices=(8, 16)),
    }

    assert found(space, 5).trials == found(space, 5).trials


def test_hopeless_trials_are_given_up() -> None:
    trials = found({"network.dropout": SearchRange(low=0.0, high=0.9)}, 12).trials

    given_up = [trial.settings["network.dropout"] for trial in trials if trial.value is None]
    assert given_up
    assert min(given_up) > 0.2


def test_whole_numbers_stay_whole() -> None:
    recipe = changed(RECIPE, {"training.batch": 32.0, "training.l2": 0.5})

    assert recipe.training.batch == 32
    assert recipe.training.l2 == 0.5


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("dataset.test", "search.space: found dataset.test, expected a key of one of the sections"),
        ("training", "search.space: found training, expected a key of one of the sections"),
        ("training.speed", "search.space: training.speed: found an unknown key"),
        ("network.dropout.x", "search.space: found network.dropout.x, but dropout has no keys"),
    ],
)
def test_key_that_cannot_be_searched_is_named(key: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        found({key: SearchRange(low=0.1, high=0.5)})


def test_empty_space_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"search\.space: found no keys"):
        found({})


def validated(
    count: int, group: NDArray[np.int64] | None = None, **dataset: Any
) -> tuple[list[int], tuple[float, ...]]:
    recipe = replace(
        RECIPE,
        training=replace(RECIPE.training, folds=count),
        dataset=replace(RECIPE.dataset, **dataset),
        network=MlpRecipe(dropout=0.2),
    )
    held = []

    def answers(keras: FakeKeras, x: NDArray[np.float32]) -> NDArray[np.float32]:
        held.append(len(x))
        return wrong_with_dropout(keras, x)

    return held, cross_validate(recipe, prepared(group), SilentProgress(), FakeKeras(answers))


def test_folds_are_of_all_but_the_test_part() -> None:
    held, accuracies = validated(3)

    assert held[4::5] == [15, 15, 15]  # four epochs are watched, then the fold is judged
    assert accuracies == (0.8, 0.8, 0.8)


def test_folds_of_few_labels_are_of_the_labelled_ones() -> None:
    held, _ = validated(3, per_class=10)

    assert held[4::5] == [10, 10, 10]


def test_anomalies_have_no_folds() -> None:
    recipe = replace(RECIPE, task="anomaly", training=replace(RECIPE.training, folds=3))

    with pytest.raises(RecipeError, match=r"training\.folds: found it for task anomaly"):
        cross_validate(recipe, prepared(), SilentProgress(), FakeKeras(wrong_with_dropout))


@settings(max_examples=20)
@given(classes=st.lists(st.integers(0, 2), min_size=30, max_size=80), count=st.integers(2, 4), seed=st.integers(0, 9))
def test_each_fold_has_its_share_of_each_class(classes: list[int], count: int, seed: int) -> None:
    y = np.array(classes + [0, 1, 2] * count)

    fold = fold_of(y, None, count, seed)

    for name in np.unique(y):
        sizes = np.bincount(fold[y == name], minlength=count)
        assert sizes.max() - sizes.min() <= 1


@settings(max_examples=20)
@given(groups=st.lists(st.integers(0, 9), min_size=40, max_size=80), count=st.integers(2, 4))
def test_no_group_is_in_two_folds(groups: list[int], count: int) -> None:
    group = np.array([*groups, *range(10)])

    fold = fold_of(np.arange(len(group)) % 2, group, count, seed=1)

    for name in np.unique(group):
        assert len(np.unique(fold[group == name])) == 1


@pytest.mark.parametrize(
    ("group", "message"),
    [(None, "found 4 for 3 examples of a class, expected at most 3"), (np.arange(9) // 3, "found 4 for 3 groups")],
)
def test_too_many_folds_are_refused(group: NDArray[np.int64] | None, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        fold_of(np.arange(9) % 3, group, 4, seed=1)
