"""Files that something puts into a directory: each is one frame, taken once it is whole.

A file is new when its name, its time of change or its size is; so a picture that is written over again and again is a
frame each time. It is whole when it has not changed for ``settle_s`` between two looks. Names that begin with a dot or
end in .tmp or .part are left alone: whoever writes one of those and renames it is never read too early.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agent.config import FolderSource
from agent.worker.errors import SourceError
from agent.worker.sources.images import SUFFIXES as IMAGES
from agent.worker.sources.images import ImageReader
from agent.worker.sources.port import Frame
from edge_models.manifest import InputSpec

log = logging.getLogger(__name__)

MAX_FILES = 100_000  # that are looked at each time; whoever has more, removes what was taken
MAX_BYTES = 64 << 20


class _File(NamedTuple):
    """What tells one writing of a file from another; sorts by time."""

    changed_ns: int
    name: str
    size: int


class Arrivals:
    """The files of a directory as they come.

    Args:
        config: Which, and how patiently.
        spec: What the model eats.
        position: Position of the next frame.
        mark: What an earlier one said of itself at this position or before; empty for the first.
        now_s: Monotonic time.

    Raises:
        SourceError: There is no such directory, or too much in it.
    """

    def __init__(
        self, config: FolderSource, spec: InputSpec, *, position: int, mark: str, now_s: Callable[[], float]
    ) -> None:
        self.rate_hz: float | None = config.rate_hz
        self.position = position
        self.ended = False
        self._directory = Path(config.path)
        self._config = config
        self._spec = spec
        self._images: ImageReader | None = None
        self._now_s = now_s
        self._whole: deque[_File] = deque()
        self._growing: dict[_File, float] = {}
        self._looked_s = now_s() - config.poll_s
        there = self._files()
        self._seen = set() if config.existing else there
        self._last = max(self._seen, default=_File(0, "", 0))
        if mark:
            self._go_on(mark, there)

    @property
    def mark(self) -> str:
        """Where to go on: the position, and the file before it."""
        return f"{self.position}/{self._last.changed_ns}/{self._last.name}"

    def read(self) -> Frame | None:
        """The next whole file, or None.

        Raises:
            SourceError: The directory cannot be read any more.
        """
        if not self._whole and self._now_s() - self._looked_s >= self._config.poll_s:
            self._look()
        if not self._whole:
            return None
        file = self._whole.popleft()
        self._last = file
        frame = Frame(x=self._pixels(self._directory / file.name), position=self.position)
        self.position += 1
        return frame

    def close(self) -> None:
        """Nothing to give back: each file is read at once."""

    def _go_on(self, mark: str, there: set[_File]) -> None:
        """Leave what was taken: all up to the mark, and as many as the position is beyond it."""
        told, changed_ns, name = mark.split("/", 2)
        self._seen = {file for file in there if (file.changed_ns, file.name) <= (int(changed_ns), name)}
        self._last = _File(int(changed_ns), name, 0)
        passed = sorted(file for file in there - self._seen if file.size > 0)[: max(0, self.position - int(told))]
        if passed:
            self._seen.update(passed)
            self._last = passed[-1]

    def _look(self) -> None:
        now_s = self._looked_s = self._now_s()
        there = self._files()
        self._seen &= there  # what is gone may come again
        new = there - self._seen
        self._growing = {file: self._growing.get(file, now_s) for file in new}
        whole = sorted(file for file, since_s in self._growing.items() if now_s - since_s >= self._config.settle_s)
        for file in whole:
            del self._growing[file]
        self._seen.update(whole)
        self._whole.extend(file for file in whole if file.size > 0)

    def _files(self) -> set[_File]:
        found: set[_File] = set()
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    if _is_frame(entry.name) and entry.is_file():
                        status = entry.stat()
                        found.add(_File(status.st_ctime_ns, entry.name, status.st_size))
        except FileNotFoundError as exc:
            if self._directory.is_dir():  # only a file went while it was looked at
                return self._files()
            raise SourceError(f"{self._directory}: is not there, expected a directory of frames") from exc
        except OSError as exc:
            raise SourceError(f"{self._directory}: cannot be read ({exc.strerror}), expected a directory") from exc
        if len(found) > MAX_FILES:
            raise SourceError(
                f"{self._directory}: found {len(found)} files, expected at most {MAX_FILES}; remove what was taken"
            )
        return found

    def _pixels(self, path: Path) -> NDArray[Any]:
        """The frame; an empty one, which no model takes and which is counted, where the file is none."""
        try:
            if path.suffix.lower() == ".npy":
                return _array(path)
            self._images = self._images or ImageReader(self._directory, self._spec.source)
            return self._images.read(path)
        except SourceError as exc:
            log.warning("source file unreadable: %s", exc)
            return np.empty(0, np.uint8)


def _is_frame(name: str) -> bool:
    """Names that are no UTF-8 are left alone, too: they could not be told in a ``mark``."""
    is_text = not any("\udc80" <= char <= "\udcff" for char in name)
    return is_text and not name.startswith(".") and name.lower().endswith((*IMAGES, ".npy"))


def _array(path: Path) -> NDArray[Any]:
    try:
        return _read_array(path)
    except Exception as exc:  # numpy parses the header as Python: TokenError, RecursionError, MemoryError
        raise SourceError(f"{path}: no array as numpy.save writes it ({exc})") from exc


def _read_array(path: Path) -> NDArray[Any]:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes, expected a frame")
    with path.open("rb") as stream:  # np.load would take an archive, too
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
