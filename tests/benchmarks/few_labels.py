"""Ten labels of each class: from scratch against self-supervised pre-training, and against a trained backbone.

Fashion-MNIST as in the recipe `few_labels`, five draws of labels, accuracies of int8 artifacts on 9,985 test pictures.
Every arm has the same net, augmentation, batch and number of updates with labels; rate and penalty of each are chosen
on the same 1,000 validation pictures with two more draws of labels. Nets are kept like those of the benchmark
`converter`.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

from converter.keras_process.process import KerasProcess
from converter.labels import Arm
from converter.preparation import Prepared, prepare
from converter.progress import progress_shown
from converter.recipe import Recipe, TrainingRecipe, load_recipe
from converter.training.pretrain import pretrain
from tests.benchmarks.conversion.labels import EPOCHS, Candidates, difference, reached, start_of
from tests.benchmarks.conversion.place import Place, open_place
from tests.benchmarks.conversion.transferring import transferred
from tests.benchmarks.harness import Report, Row, Target

UPDATES = 1000
RATES = ((0.003, 0.001), (0.01, 0.001), (0.01, 0.0), (0.03, 0.0))
HEAD_RATES = ((0.01, 0.01), (0.01, 0.03), (0.01, 0.1))
NOTES = (
    "few labels: 10 of each class, 5 draws; int8 accuracies of all arms have the same net, augmentation and updates",
    "few labels: pre-training sees the training pictures once for all draws; the interval is Student's t over draws",
)


def run() -> Report:
    """Learn what is not kept, convert and measure."""
    with progress_shown("auto") as progress:
        rows, targets, notes = compared(open_place(progress))
    return Report(rows=rows, targets=targets, notes=notes)


def compared(place: Place) -> tuple[list[Row], list[Target], tuple[str, ...]]:
    """Lines, targets and notes of this benchmark, which `converter` shows, too."""
    started = time.monotonic()
    rows, targets = _self_supervised(place)
    for lines, found in transferred(place):
        rows += lines
        targets.append(Target(name=f"{lines[-1].name}: lower end", value=100 * found.low, op=">", target=0.0))
    rows.append(Row(name="few labels, all of it", values={"seconds": round(time.monotonic() - started, 1)}))
    return rows, targets, NOTES


def _self_supervised(place: Place) -> tuple[list[Row], list[Target]]:
    recipe = load_recipe("few_labels", ["dataset.per_class=null"], place.named)
    prepared = prepare(recipe)
    with KerasProcess() as keras:
        start = _pretrained(keras, recipe, prepared, place)
        scratch = reached(keras, _scratch(recipe), prepared, place)
        better = reached(keras, _from(start, recipe), prepared, place)
    line, found = difference(better, scratch)
    targets = [
        Target(name="pre-training over from scratch, points", value=100 * found.mean, op=">=", target=5.0),
        Target(name="the same, lower end of the interval", value=100 * found.low, op=">", target=2.0),
    ]
    return [scratch.row, better.row, line], targets


def _pretrained(keras: KerasProcess, recipe: Recipe, prepared: Prepared, place: Place) -> Path:
    """The net that has seen the pictures without their labels."""
    start = start_of(place, "few-labels-start", recipe)
    if not start.exists():
        keras.create(recipe.network, prepared.preprocess.output_shape, len(prepared.data.labels), seed=1)
        pretrain(keras, recipe, prepared.inputs(prepared.parts.train), place.progress)
        keras.save(start)
    return start


def _scratch(recipe: Recipe) -> Candidates:
    return Candidates(
        name="few labels, from scratch",
        recipe=dataclasses.replace(recipe, pretrain=None),
        trainings=_trainings(recipe, RATES),
        updates=UPDATES,
        arm=Arm(name="scratch", training=recipe.training),
    )


def _from(start: Path, recipe: Recipe) -> Candidates:
    return Candidates(
        name="few labels, pre-trained",
        recipe=recipe,
        trainings=_trainings(recipe, HEAD_RATES),
        updates=UPDATES,
        arm=Arm(name="pre-trained", training=recipe.training, start=start, part="head"),
    )


def _trainings(recipe: Recipe, rates: tuple[tuple[float, float], ...]) -> tuple[TrainingRecipe, ...]:
    return tuple(
        dataclasses.replace(recipe.training, epochs=EPOCHS, learning_rate=rate, l2=penalty) for rate, penalty in rates
    )
