"""What a source gives: examples with the classes, groups and parts that stand beside them, not yet checked together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Examples in the order of their files; rows of a recording in the order of time.

    Attributes:
        x: Frames (n, ...) as a source delivers them.
        label: Class of each: index into ``labels`` where those are known; (n,). None without classes.
        labels: Names of the classes; empty where classes are bare numbers.
        group: Index into ``groups`` of each, (n,); None without groups.
        groups: Names of the groups.
        context: Index into ``contexts`` of the condition of each, (n,); None where none was asked for.
        contexts: Names of the conditions.
        part: 0 train, 1 profile, 2 test, -1 free, (n,); None when all are free.
        file: Index into ``names`` of the file or recording that each comes from, (n,); None where there is none.
        names: Names of the files or recordings.
        columns: Names of the columns of rows; empty where they have none.
        rate_hz: Samples in a second; None where time is not known.
    """

    x: NDArray[Any]
    label: Integers | None = None
    labels: tuple[str, ...] = ()
    group: Integers | None = None
    groups: tuple[str, ...] = ()
    context: Integers | None = None
    contexts: tuple[str, ...] = ()
    part: NDArray[np.int8] | None = None
    file: Integers | None = None
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rate_hz: float | None = None

    def take(self, chosen: NDArray[np.intp]) -> Examples:
        """The chosen examples only."""
        return replace(
            self,
            x=self.x[chosen],
            label=None if self.label is None else self.label[chosen],
            group=None if self.group is None else self.group[chosen],
            context=None if self.context is None else self.context[chosen],
            part=None if self.part is None else self.part[chosen],
            file=None if self.file is None else self.file[chosen],
        )


def coded(values: Sequence[str], known: Iterable[str] = ()) -> tuple[tuple[str, ...], Integers]:
    """Different values in their natural order, or ``known`` ones, and the index of each value.

    Examples:
        >>> coded(["10", "9", "10"])[0]
        ('9', '10')
    """
    names = tuple(known) or tuple(sorted(sorted(set(values)), key=natural))  # "01" and "1": a set has no order
    index = {name: number for number, name in enumerate(names)}
    return names, np.array([index[value] for value in values], np.int64)


def natural(text: str) -> tuple[tuple[int, int, str], ...]:
    """Key that sorts the numbers inside of a text by their value."""
    parts = re.findall(r"\d+|\D+", text)
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts)
