"""What the path of a file, or the name of a recording, says of it: class, group, condition and part."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from converter.datasets.examples import Integers, coded
from converter.datasets.tree import Tree
from converter.errors import DatasetError

PARTS = {"train": 0, "training": 0, "profile": 1, "validation": 1, "valid": 1, "val": 1, "test": 2, "testing": 2}
FREE = -1
CONTEXT = "context"
"""What ``profile.groups`` says for the named group of dataset.pattern."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One file or recording.

    Attributes:
        name: Its path below the source, or its name.
        label: Its class; None where nothing says it.
        group: Its group; None where nothing says it.
        part: 0 train, 1 profile, 2 test, -1 free.
        context: Its condition, such as night; None where nothing says it.
    """

    name: str
    label: str | None
    group: str | None
    part: int
    context: str | None = None


def places_of(
    tree: Tree, suffixes: Collection[str], pattern: str | None, what: str, *, by_folder: bool = True
) -> list[Place]:
    """The files of a tree with these suffixes that the pattern takes, each with what its path says.

    Args:
        tree: The files.
        suffixes: In lower case with the dot.
        pattern: Regular expression with the named groups label, group, part and context; None for class folders.
        what: The files in messages, in the plural.
        by_folder: Folders are classes where there is no pattern, so that none of them may be empty.

    Raises:
        DatasetError: No file is left, or a class folder has none.
    """
    names = [name for name in tree.names if PurePosixPath(name).suffix.lower() in suffixes]
    if not names:
        found = f"{len(tree.names)} other files" if tree.names else "no files"
        raise DatasetError(f"{tree.where}: found {found}, expected {what} ({' '.join(sorted(suffixes))})")
    if pattern is None and by_folder:
        _check_filled(tree, names, what)
    return named_places(names, pattern, tree.where)


def named_places(names: Sequence[str], pattern: str | None, where: str) -> list[Place]:
    """What each name says; without a pattern the folder that a file is in is its class.

    Raises:
        DatasetError: The pattern matches no name, or a part is none.
    """
    if pattern is None:
        return [
            Place(name=name, label=PurePosixPath(name).parent.name or None, group=None, part=FREE) for name in names
        ]
    matches = [(name, match) for name in names if (match := re.search(pattern, name))]
    if not matches:
        raise DatasetError(
            f"{where}: found no name that dataset.pattern {pattern!r} matches, expected some; the first is {names[0]!r}"
        )
    return [_place(name, match.groupdict(), where) for name, match in matches]


def _place(name: str, said: dict[str, str | None], where: str) -> Place:
    part = said.get("part")
    if part is not None and part.lower() not in PARTS:
        raise DatasetError(
            f"{where}/{name}: found part {part!r} by dataset.pattern, expected one of {', '.join(PARTS)}"
        )
    number = FREE if part is None else PARTS[part.lower()]
    return Place(name=name, label=said.get("label"), group=said.get("group"), part=number, context=said.get("context"))


def _check_filled(tree: Tree, names: Sequence[str], what: str) -> None:
    filled = {parent.as_posix() for name in names for parent in PurePosixPath(name).parents}
    folders = {parent.as_posix() for name in tree.names for parent in PurePosixPath(name).parents} | set(tree.empty)
    empty = sorted(folders - filled)
    if empty:
        raise DatasetError(
            f"{tree.where}/{empty[0]}: found a class folder without {what}, expected some in each; "
            "add them, remove the folder, or say with dataset.pattern which files count"
        )


def labels_of(places: Sequence[Place], where: str) -> tuple[tuple[str, ...], Integers]:
    """Names of the classes and the class of each place.

    Raises:
        DatasetError: A place has no class.
    """
    for place in places:
        if place.label is None:
            raise DatasetError(
                f"{where}/{place.name}: found no class for it, expected it in a folder of its class's name, "
                "or dataset.pattern with (?P<label>...)"
            )
    return coded([place.label or "" for place in places])


def groups_of(places: Sequence[Place], where: str) -> tuple[tuple[str, ...], Integers | None]:
    """Names of the groups and the group of each place; none when no place has one.

    Raises:
        DatasetError: Only some places have a group.
    """
    without = next((place for place in places if place.group is None), None)
    if without is None:
        return coded([place.group or "" for place in places])
    if any(place.group is not None for place in places):
        raise DatasetError(
            f"{where}/{without.name}: found no group for it by dataset.pattern, but one for other files; "
            "expected (?P<group>...) for all"
        )
    return (), None


def contexts_of(places: Sequence[Place], source: str | None, where: str) -> tuple[tuple[str, ...], Integers | None]:
    """Names of the conditions and the condition of each place; none when none are asked for.

    Args:
        places: Files or recordings.
        source: ``context``, or None when no conditions are asked for.
        where: In messages.

    Raises:
        DatasetError: Something else is asked for, or a place has no condition.
    """
    if source is None:
        return (), None
    without = next((place for place in places if place.context is None), None)
    if source != CONTEXT or without is not None:
        found = f"profile.groups {source!r}" if source != CONTEXT or without is None else f"none for {without.name}"
        raise DatasetError(
            f"{where}: found {found}, expected context, and (?P<context>...) in dataset.pattern for every file; or a "
            "mapping from the names of conditions to groups"
        )
    return coded([place.context or "" for place in places])


def parts_of(places: Sequence[Place]) -> NDArray[np.int8] | None:
    """Part of each place; None when all are free."""
    part = np.array([place.part for place in places], np.int8)
    return part if (part != FREE).any() else None
