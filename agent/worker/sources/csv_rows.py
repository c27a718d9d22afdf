"""Rows of a CSV file as frames; the first line names the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from agent.worker.errors import SourceError
from agent.worker.sources.port import Frame

MAX_COLUMNS = 4096


class CsvRows:
    """Reads one row for each frame, without holding the file in memory.

    A cell that is no number becomes NaN, which the preprocessor refuses: the row is counted, not hidden.

    Args:
        path: The file.
        columns: Names of the columns in the model's order; empty means all but the label's.
        label_column: Column with the true class, as an index or as the name of a label.
        labels: Names of the classes.
        rate_hz: Rows in a second at which the loop is to ask.
        loop: Whether to begin again after the last row.
        position: First row to deliver.

    Raises:
        SourceError: The file cannot be read, or lacks a column.
    """

    def __init__(
        self,
        path: Path,
        *,
        columns: tuple[str, ...],
        label_column: str | None,
        labels: tuple[str, ...],
        rate_hz: float,
        loop: bool,
        position: int = 0,
    ) -> None:
        self.rate_hz: float | None = rate_hz
        self.position = position
        self.ended = False
        self._path = path
        self._loop = loop
        self._labels = {name: index for index, name in enumerate(labels)}
        self._wanted = (columns, label_column)
        self._rows: Iterator[list[str]] = iter(())
        self._stream: TextIO | None = None
        try:
            self._open()
            self._skip(position)
        except SourceError:
            self.close()
            raise

    def read(self) -> Frame | None:
        """The next row, or None after the last one."""
        row = self._next_row()
        if row is None:
            self._end()
            return None
        frame = Frame(x=self._values(row), position=self.position, label=self._label(row))
        self.position += 1
        return frame

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()

    def _end(self) -> None:
        self.ended = True
        self._rows = iter(())
        self.close()

    def _open(self) -> None:
        """Open the file at its first row."""
        self.close()
        try:
            self._stream = self._path.open(newline="", encoding="utf-8-sig")
            self._rows = csv.reader(self._stream, strict=True)
            header = [name.strip() for name in next(self._rows, [])]
        except (OSError, ValueError, csv.Error) as exc:
            raise SourceError(f"{self._path}: cannot be read as CSV ({exc}); expected a first line of names") from exc
        columns, label_column = self._wanted
        self._label_index = None if label_column is None else self._index(header, label_column)
        chosen = columns or tuple(name for name in header if name != label_column)
        if not chosen or len(header) > MAX_COLUMNS:
            raise SourceError(f"{self._path}: found {len(header)} columns, expected from 1 to {MAX_COLUMNS}")
        self._indices = [self._index(header, name) for name in chosen]

    def _index(self, header: list[str], name: str) -> int:
        if name not in header:
            raise SourceError(f"{self._path}: found columns {', '.join(header[:20])}, expected one named {name}")
        return header.index(name)

    def _next_row(self) -> list[str] | None:
        """The next row; at the end of the file the first one of the next lap, if there is to be one."""
        for first_try in (True, False):
            try:
                row = next((row for row in self._rows if row), None)
            except (OSError, ValueError, csv.Error) as exc:
                raise SourceError(f"{self._path}: row {self.position} cannot be read as CSV ({exc})") from exc
            if row is not None or not self._loop or not first_try:
                return row
            self._open()
        return None

    def _skip(self, count: int) -> None:
        """Pass over rows that were delivered before a restart; laps are counted, not walked."""
        lap = 0
        for done in range(count):
            try:
                row = next((row for row in self._rows if row), None)
            except (OSError, ValueError, csv.Error):  # counted when it was its turn, and passed over
                continue
            if row is None:
                lap = done
                break
        else:
            return
        if not self._loop or lap == 0:
            self._end()
            return
        self._open()
        self._skip(count % lap)

    def _values(self, row: list[str]) -> np.ndarray:
        return np.array([_number(row, index) for index in self._indices], np.float32)

    def _label(self, row: list[str]) -> int | None:
        if self._label_index is None or self._label_index >= len(row):
            return None
        text = row[self._label_index].strip()
        if text in self._labels:
            return self._labels[text]
        return int(text) if text.isdigit() else None


def _number(row: list[str], index: int) -> float:
    try:
        return float(row[index])
    except (IndexError, ValueError):
        return float("nan")
