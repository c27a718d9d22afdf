"""The file behind the outbox: its tables, how it is opened, and what is saved of one that is damaged.

A damaged file is put aside and begun anew with what can still be read, because telemetry is not worth a device that is
down. Where there can be no file, because the disk is full or read-only, a database in memory has to do.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from agent.errors import StorageError
from agent.state_dir import OUTBOX_FILE
from agent.storage import Storage

log = logging.getLogger(__name__)

BAD_FILE = OUTBOX_FILE + ".bad"
_ROWS = """
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL, kind TEXT NOT NULL, topic TEXT NOT NULL, body BLOB NOT NULL,
    expiry_s REAL, created_utc_s REAL, refusals INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0, boot INTEGER, seq INTEGER
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
"""
_INDEXES = """
DROP INDEX IF EXISTS by_lane;
CREATE INDEX IF NOT EXISTS waiting ON rows (lane, id) WHERE sent = 0;
"""
_ADDED = {"sent": "INTEGER NOT NULL DEFAULT 0", "boot": "INTEGER", "seq": "INTEGER"}  # since the first version
_COLUMNS = "id, lane, kind, topic, body, expiry_s, created_utc_s, refusals, sent, boot, seq"
_INSERT = f"INSERT OR REPLACE INTO rows ({_COLUMNS}) VALUES ({', '.join('?' * 11)})"  # noqa: S608 - texts of this file
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def open_outbox(storage: Storage) -> tuple[sqlite3.Connection, bool]:
    """The database, and whether it is durable; a damaged one is mended."""
    try:
        return _prepared(storage.database(OUTBOX_FILE)), True
    except StorageError as exc:
        if is_damaged(exc.__cause__):
            return mended_outbox(storage, exc)
        log.warning("outbox only in memory reason=%s", exc)
    return _prepared(storage.memory_database()), False


def mended_outbox(storage: Storage, reason: Exception) -> tuple[sqlite3.Connection, bool]:
    """A new database with what can be read of the damaged one, which nobody has open and which is put aside."""
    log.warning("outbox damaged file=%s reason=%s", OUTBOX_FILE, reason)
    rows, counters = _salvaged(storage)
    try:
        for suffix in ("-wal", "-shm"):
            storage.remove(OUTBOX_FILE + suffix)
        storage.rename(OUTBOX_FILE, BAD_FILE)
        database, is_durable = _prepared(storage.database(OUTBOX_FILE)), True
        _fill(database, rows, counters)
    except (StorageError, sqlite3.Error) as exc:
        log.warning("outbox only in memory reason=%s", exc)
        database, is_durable = _prepared(storage.memory_database()), False
        _fill(database, rows, counters)
    log.warning("outbox begun anew saved=%d", len(rows))
    return database, is_durable


def memory_outbox(storage: Storage, database: sqlite3.Connection) -> sqlite3.Connection:
    """A copy in memory of a database that can no longer be written, with the same ids; that one is closed."""
    memory = storage.memory_database()
    try:
        database.backup(memory)
    except sqlite3.Error:
        memory.close()
        database.close()
        memory = _prepared(storage.memory_database())
        _fill(memory, *_salvaged(storage))
    else:
        database.close()
    return memory


def is_damaged(cause: BaseException | None) -> bool:
    """Whether this says that the file is none; a full disk, or one that cannot be read, does not."""
    return not isinstance(cause, sqlite3.Error) or cause.sqlite_errorcode & 0xFF in _DAMAGED


@contextmanager
def wrapped(what: str) -> Iterator[None]:
    """Turn SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as exc:
        raise StorageError(f"{OUTBOX_FILE}: cannot be {what}: {exc}") from exc


def _prepared(database: sqlite3.Connection) -> sqlite3.Connection:
    try:
        with wrapped("prepared"):
            database.executescript(_ROWS)
            present = {row[1] for row in database.execute("PRAGMA table_info(rows)")}
            for name, kind in _ADDED.items():
                if name not in present:
                    database.execute(f"ALTER TABLE rows ADD COLUMN {name} {kind}")
            database.executescript(_INDEXES)
            _check(database)
    except StorageError:
        with contextlib.suppress(sqlite3.Error):
            database.close()
        raise
    return database


def _check(database: sqlite3.Connection) -> None:
    if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise StorageError(f"{OUTBOX_FILE}: fails its own check")


def _salvaged(storage: Storage) -> tuple[list[Any], list[Any]]:
    """Rows before the first and after the last damaged page, and the counters."""
    try:
        database = storage.database(OUTBOX_FILE)
    except StorageError:
        return [], []
    with contextlib.closing(database):
        found = {row[0]: row for order in ("", " DESC") for row in _readable(database, f"rows ORDER BY id{order}")}
        return [found[row_id] for row_id in sorted(found)], list(_readable(database, "counters"))


def _readable(database: sqlite3.Connection, what: str) -> Iterator[Any]:
    chosen = "name, value" if what == "counters" else _COLUMNS
    with contextlib.suppress(sqlite3.Error):
        yield from database.execute(f"SELECT {chosen} FROM {what}")  # noqa: S608 - texts of this file


def _fill(database: sqlite3.Connection, rows: list[Any], counters: list[Any]) -> None:
    with contextlib.suppress(sqlite3.IntegrityError):  # what the damage left is not always a row
        database.execute("BEGIN")
        database.executemany(_INSERT, rows)
        database.executemany("INSERT OR REPLACE INTO counters VALUES (?, ?)", counters)
    database.execute("COMMIT")
