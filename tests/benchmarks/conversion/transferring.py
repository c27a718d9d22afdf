"""Transfer learning where labels are few: other clothes, and a speaker whom the net has not heard."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converter.keras_process.process import KerasProcess
from converter.labels import Arm
from converter.preparation import Prepared, prepare
from converter.recipe import Recipe, TrainingRecipe, TransferRecipe, load_recipe
from converter.training.course import train
from converter.training.mix import plain_epochs
from tests.benchmarks.conversion.labels import EPOCHS, Candidates, difference, reached, start_of
from tests.benchmarks.conversion.paired import Paired
from tests.benchmarks.conversion.place import Place
from tests.benchmarks.harness import Row

UPDATES = 400
RATES = ((0.003, 0.001), (0.01, 0.001), (0.01, 0.0))
CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
KNOWN, NEW = (0, 1, 2, 5, 7), (3, 4, 6, 8, 9)
SPEAKER = "nicolas"
SPOKEN = r"dataset.pattern=(?P<label>\d)_(?P<group>{}_\d?)\d\.wav$"
SPREAD = "augment.spread={rotation_deg: 5, zoom: 1.1, shift_x: 0.05, shift_y: 0.05, gamma: 1.3}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One transfer.

    Attributes:
        name: For the table.
        known: Recipe that teaches the backbone, with all labels.
        new: Recipe of what is to be learnt from few.
        per_class: Labels of each class of it.
    """

    name: str
    known: Recipe
    new: Recipe
    per_class: int = 10


def transferred(place: Place) -> Iterator[tuple[list[Row], Paired]]:
    """An image and an audio task: lines of the table, and what the backbone is worth."""
    for case in (_clothes(place), _spoken(place)):
        prepared = prepare(case.new)
        with KerasProcess() as keras:
            scratch = reached(keras, _candidates(case, case.new, "from scratch"), prepared, place)
            backbone = _backbone(keras, case, place)
            better = reached(keras, _candidates(case, _on(backbone, case.new), "transferred"), prepared, place)
        line, found = difference(better, scratch)
        yield [scratch.row, better.row, line], found


def _clothes(place: Place) -> Case:
    """Fashion-MNIST in two halves, each with two kinds of tops or more, a shoe or a bag."""
    paths = place.data / "fashion_mnist_60k.npz", place.cache / "data"
    overrides = ("dataset.per_class=null", "augment.share=1.0", SPREAD)
    known, new = (
        load_recipe(
            "few_labels",
            [*overrides, f"dataset.source=npz:{_half(*paths, name, classes)}", *_divided(classes)],
            place.named,
        )
        for name, classes in (("known", KNOWN), ("new", NEW))
    )
    return Case(name="clothes", known=_supervised(known, 4, 128), new=_supervised(new, EPOCHS, 50))


def _divided(classes: tuple[int, ...]) -> tuple[str, ...]:
    return (
        f"dataset.labels=[{', '.join(CLOTHES[number] for number in classes)}]",
        "dataset.test_from=null",
        "dataset.test=0.15",
    )


def _half(source: Path, folder: Path, name: str, classes: tuple[int, ...]) -> Path:
    """A file with these classes of ``source``, numbered anew."""
    path = folder / f"fashion-{name}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with np.load(source) as data:
            x, y = data["x"], data["y"]
        chosen = np.isin(y, classes)
        np.savez(path, x=x[chosen], y=np.searchsorted(classes, y[chosen]).astype(np.int64))
    return path


def _spoken(place: Place) -> Case:
    """Three speakers are known; the fourth says every digit once."""
    overrides = ("dataset.test_groups=[]", "augment.spec_mask=0.1")
    others, new = rf"(?!{SPEAKER})[a-z]+", SPEAKER
    known = load_recipe("fsdd", [*overrides, SPOKEN.format(others)], place.named)
    heard = load_recipe("fsdd", [*overrides, "dataset.test=0.5", SPOKEN.format(new)], place.named)
    return Case(name="spoken digits", known=_supervised(known, 15, 32), new=_supervised(heard, EPOCHS, 20), per_class=1)


def _supervised(recipe: Recipe, epochs: int, batch: int) -> Recipe:
    training = TrainingRecipe(epochs=epochs, batch=batch, learning_rate=0.003)
    return dataclasses.replace(recipe, pretrain=None, training=training)


def _on(backbone: Path, recipe: Recipe) -> Recipe:
    """The head alone for half of the updates, everything but normalisation for the other half."""
    network = TransferRecipe(backbone=str(backbone), frozen_epochs=EPOCHS // 2, fine_tune_rate=0.1, dropout=0.0)
    return dataclasses.replace(recipe, network=network)


def _candidates(case: Case, recipe: Recipe, how: str) -> Candidates:
    epochs = EPOCHS // 2 if isinstance(recipe.network, TransferRecipe) else EPOCHS
    return Candidates(
        name=f"{case.name}, {how}",
        recipe=recipe,
        trainings=tuple(
            dataclasses.replace(recipe.training, epochs=epochs, learning_rate=rate, l2=penalty)
            for rate, penalty in RATES
        ),
        updates=UPDATES * epochs // EPOCHS,
        arm=Arm(name=how, training=recipe.training),
        per_class=case.per_class,
    )


def _backbone(keras: KerasProcess, case: Case, place: Place) -> Path:
    """The net that knows the other classes."""
    path = start_of(place, f"backbone-{case.name.replace(' ', '-')}", case.known)
    if not path.exists():
        _teach(keras, case.known, prepare(case.known), place)
        keras.save(path)
    return path


def _teach(keras: KerasProcess, recipe: Recipe, prepared: Prepared, place: Place) -> None:
    keras.create(recipe.network, prepared.preprocess.output_shape, len(prepared.data.labels), seed=1)
    learn, held = prepared.parts.train, prepared.parts.profile
    epochs = plain_epochs(prepared.data.x[learn], prepared.data.y[learn], recipe.augment, recipe.input.value_range)
    watched = prepared.inputs(held), prepared.data.y[held]
    train(keras, recipe, epochs, watched, prepared.preprocess, place.progress)
