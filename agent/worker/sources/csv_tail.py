"""Rows that something goes on adding to a CSV file, one frame each; what was there before is not taken.

Rotation (the path names another file) and truncation are followed: the old file is read to its end, the new one from
its start, with a header of its own. A last line without its end waits until it is whole. Cells hold no line breaks.
"""

from __future__ import annotations

import csv
import logging
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from agent.config import CsvSource
from agent.worker.errors import SourceError
from agent.worker.sources.columns import Columns, columns_of
from agent.worker.sources.port import Frame

log = logging.getLogger(__name__)

LOOK_S = 0.2  # between two looks at a file that had nothing new
MISSING_S = 30.0  # a rotation takes a moment; a file that stays away longer is a failure
CHUNK_BYTES = 1 << 16
MAX_LINE_BYTES = 1 << 20


class CsvTail:
    """The end of a growing file.

    Args:
        config: Which.
        labels: Names of the classes.
        position: Position of the next frame.
        mark: What an earlier one said of itself at this position or before; empty begins at the end of the file.
        now_s: Monotonic time.

    Raises:
        SourceError: The file cannot be read, or lacks a column.
    """

    def __init__(
        self, config: CsvSource, labels: tuple[str, ...], *, position: int, mark: str, now_s: Callable[[], float]
    ) -> None:
        self.rate_hz: float | None = config.rate_hz
        self.position = position
        self.ended = False
        self._path = Path(config.path)
        self._config = config
        self._labels = labels
        self._now_s = now_s
        self._looked_s = now_s() - LOOK_S
        self._missing_since_s: float | None = None
        self._columns: Columns | None = None
        self._partial = b""
        self._lines: deque[bytes] = deque()
        self._passed_over = 0
        self._taken = 0  # bytes of the file that were delivered or belong to its header
        self._stream = self._opened()
        try:
            self._begin(mark)
        except SourceError:
            self.close()
            raise

    @property
    def mark(self) -> str:
        """Where to go on: the position, which file, and how far."""
        return f"{self.position}/{self._identity}/{self._taken}"

    def read(self) -> Frame | None:
        """The next whole row, or None.

        Raises:
            SourceError: The file is gone for good, cannot be read, or is no CSV.
        """
        while True:
            if not self._lines and not self._more():
                return None
            line = self._lines.popleft()
            self._taken += len(line) + 1
            text = line.decode("utf-8-sig", errors="replace").rstrip("\r")
            if not text.strip():
                continue
            frame = self._frame(text)
            if frame is None:
                continue
            if self._passed_over:  # the position is beyond the mark: these were taken
                self._passed_over -= 1
                continue
            self.position += 1
            return frame

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def _begin(self, mark: str) -> None:
        """Read the header, and go where an earlier tail stopped, or to the end."""
        told, identity, taken = mark.split("/") if mark else ("0", "", "")
        self._passed_over = max(0, self.position - int(told)) if mark else 0
        if identity and identity != self._identity:  # rotated meanwhile: all of this file is new
            return
        self._fill()
        end = int(taken) if identity and taken.isdecimal() else os.fstat(self._stream.fileno()).st_size
        if end > os.fstat(self._stream.fileno()).st_size:  # truncated meanwhile
            return
        if not self._lines:  # not even a header
            return
        header = self._lines.popleft()
        self._columns = self._header(header.decode("utf-8-sig", errors="replace"))
        self._stream.seek(end)
        self._lines.clear()
        self._partial, self._taken = b"", end
        if end > 0 and not identity:
            self._forget_a_half_line(end)

    def _forget_a_half_line(self, end: int) -> None:
        """What was begun before is delivered when it is whole: go back to its first byte."""
        self._stream.seek(max(0, end - MAX_LINE_BYTES))
        tail = self._stream.read(min(end, MAX_LINE_BYTES))
        self._partial = tail[tail.rfind(b"\n") + 1 :]
        self._taken = end - len(self._partial)
        self._stream.seek(end)

    def _frame(self, text: str) -> Frame | None:
        if self._columns is None:
            self._columns = self._header(text)
            return None
        try:
            row = next(csv.reader([text], strict=True))
        except csv.Error as exc:
            log.warning("source row unreadable position=%d reason=%s", self.position, exc)
            return Frame(x=np.empty(0, np.float32), position=self.position)  # no model takes it: it is counted
        return Frame(x=self._columns.values(row), position=self.position, label=self._columns.label(row))

    def _header(self, text: str) -> Columns:
        try:
            names = next(csv.reader([text], strict=True), [])
        except csv.Error as exc:
            raise SourceError(f"{self._path}: cannot be read as CSV ({exc}); expected a first line of names") from exc
        config = self._config
        return columns_of(
            names, self._path, columns=config.columns, label_column=config.label_column, labels=self._labels
        )

    def _more(self) -> bool:
        """Look for new lines, now and then; whether there are any."""
        now_s = self._now_s()
        if now_s - self._looked_s < LOOK_S:
            return False
        self._fill()
        if not self._lines:
            self._looked_s = now_s
            self._follow(now_s)
        return bool(self._lines)

    def _fill(self) -> None:
        try:
            data = self._stream.read(CHUNK_BYTES)
        except OSError as exc:
            raise SourceError(f"{self._path}: cannot be read ({exc.strerror})") from exc
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._lines.extend(lines)
        if len(self._partial) > MAX_LINE_BYTES:
            raise SourceError(f"{self._path}: a line of more than {MAX_LINE_BYTES} bytes, expected rows of text")

    def _follow(self, now_s: float) -> None:
        """The file was read to its end: see whether the path names another one, or whether it was cut."""
        try:
            there = self._path.stat()
        except OSError as exc:
            self._missing_since_s = now_s if self._missing_since_s is None else self._missing_since_s
            if now_s - self._missing_since_s > MISSING_S:
                raise SourceError(f"{self._path}: is gone ({exc.strerror}), expected a file that grows") from exc
            return
        self._missing_since_s = None
        if f"{there.st_dev}:{there.st_ino}" != self._identity:
            rest, self._stream = self._stream, self._opened()
            rest.close()
        elif there.st_size >= self._stream.tell():
            return
        else:
            self._stream.seek(0)
        self._columns, self._partial, self._taken = None, b"", 0
        self._fill()

    def _opened(self) -> BinaryIO:
        try:
            stream = self._path.open("rb")
            status = os.fstat(stream.fileno())
        except OSError as exc:
            raise SourceError(f"{self._path}: cannot be read ({exc.strerror}); expected a CSV file that grows") from exc
        self._identity = f"{status.st_dev}:{status.st_ino}"
        return stream
