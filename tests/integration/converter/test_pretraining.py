"""Pre-training in the TensorFlow process: it lowers its loss, repeats itself, and helps where labels are few."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.errors import DatasetError, ModelError
from converter.keras_process.process import KerasProcess
from converter.labels import label_curve
from converter.preparation import prepare
from converter.progress import SilentProgress
from converter.recipe import (
    Cnn1dRecipe,
    CnnRecipe,
    DsCnnRecipe,
    InputRecipe,
    LabelCurveRecipe,
    PretrainRecipe,
    Recipe,
    TrainingRecipe,
    load_recipe,
)
from converter.training.pretrain import pretrain

pytestmark = pytest.mark.integration
QUIET = SilentProgress()
DIGITS = load_recipe("digits")
SMALL = CnnRecipe(filters=(8, 16), kernel=3, dense=32, normalise=True, dropout=0.0)


def learnt(recipe: Recipe, inputs: NDArray[np.float32]) -> tuple[tuple[float, ...], NDArray[np.float32]]:
    """Losses of the epochs, and what the model answers then."""
    with KerasProcess() as keras:
        keras.create(recipe.network, inputs.shape[1:], 10, seed=3)
        curve = pretrain(keras, recipe, inputs, QUIET)
        return curve.loss, keras.logits(inputs[:8])


def test_pictures_become_easier_to_tell_apart_and_the_same_twice() -> None:
    prepared = prepare(DIGITS)
    recipe = replace(DIGITS, network=SMALL, pretrain=PretrainRecipe(epochs=3, batch=64))
    inputs = prepared.inputs(prepared.parts.train)

    losses, logits = learnt(recipe, inputs)

    assert losses[-1] < losses[0] - 0.15
    np.testing.assert_array_equal(learnt(recipe, inputs)[1], logits)


def test_spectrograms_are_contrasted() -> None:
    rng = np.random.default_rng(0)
    tones = np.eye(12, dtype=np.float32)[rng.integers(0, 12, (128, 3))].sum(axis=1)
    inputs = np.repeat(tones[:, None, :], 16, axis=1) + 0.1 * rng.standard_normal((128, 16, 12), np.float32)
    recipe = replace(
        DIGITS,
        input=InputRecipe(kind="audio"),
        network=DsCnnRecipe(filters=8, blocks=1, first_kernel=(3, 3)),
        pretrain=PretrainRecipe(epochs=3, batch=32, learning_rate=0.01),
    )

    losses, _ = learnt(recipe, inputs)

    assert losses[-1] < losses[0]


def test_hidden_stretches_of_windows_are_restored() -> None:
    time = np.linspace(0, 6, 32, dtype=np.float32)
    phase = np.random.default_rng(0).uniform(0, 6, (256, 1, 2)).astype(np.float32)
    inputs = np.sin(time[None, :, None] + phase)
    recipe = replace(
        DIGITS,
        input=InputRecipe(kind="rows"),
        network=Cnn1dRecipe(filters=(8, 16)),
        pretrain=PretrainRecipe(method="masked", epochs=4, batch=32, learning_rate=0.01),
    )

    losses, _ = learnt(recipe, inputs)

    assert losses[-1] < 0.9 * losses[0]


def test_fewer_examples_than_a_batch_are_refused() -> None:
    recipe = replace(DIGITS, network=SMALL, pretrain=PretrainRecipe(batch=64))

    with KerasProcess() as keras, pytest.raises(DatasetError, match="found 64 and 10 examples"):
        pretrain(keras, recipe, np.zeros((10, 8, 8, 1), np.float32), QUIET)


def test_a_model_without_an_embedding_is_refused(tmp_path: Path) -> None:
    import keras as library

    inputs = library.Input((4, 4, 1))
    path = tmp_path / "bare.keras"
    library.Model(inputs, library.layers.Dense(10)(library.layers.Flatten()(inputs))).save(path)
    recipe = replace(DIGITS, pretrain=PretrainRecipe(batch=2))

    with KerasProcess() as keras:
        keras.load(path, (4, 4, 1), 10, seed=1)
        with pytest.raises(ModelError, match="a layer named embedding"):
            pretrain(keras, recipe, np.zeros((8, 4, 4, 1), np.float32), QUIET)


def test_label_curve_measures_both_ways_to_learn_on_the_same_draws(tmp_path: Path) -> None:
    recipe = replace(
        DIGITS,
        network=SMALL,
        augment=None,
        training=TrainingRecipe(epochs=4, batch=16, learning_rate=0.01, l2=0.01),
        pretrain=PretrainRecipe(epochs=15, batch=128, learning_rate=0.005, then="head"),
        label_curve=LabelCurveRecipe(per_class=(2,), seeds=2, updates=80),
    )
    prepared = prepare(recipe)
    start = tmp_path / "start.keras"

    with KerasProcess() as keras:
        keras.create(recipe.network, prepared.preprocess.output_shape, 10, seed=1)
        pretrain(keras, recipe, prepared.inputs(prepared.parts.train), QUIET)
        keras.save(start)
        points = label_curve(keras, recipe, prepared, start, QUIET)

    by_method = {method: [p.value for p in points if p.method == method] for method in ("from scratch", "pre-trained")}
    assert [len(values) for values in by_method.values()] == [2, 2]
    # What pre-training is worth is for `benchmarks few_labels`; here both have to have learnt, chance is 0.1.
    assert min(min(values) for values in by_method.values()) > 0.4
