"""A data set that has been checked: examples, classes, groups, and what was said about parts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets.examples import Examples, Integers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """Examples as a source would deliver them.

    Attributes:
        x: Frames (n, ...) in the data set's own dtype.
        y: Class index of each, (n,) int64.
        labels: Name of each class.
        group: Index into ``groups`` of the site, device, speaker or season of each, (n,) int64; None without groups.
        groups: Name of each group.
        context: Index into ``contexts`` of the condition of each, (n,) int64; None where the recipe asks for none.
        contexts: Name of each condition.
        part: What the source says: 0 train, 1 profile, 2 test, -1 free, (n,) int8; None when all are free.
        file: Index into ``names`` of the file or recording of each, (n,) int64; None where there is none.
        names: Name of each file or recording.
        columns: Names of the columns of rows; empty where they have none.
        rate_hz: Samples in a second; None where time is not known.
        unlabelled: More examples of the same form without classes, one entry for each source.
        sha256: Digest of all of it.
    """

    x: NDArray[Any]
    y: Integers
    labels: tuple[str, ...]
    group: Integers | None = None
    groups: tuple[str, ...] = ()
    context: Integers | None = None
    contexts: tuple[str, ...] = ()
    part: NDArray[np.int8] | None = None
    file: Integers | None = None
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    rate_hz: float | None = None
    unlabelled: tuple[Examples, ...] = ()
    sha256: str = ""

    def name_of(self, index: int) -> str:
        """An example in a message: its file where it has one of its own, or its number."""
        if self.file is None:
            return f"example {index}"
        name = self.names[int(self.file[index])]
        return name if len(self.names) == len(self.x) else f"{name} example {index}"


def digest(*arrays: NDArray[Any] | None) -> str:
    """sha256 in hex of dtype, shape and content of the arrays that are there."""
    made = hashlib.sha256()
    for array in arrays:
        if array is not None:
            made.update(f"{array.dtype.str}{array.shape}".encode())
            made.update(np.ascontiguousarray(array).data)
    return made.hexdigest()
