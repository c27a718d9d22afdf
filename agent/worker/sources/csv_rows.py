"""Rows of a CSV file as frames; the first line names the columns."""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from agent.worker.errors import SourceError
from agent.worker.sources.columns import columns_of
from agent.worker.sources.port import Frame

log = logging.getLogger(__name__)


class CsvRows:
    """Reads one row for each frame, without holding the file in memory.

    A cell that is no number becomes NaN, and a row that is no CSV an empty frame; the preprocessor refuses both, so the
    row is counted, not hidden.

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
        self._labels = labels
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
        """The next row, or None after the last one.

        Raises:
            SourceError: The file cannot be read any more.
        """
        try:
            row = self._next_row()
        except csv.Error as exc:
            log.warning("source row unreadable position=%d reason=%s", self.position, exc)
            frame = Frame(x=np.empty(0, np.float32), position=self.position)
        else:
            if row is None:
                self._end()
                return None
            frame = Frame(x=self._columns.values(row), position=self.position, label=self._columns.label(row))
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
            self._stream = self._path.open(newline="", encoding="utf-8-sig", errors="replace")
            self._rows = csv.reader(self._stream, strict=True)
            header = next(self._rows, [])
        except (OSError, ValueError, csv.Error) as exc:
            raise SourceError(f"{self._path}: cannot be read as CSV ({exc}); expected a first line of names") from exc
        columns, label_column = self._wanted
        self._columns = columns_of(header, self._path, columns=columns, label_column=label_column, labels=self._labels)

    def _next_row(self) -> list[str] | None:
        """The next row; at the end of the file the first one of the next lap, if there is to be one."""
        for first_try in (True, False):
            try:
                row = next((row for row in self._rows if row), None)
            except OSError as exc:
                raise SourceError(f"{self._path}: row {self.position} cannot be read ({exc})") from exc
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
            except csv.Error:  # counted when it was its turn, and passed over
                continue
            except OSError as exc:
                raise SourceError(f"{self._path}: row {done} cannot be read ({exc})") from exc
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
