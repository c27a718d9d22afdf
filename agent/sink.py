"""Predictions kept on this device as JSON Lines: one file that grows, and the one before it.

Lines wait in memory and are appended together, without an fsync: a power cut costs the last half minute, and the card
is spared. Each file holds half of the bound; a full one takes the place of PATH.1. Lines are those of the topic
``prediction``, whole at any time, so ``tail -F`` may read along. A disk that takes nothing costs the oldest lines.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from pathlib import Path

from agent.config import SinkConfig
from agent.core import events as ev
from agent.errors import StorageError
from agent.parts import Watched
from agent.storage import Storage
from agent.worker.pacing import RateLimit
from edge_models.wire.codec import encode_message
from edge_models.wire.predictions import Prediction

log = logging.getLogger(__name__)

MAX_WAITING_BYTES = 256 * 1024
TAIL_BYTES = 64 * 1024  # longer than any line


class Sink:
    """Keeps predictions; a part of the supervisor's loop.

    Args:
        config: Where, how many, how often.
        published_hz: Predictions that the broker is to get in a second; the worker tells the larger number.

    Attributes:
        dropped: Lines that no disk would take.
    """

    def __init__(self, config: SinkConfig, *, published_hz: float = 0.0) -> None:
        self.dropped = 0
        self._config = config
        self._path = Path(config.path)
        self._limit = RateLimit(rate_hz=config.rate_hz)
        self._published = RateLimit(rate_hz=published_hz) if published_hz < config.rate_hz else None
        self._half = config.max_bytes // 2
        self._most_waiting = min(MAX_WAITING_BYTES, self._half)
        self._lines: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._flush_at_s: float | None = None
        self._storage: Storage | None = None
        self._size = 0
        self._failing = False

    def keep(self, prediction: Prediction, now_s: float) -> None:
        """Take one, unless that is more than was asked for."""
        if not self._limit.allows(now_s):
            return
        line = encode_message(prediction) + b"\n"
        self._lines.append(line)
        self._waiting_bytes += len(line)
        if self._flush_at_s is None:
            self._flush_at_s = now_s + self._config.flush_s
        if self._waiting_bytes > self._most_waiting:
            if not self._failing:
                self._flush(now_s)
            while self._waiting_bytes > self._most_waiting:
                self._waiting_bytes -= len(self._lines.popleft())
                self.dropped += 1

    def lets_out(self, now_s: float) -> bool:
        """Whether the broker is to get one more as well."""
        return self._published is None or self._published.allows(now_s)

    def watched(self) -> list[Watched]:
        """Nothing: files are always ready."""
        return []

    def next_deadline_s(self) -> float | None:
        """When lines are to be written."""
        return self._flush_at_s

    def tick(self, now_s: float) -> list[ev.Event]:
        """Write what has waited long enough."""
        if self._flush_at_s is not None and now_s >= self._flush_at_s:
            self._flush(now_s)
        return []

    def close(self) -> None:
        """Write what waits."""
        if self._lines:
            self._flush(0.0)
        self._flush_at_s = None

    def _flush(self, now_s: float) -> None:
        """Append all lines; if that fails they wait for the next time."""
        try:
            self._append(b"".join(self._lines))
        except StorageError as exc:
            self._storage = None  # what is there is looked at again
            self._flush_at_s = now_s + self._config.flush_s
            if not self._failing:
                log.warning("sink not written reason=%s", exc)
            self._failing = True
            return
        if self._failing:
            log.info("sink written again dropped=%d", self.dropped)
        self._failing = False
        self._lines.clear()
        self._waiting_bytes, self._flush_at_s = 0, None

    def _append(self, data: bytes) -> None:
        if self._storage is None:
            self._size = _whole_lines(self._path)
            self._storage = Storage(self._path.parent)
        if self._size and self._size + len(data) > self._half:
            self._storage.rename(self._path, self._path.with_name(self._path.name + ".1"))
            self._size = 0
        part = self._storage.open_part(self._path, keep_bytes=self._size)  # cuts what an earlier failure left behind
        try:
            part.append(data)
        finally:
            part.close()
        self._size += len(data)


def _whole_lines(path: Path) -> int:
    """Bytes of the file up to its last line break; a power cut may leave half a line."""
    try:
        with path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            start = max(0, size - TAIL_BYTES)
            stream.seek(start)
            return start + stream.read(TAIL_BYTES).rfind(b"\n") + 1
    except FileNotFoundError:
        return 0
    except OSError as exc:
        raise StorageError(f"{path}: cannot be read: {exc.strerror}") from exc
