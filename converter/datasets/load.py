"""Load a data set as its recipe describes it, from files or from installed packages; nothing is downloaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets import packaged
from converter.datasets.arrays import load_arrays, load_signals, read_examples
from converter.datasets.audio import SUFFIXES as WAV_SUFFIXES
from converter.datasets.audio import load_clips
from converter.datasets.dataset import Dataset, digest
from converter.datasets.examples import Examples, Integers
from converter.datasets.images import SUFFIXES as IMAGE_SUFFIXES
from converter.datasets.images import load_images
from converter.datasets.places import FREE, PARTS, contexts_of, groups_of, labels_of, parts_of, places_of
from converter.datasets.tables import load_tables
from converter.datasets.tree import open_tree
from converter.errors import DatasetError
from converter.progress import Progress, SilentProgress
from converter.recipe.dataset import SOURCES, DatasetRecipe

__all__ = ["MAX_CLASSES", "load_dataset", "read_examples", "read_source"]

MAX_CLASSES = 10_000  # as many labels as a manifest holds
_SILENT = SilentProgress()


def load_dataset(
    section: DatasetRecipe, *, seed: int = 0, progress: Progress = _SILENT, context: str | None = None
) -> Dataset:
    """Load and check a data set.

    Args:
        section: Where it is and how to read it.
        seed: Of the choice of ``limit`` examples.
        progress: Told how far reading has come.
        context: Column, array or named group that tells the condition of an example, as ``profile.groups`` says.

    Raises:
        DatasetError: Unknown, missing, malformed, too few classes or values that are not finite.
    """
    source = read_source(section, section.source, progress, context=context)
    examples = _limited(section, _tested(section, source), seed)
    labels, y = _classes(section, examples)
    examples = _in_blocks(section, _with_group_names(examples))
    unlabelled = tuple(_unlabelled(section, examples, source, progress) for source in section.unlabelled)
    return Dataset(
        x=examples.x,
        y=y,
        labels=labels,
        group=examples.group,
        groups=examples.groups,
        context=examples.context,
        contexts=examples.contexts,
        part=examples.part,
        file=examples.file,
        names=examples.names,
        columns=examples.columns,
        rate_hz=examples.rate_hz,
        unlabelled=unlabelled,
        sha256=digest(examples.x, y, examples.group, examples.part, examples.context, *(more.x for more in unlabelled)),
    )


def read_source(
    section: DatasetRecipe,
    source: str,
    progress: Progress = _SILENT,
    *,
    labelled: bool = True,
    context: str | None = None,
) -> Examples:
    """Examples of one source, in the form that the section describes.

    Args:
        section: How to read it.
        source: Which one.
        progress: Told how far reading has come.
        labelled: Examples need a class; otherwise classes and the pattern are passed over.
        context: What tells the condition of an example, as for ``load_dataset``.

    Raises:
        DatasetError: As for ``load_dataset``.
    """
    kind, _, path = source.partition(":")
    if source in packaged.NAMES:
        x, y = packaged.load_packaged(source)
        return Examples(x=x, label=y if labelled else None)
    match kind, bool(path):
        case "npz", True:
            return load_arrays(Path(path), labelled=labelled, context=context)
        case "signals", True:
            return load_signals(Path(path), section.pattern, section.rate_hz, labelled=labelled, context=context)
        case "csv", True:
            with open_tree(Path(path)) as tree:
                return load_tables(tree, section, progress, labelled=labelled, context=context)
        case (("images" | "wav"), True):
            return _clips_or_pictures(section, kind, Path(path), progress, labelled=labelled, context=context)
        case _:
            raise DatasetError(f"dataset.source: found {source!r}, expected {SOURCES}")


def _clips_or_pictures(
    section: DatasetRecipe, kind: str, path: Path, progress: Progress, *, labelled: bool, context: str | None
) -> Examples:
    """One example for each file."""
    suffixes, what = (WAV_SUFFIXES, "WAV files") if kind == "wav" else (IMAGE_SUFFIXES, "pictures")
    with open_tree(path) as tree:
        places = places_of(tree, suffixes, section.pattern if labelled else None, what, by_folder=labelled)
        labels, label = labels_of(places, tree.where) if labelled else ((), None)
        groups, group = groups_of(places, tree.where)
        contexts, condition = contexts_of(places, context, tree.where)
        x: NDArray[Any]
        rate_hz = None
        if kind == "wav":
            x, rate_hz = load_clips(tree, places, section.rate_hz, section.seconds, progress)
        else:
            x = load_images(tree, places, section.size, progress)
    return Examples(
        x=x,
        label=label,
        labels=labels,
        group=group,
        groups=groups,
        context=condition,
        contexts=contexts,
        part=parts_of(places),
        file=np.arange(len(places)),
        names=tuple(place.name for place in places),
        rate_hz=rate_hz,
    )


def _tested(section: DatasetRecipe, examples: Examples) -> Examples:
    """Marks the test part that ``test_from`` names: before a limit, after which examples have other numbers."""
    if section.test_from is None:
        return examples
    if section.test_from >= len(examples.x):
        raise DatasetError(
            f"{section.source}: found {len(examples.x)} examples, expected more than dataset.test_from "
            f"{section.test_from}; lower it"
        )
    part = np.full(len(examples.x), FREE, np.int8) if examples.part is None else examples.part.copy()
    part[section.test_from :] = PARTS["test"]
    return dataclasses.replace(examples, part=part)


def _limited(section: DatasetRecipe, examples: Examples, seed: int) -> Examples:
    if section.limit is None or section.limit >= len(examples.x):
        return examples
    return examples.take(np.sort(np.random.default_rng(seed).permutation(len(examples.x))[: section.limit]))


def _classes(section: DatasetRecipe, examples: Examples) -> tuple[tuple[str, ...], Integers]:
    """Names of the classes and the class of each example."""
    source, wanted, found = section.source, section.labels, examples.labels
    if examples.label is None:
        raise DatasetError(f"{source}: found no classes, expected one for each example")
    y = examples.label
    if found and wanted and set(found) != set(wanted):
        y = _numbered(source, found, wanted)[y]
    elif found and wanted:
        y = np.array([wanted.index(name) for name in found])[y]
    classes = len(wanted) or MAX_CLASSES
    if int(y.min()) < 0 or int(y.max()) >= classes:
        raise DatasetError(
            f"{source}: found labels {y.min()} to {y.max()}, expected 0 to {classes - 1}; number the classes from 0"
        )
    if not (found or wanted) and section.limit is None:
        _check_gapless(source, y)
    if len(np.unique(y)) < 2:
        raise DatasetError(f"{source}: found examples of one class only, expected at least two classes")
    return wanted or found or tuple(str(i) for i in range(int(y.max()) + 1)), y


def _check_gapless(source: str, y: Integers) -> None:
    """Refuse bare numbers of classes with a gap: more often a wrong label than a class without examples."""
    missing = np.setdiff1d(np.arange(int(y.max()) + 1), y)
    if len(missing):
        wrong = int(np.flatnonzero(y > missing[0])[0])
        raise DatasetError(
            f"{source}: found label {y[wrong]} in example {wrong} and none of class {missing[0]}, expected numbers "
            "without a gap; mend the label, or name all classes in dataset.labels"
        )


def _numbered(source: str, found: tuple[str, ...], wanted: tuple[str, ...]) -> Integers:
    """The class of each found name where the names are numbers of classes.

    Raises:
        DatasetError: A name is no class, or a class has no example.
    """
    strange = [name for name in found if name not in wanted]
    if all(name.lstrip("-").isdecimal() for name in found) and len(strange) == len(found):
        return np.array([int(name) for name in found], np.int64)
    if strange:
        raise DatasetError(
            f"{source}: found class {strange[0]!r}, expected one of dataset.labels: {', '.join(wanted)}; "
            "mend one of the two"
        )
    missing = next(name for name in wanted if name not in found)
    raise DatasetError(f"{source}: found no examples of class {missing!r} of dataset.labels, expected some")


def _with_group_names(examples: Examples) -> Examples:
    """Numbers of groups become indices with their numbers as names."""
    if examples.group is None or examples.groups:
        return examples
    names, group = np.unique(examples.group, return_inverse=True)
    return dataclasses.replace(examples, group=group.astype(np.int64), groups=tuple(str(name) for name in names))


def _in_blocks(section: DatasetRecipe, examples: Examples) -> Examples:
    """Each recording cut into stretches of time that are groups of their own."""
    if section.blocks is None:
        return examples
    if section.source.partition(":")[0] in ("images", "wav"):
        raise DatasetError(
            f"{section.source}: found dataset.blocks, expected recordings of rows that can be cut into stretches of "
            "time; name groups of pictures or clips with (?P<group>...) in dataset.pattern"
        )
    recording, names = examples.file, examples.names
    if recording is None:  # of npz: a group is a recording
        recording, names = examples.group, examples.groups
    if recording is None:
        recording, names = np.zeros(len(examples.x), np.int64), ("rows",)
    group = np.empty(len(recording), np.int64)
    for number in range(len(names)):
        members = np.flatnonzero(recording == number)
        group[members] = number * section.blocks + np.arange(len(members)) * section.blocks // max(1, len(members))
    groups = tuple(f"{name} {block + 1}/{section.blocks}" for name in names for block in range(section.blocks))
    used, group = np.unique(group, return_inverse=True)
    return dataclasses.replace(
        examples, group=group.astype(np.int64), groups=tuple(groups[i] for i in used), file=recording, names=names
    )


def _unlabelled(section: DatasetRecipe, examples: Examples, source: str, progress: Progress) -> Examples:
    """More examples of the same form."""
    x, kind = examples.x, section.source.partition(":")[0]
    same = dataclasses.replace(section, columns=examples.columns or section.columns)
    if kind == "wav" and examples.rate_hz is not None:
        same = dataclasses.replace(same, rate_hz=examples.rate_hz, seconds=x.shape[1] / examples.rate_hz)
    more = read_source(same, source, progress, labelled=False)
    if more.x.shape[1:] != x.shape[1:] or more.x.dtype != x.dtype:
        raise DatasetError(
            f"{source}: found unlabelled examples {more.x.dtype}{list(more.x.shape[1:])}, expected "
            f"{x.dtype}{list(x.shape[1:])} as in {section.source}"
        )
    if None not in (more.rate_hz, examples.rate_hz) and more.rate_hz != examples.rate_hz:
        raise DatasetError(
            f"{source}: found {more.rate_hz:g} samples in a second, expected {examples.rate_hz:g} as in "
            f"{section.source}; resample them"
        )
    return more
