"""The training loop: what is handed over, when it ends, and which weights are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.progress import SilentProgress
from converter.recipe import DatasetRecipe, MlpRecipe, Recipe, SavedRecipe, TrainingRecipe, TransferRecipe
from converter.training import fit as fit_module
from converter.training.course import train
from converter.training.fit import Curve, Stage, fit
from converter.training.mix import plain_epochs
from converter.training.watched import judged
from tests.unit.converter.fake_keras import AsTheyAre, FakeKeras

X = np.arange(20, dtype=np.float32)[:, None].repeat(3, 1)
Y = np.where(np.arange(20) < 16, 0, 1)
VALIDATION = X[:4], Y[:4]
EPOCHS = plain_epochs(X, Y, None, (0, 255))


def right_by(*margins: float) -> FakeKeras:
    """A model whose logits for the right class are so far above the other after each epoch."""

    def answers(keras: FakeKeras, x: NDArray[np.float32]) -> NDArray[np.float32]:
        margin = margins[min(len(keras.portions), len(margins)) - 1]
        return np.stack([np.full(len(x), margin), np.zeros(len(x))], axis=1).astype(np.float32)

    return FakeKeras(answers)


def run(keras: FakeKeras, recipe: TrainingRecipe, stage: Stage | None = None) -> Curve:
    return fit(keras, EPOCHS, VALIDATION, AsTheyAre(), recipe, SilentProgress(), stage or Stage())


def test_epoch_is_handed_over_in_whole_batches() -> None:
    keras = right_by(1.0)

    curve = run(keras, TrainingRecipe(epochs=3, batch=8))

    assert [len(portion["y"]) for portion in keras.portions] == [16, 16, 16]
    assert keras.schedules[0][1] == 6
    assert len(curve.loss) == len(curve.accuracy) == len(curve.validation_loss) == 3


def test_large_epoch_is_handed_over_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_module, "PORTION_BYTES", 2 * 4 * 12)  # two batches of four examples of 12 bytes
    keras = right_by(1.0)

    curve = run(keras, TrainingRecipe(epochs=2, batch=4))

    assert [len(portion["y"]) for portion in keras.portions] == [8, 8, 4] * 2
    seen = np.concatenate([portion["x"] for portion in keras.portions[:3]])
    assert sorted(seen[:, 0]) == list(range(20))
    assert keras.schedules[0][1] == 10
    assert curve.loss[0] == pytest.approx((8 * 1 + 8 / 2 + 4 / 3) / 20)


def test_few_examples_are_one_small_batch() -> None:
    keras = right_by(1.0)

    run(keras, TrainingRecipe(epochs=1, batch=64))

    assert [len(portion["y"]) for portion in keras.portions] == [20]


def test_balanced_classes_weigh_the_same() -> None:
    keras = right_by(1.0)

    run(keras, TrainingRecipe(epochs=1, batch=20, balance=True))

    weight, y = keras.portions[0]["weight"], keras.portions[0]["y"]
    assert weight[y == 0].sum() == pytest.approx(weight[y == 1].sum())
    assert weight.mean() == pytest.approx(1)


def test_patience_ends_the_training_and_goes_back_to_the_best_weights() -> None:
    keras = right_by(1.0, 3.0, 2.0, 2.5, 9.0)

    curve = run(keras, TrainingRecipe(epochs=5, batch=20, patience=2))

    assert len(curve.loss) == 4
    assert curve.best == 1
    assert keras.orders == ["remember", "remember", "recall"]


def test_without_patience_the_last_weights_are_kept() -> None:
    keras = right_by(3.0, 1.0)

    curve = run(keras, TrainingRecipe(epochs=2, batch=20))

    assert curve.best is None
    assert keras.orders == []


def test_watch_ends_the_training() -> None:
    keras = right_by(1.0)

    curve = run(keras, TrainingRecipe(epochs=9, batch=20), Stage(watch=lambda epoch, loss, accuracy: epoch == 1))

    assert len(curve.loss) == 2


def test_no_epochs_are_no_training() -> None:
    keras = right_by(1.0)

    assert run(keras, TrainingRecipe(epochs=0)) == Curve()
    assert keras.schedules == []


def test_copy_is_judged_by_its_squared_difference() -> None:
    inputs = np.ones((2, 2, 2), np.float32)

    assert judged(np.zeros((2, 4), np.float32), inputs, Y[:2], "reconstruction") == (1.0, None)


def test_logits_beyond_all_bounds_are_a_loss_beyond_all_bounds() -> None:
    logits = np.array([[np.inf, 0]], np.float32)

    with np.errstate(invalid="ignore"):
        assert judged(logits, logits, Y[:1], "classes")[0] == np.inf


def recipe(network: Any, **training: Any) -> Recipe:
    return Recipe(
        name="r",
        model="r",
        dataset=DatasetRecipe(source="digits"),
        network=network,
        training=TrainingRecipe(**{"epochs": 4, "batch": 20, **training}),
    )


def course(keras: FakeKeras, made: Recipe) -> Curve:
    return train(keras, made, EPOCHS, VALIDATION, AsTheyAre(), SilentProgress())


def test_transferred_network_learns_its_head_first() -> None:
    keras = right_by(1.0)
    network = TransferRecipe(backbone="b.keras", frozen_epochs=2, fine_tune_rate=0.1)

    curve = course(keras, recipe(network, learning_rate=0.01))

    parts = [(schedule.epochs, schedule.learning_rate, part) for schedule, _, _, part in keras.schedules]
    assert parts == [(2, 0.01, "head"), (4, pytest.approx(0.001), "fine")]
    assert len(curve.loss) == 6


def test_saved_model_stays_as_it_is() -> None:
    keras = right_by(1.0)

    assert course(keras, recipe(SavedRecipe(path="m.keras"))) == Curve()


def test_saved_model_is_trained_on_when_asked() -> None:
    keras = right_by(1.0)

    assert len(course(keras, recipe(SavedRecipe(path="m.keras", fine_tune=True))).loss) == 4


def test_penalties_reach_the_schedule() -> None:
    keras = right_by(1.0)

    course(keras, recipe(MlpRecipe(), l1=1e-5, l2=1e-4, label_smoothing=0.1))

    assert keras.schedules[0][0].l2 == 1e-4
