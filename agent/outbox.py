"""Messages that wait for the broker, on disk: they survive restarts and are deleted when the broker has them.

Four lanes, urgent ones first. The whole is bounded in bytes: when a new message does not fit, the oldest of the least
urgent lane goes, so telemetry is lost before events and events before replies. Messages expire. The (boot, seq) inside
them lets a reader drop what arrives twice. On a disk that is full or read-only the queue goes on in memory until the
next start: a device that cannot store must still be able to say so.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from agent.errors import StorageError
from agent.state_dir import OUTBOX_FILE
from agent.storage import Storage

log = logging.getLogger(__name__)

MAX_REFUSALS = 3  # of the broker, before a message is given up
_SCHEMA = """
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lane INTEGER NOT NULL, kind TEXT NOT NULL, topic TEXT NOT NULL, body BLOB NOT NULL,
    expiry_s REAL, created_utc_s REAL, refusals INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS by_lane ON rows (lane, id);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
_NEXT = "SELECT id, kind, topic, body, expiry_s, created_utc_s FROM rows"
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_EXPIRY_PERIOD_S = 30.0  # looking for expired rows reads the whole table


class Lane(IntEnum):
    """Urgency; the smaller number goes first and is dropped last."""

    REPLY = 0
    EVENT = 1
    STATS = 2
    SAMPLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One message that waits.

    Attributes:
        id: Rises with time.
        kind: Name of its row in the contract.
        topic: Where to publish it.
        body: What to publish.
        expiry_s: Seconds it still has; None for ever.
    """

    id: int
    kind: str
    topic: str
    body: bytes
    expiry_s: float | None


class Outbox:
    """The queue.

    Args:
        storage: Opens the database.
        max_bytes: Bound on topics and bodies together.
    """

    def __init__(self, storage: Storage, *, max_bytes: int) -> None:
        self._storage = storage
        self._max_bytes = max_bytes
        self._database, self._is_durable = _open(storage)
        self._expired_at_s: float | None = None
        self.dropped = 0
        row = self._read("SELECT COUNT(*), TOTAL(LENGTH(topic) + LENGTH(body)) FROM rows")[0]
        self.messages, self.bytes = int(row[0]), int(row[1])

    def put(
        self, *, lane: Lane, kind: str, topic: str, body: bytes, expiry_s: float | None, utc_s: float | None
    ) -> bool:
        """Keep a message; False when there is no room for it that less urgent ones could make."""
        size = len(topic) + len(body)
        if not self._make_room(size, lane):
            self.dropped += 1
            return False
        self._write(
            "INSERT INTO rows (lane, kind, topic, body, expiry_s, created_utc_s) VALUES (?, ?, ?, ?, ?, ?)",
            (lane, kind, topic, body, expiry_s, utc_s),
        )
        self.messages += 1
        self.bytes += size
        return True

    def next(self, utc_s: float | None, *, skip: Collection[int] = ()) -> Row | None:
        """The most urgent message that is not in ``skip``; those that expired are dropped on the way.

        Args:
            utc_s: The time, or None while it is unknown: then nothing expires.
            skip: Ids that are on their way.
        """
        self._drop_expired(utc_s)
        holes = ",".join("?" * len(skip))
        query = f"{_NEXT} WHERE id NOT IN ({holes}) ORDER BY lane, id LIMIT 1"
        found = self._read(query, tuple(skip))
        if not found:
            return None
        row_id, kind, topic, body, expiry_s, created_s = found[0]
        if expiry_s is not None and created_s is not None and utc_s is not None:  # the clock may have been set back
            expiry_s = min(max(1.0, created_s + expiry_s - utc_s), expiry_s)
        return Row(id=row_id, kind=kind, topic=topic, body=body, expiry_s=expiry_s)

    def delivered(self, row_id: int) -> None:
        """The broker has it."""
        self._delete("WHERE id = ?", (row_id,))

    def drop(self, lane: Lane) -> int:
        """Forget what waits in a lane; how many messages that were. What is on its way to the broker may arrive."""
        return self._delete("WHERE lane = ?", (lane,))

    def refused(self, row_id: int) -> bool:
        """The broker refused it; after three times it is given up, and the answer is True."""
        self._write("UPDATE rows SET refusals = refusals + 1 WHERE id = ?", (row_id,))
        gone = self._delete("WHERE id = ? AND refusals >= ?", (row_id, MAX_REFUSALS))
        self.dropped += gone
        return gone > 0

    def oldest_s(self, utc_s: float | None) -> float | None:
        """Age of the oldest message whose time is known."""
        if utc_s is None:
            return None
        created_s = self._read("SELECT MIN(created_utc_s) FROM rows")[0][0]
        return None if created_s is None else max(0.0, utc_s - created_s)

    def counter(self, name: str) -> int:
        """A small number that survives restarts."""
        rows = self._read("SELECT value FROM counters WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else 0

    def set_counter(self, name: str, value: int) -> None:
        """Set it."""
        self._write("INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def _make_room(self, size: int, lane: Lane) -> bool:
        while self.bytes + size > self._max_bytes:
            victims = self._read("SELECT id FROM rows WHERE lane >= ? ORDER BY lane DESC, id LIMIT 1", (lane,))
            if not victims:
                return False
            self.dropped += self._delete("WHERE id = ?", victims[0])
        return True

    def _drop_expired(self, utc_s: float | None) -> None:
        if utc_s is None or (self._expired_at_s is not None and 0 <= utc_s - self._expired_at_s < _EXPIRY_PERIOD_S):
            return
        self._expired_at_s = utc_s
        # What was kept before the time was known starts to age now.
        self._write("UPDATE rows SET created_utc_s = ? WHERE created_utc_s IS NULL", (utc_s,))
        self.dropped += self._delete("WHERE created_utc_s + expiry_s < ?", (utc_s,))

    def _delete(self, where: str, parameters: tuple[object, ...]) -> int:
        gone = self._write(
            f"DELETE FROM rows {where} RETURNING LENGTH(topic) + LENGTH(body)",  # noqa: S608 - texts of this file
            parameters,
        )
        self.messages -= len(gone)
        self.bytes -= sum(size for (size,) in gone)
        return len(gone)

    def _read(self, query: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        with _wrapped("read"):
            return self._database.execute(query, parameters).fetchall()

    def _write(self, statement: str, parameters: tuple[object, ...]) -> list[Any]:
        try:
            return self._database.execute(statement, parameters).fetchall()
        except sqlite3.Error as exc:
            if not self._is_durable:
                raise StorageError(f"{OUTBOX_FILE}: cannot be written: {exc}") from exc
            self._go_on_in_memory(exc)
        return self._write(statement, parameters)

    def _go_on_in_memory(self, reason: sqlite3.Error) -> None:
        """Take along what waits, under the same ids; what is on disk stays there, and is sent again after a restart."""
        log.warning("outbox goes on in memory reason=%s", reason)
        memory = self._storage.memory_database()
        with _wrapped("read"):
            self._database.backup(memory)
            self._database.close()
        self._database, self._is_durable = memory, False


def _open(storage: Storage) -> tuple[sqlite3.Connection, bool]:
    """The database, and whether it is durable.

    A damaged one is put aside and begun anew, because telemetry is not worth a device that is down; where there can be
    none, because the disk is full or read-only, one in memory has to do.
    """
    try:
        try:
            return _prepared(storage.database(OUTBOX_FILE)), True
        except StorageError as exc:
            if not _is_damaged(exc):
                raise
            log.warning("outbox damaged file=%s reason=%s", OUTBOX_FILE, exc)
        for suffix in ("-wal", "-shm"):
            storage.remove(OUTBOX_FILE + suffix)
        storage.rename(OUTBOX_FILE, OUTBOX_FILE + ".bad")
        return _prepared(storage.database(OUTBOX_FILE)), True
    except StorageError as exc:
        log.warning("outbox only in memory reason=%s", exc)
    return _prepared(storage.memory_database()), False


def _is_damaged(exc: StorageError) -> bool:
    cause = exc.__cause__  # none when the database fails its own check
    return not isinstance(cause, sqlite3.Error) or cause.sqlite_errorcode & 0xFF in _DAMAGED


def _prepared(database: sqlite3.Connection) -> sqlite3.Connection:
    try:
        with _wrapped("prepared"):
            database.executescript(_SCHEMA)
            _check(database)
    except StorageError:
        with contextlib.suppress(sqlite3.Error):
            database.close()
        raise
    return database


def _check(database: sqlite3.Connection) -> None:
    if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise StorageError(f"{OUTBOX_FILE}: fails its own check")


@contextmanager
def _wrapped(what: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise StorageError(f"{OUTBOX_FILE}: cannot be {what}: {exc}") from exc
