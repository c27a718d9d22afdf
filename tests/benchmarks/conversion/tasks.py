"""Tasks of the benchmark: shipped recipes, built as they are; a net that was trained before is converted anew."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from converter.build import BuildOrder, build, read_report
from converter.gates import GATES
from converter.recipe import Recipe, load_recipe
from edge_models.bundle import Bundle
from tests.benchmarks.conversion.place import Place, now
from tests.benchmarks.conversion.result import Result, figures_of, pooled

SPEAKERS = ("george", "jackson", "lucas", "nicolas")
TAKES = ("", "1", "2", "3", "4")  # tens of a take's number: groups of the recipe fsdd


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """A recipe and what is changed in it.

    Attributes:
        name: For the table and for files.
        recipe: One that the converter ships.
        overrides: As for `--set`.
    """

    name: str
    recipe: str
    overrides: tuple[str, ...] = ()


TASKS = (
    Task(name="fashion_mnist", recipe="fashion_mnist"),
    Task(name="kws", recipe="kws"),
    Task(name="cwru", recipe="cwru"),
    Task(name="skab", recipe="skab"),
    Task(name="weather", recipe="weather"),
    Task(name="mnist5k", recipe="mnist5k"),
    Task(name="cifar10", recipe="cifar10"),
)


def measured_tasks(place: Place) -> Iterator[Result]:
    """Every task, built or converted anew."""
    for task in TASKS:
        yield built(task, place)


def speakers_left_out(place: Place) -> Iterator[Result]:
    """Spoken digits: a net for each speaker that it has not heard, then all of them together."""
    folds = [built(_without(speaker), place) for speaker in SPEAKERS]
    yield from folds
    worst = min(folds, key=lambda fold: fold.figures.overall.artifact.value)
    yield pooled(folds, f"fsdd, all speakers (worst: {worst.name.removeprefix('fsdd, without ')})")


def built(task: Task, place: Place) -> Result:
    """Train unless this recipe's net is there, convert, measure and write the bundle."""
    started = time.monotonic()
    recipe = load_recipe(task.recipe, task.overrides, place.named)
    net = place.net(_slug(task.name), recipe.sha256)
    is_trained = not net.exists()
    sys.stderr.write(f"{task.name}: {'training' if is_trained else 'converting'}\n")
    order = BuildOrder(
        recipe=recipe if is_trained else as_it_is(recipe),
        output=place.bundle(_slug(task.name)),
        initial=None if is_trained else net,
        kept_model=net if is_trained else None,
        allowed=GATES,
        created=now(),
    )
    bundle = build(order, place.progress)
    return Result(
        name=task.name,
        figures=figures_of(read_report(bundle)),
        bundle=bundle.directory,
        waived=waived(bundle),
        seconds=time.monotonic() - started,
        is_trained=is_trained,
    )


def as_it_is(recipe: Recipe) -> Recipe:
    """The recipe without all training; each layer's noise was measured when it was trained."""
    return dataclasses.replace(
        recipe,
        training=dataclasses.replace(recipe.training, epochs=0, folds=None),
        quantize=dataclasses.replace(recipe.quantize, sensitivity=False),
        pretrain=None,
        search=None,
    )


def waived(bundle: Bundle) -> tuple[str, ...]:
    """Gates that the bundle misses."""
    return tuple(waiver.gate for waiver in bundle.manifest.provenance.waivers)


def _without(speaker: str) -> Task:
    groups: Sequence[str] = [f"{speaker}_{take}" for take in TAKES]
    return Task(
        name=f"fsdd, without {speaker}",
        recipe="fsdd",
        overrides=(f"dataset.test_groups=[{', '.join(groups)}]",),
    )


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
