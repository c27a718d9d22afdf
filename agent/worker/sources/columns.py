"""A row of text cells as a frame: which columns, in which order, and which one is the label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.worker.errors import SourceError

MAX_COLUMNS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where the values lie.

    Attributes:
        indices: Of the values, in the model's order.
        label_index: Of the label; None without one.
        labels: Index of each class by its name.
    """

    indices: tuple[int, ...]
    label_index: int | None
    labels: dict[str, int]

    def values(self, row: list[str]) -> NDArray[np.float32]:
        """The frame; a cell that is no number becomes NaN, which the preprocessor refuses and counts."""
        return np.array([_number(row, index) for index in self.indices], np.float32)

    def label(self, row: list[str]) -> int | None:
        """The true class, given by its name or its index."""
        if self.label_index is None or self.label_index >= len(row):
            return None
        text = row[self.label_index].strip()
        if text in self.labels:
            return self.labels[text]
        return int(text) if text.isdecimal() else None


def columns_of(
    header: list[str], where: object, *, columns: tuple[str, ...], label_column: str | None, labels: tuple[str, ...]
) -> Columns:
    """Find the columns by their names.

    Args:
        header: First line of the file.
        where: The file, for messages.
        columns: Names in the model's order; empty means all but the label's.
        label_column: Name of the column with the true class.
        labels: Names of the classes.

    Raises:
        SourceError: One is missing.
    """
    names = [name.strip() for name in header]

    def index(name: str) -> int:
        if name not in names:
            raise SourceError(f"{where}: found columns {', '.join(names[:20])}, expected one named {name}")
        return names.index(name)

    label_index = None if label_column is None else index(label_column)
    chosen = columns or tuple(name for name in names if name != label_column)
    if not chosen or len(names) > MAX_COLUMNS:
        raise SourceError(f"{where}: found {len(names)} columns, expected from 1 to {MAX_COLUMNS}")
    return Columns(
        indices=tuple(index(name) for name in chosen),
        label_index=label_index,
        labels={name: number for number, name in enumerate(labels)},
    )


def _number(row: list[str], index: int) -> float:
    try:
        return float(row[index])
    except (IndexError, ValueError):
        return float("nan")
