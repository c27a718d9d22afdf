"""The outbox's database at work: statements in batches, and what is done when it fails in the middle of one.

The statements of the open batch are remembered, so that a database that takes their place knows what they did.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Callable
from typing import Any

from agent.errors import StorageError
from agent.outbox_file import is_damaged, memory_outbox, mended_outbox, open_outbox, wrapped
from agent.state_dir import OUTBOX_FILE
from agent.storage import Storage

log = logging.getLogger(__name__)

MAX_BATCH = 256  # statements


class OutboxDatabase:
    """Reads and writes, whatever becomes of the disk.

    Args:
        storage: Opens the file.
        on_replaced: Called when another database took its place, which may hold less.

    Attributes:
        replaced: How often that was.
    """

    def __init__(self, storage: Storage, on_replaced: Callable[[], None]) -> None:
        self._storage = storage
        self._on_replaced = on_replaced
        self._database, self._is_durable = open_outbox(storage)
        self._was_mended = False
        self.replaced = 0
        self._batch: list[tuple[str, tuple[object, ...]]] = []  # since the last commit

    @property
    def is_uncommitted(self) -> bool:
        """Whether a batch is open."""
        return bool(self._batch)

    def read(self, query: str, parameters: tuple[object, ...] = ()) -> list[Any]:
        """The rows that answer a query.

        Raises:
            StorageError: Not even the database in memory can.
        """
        try:
            return self._database.execute(query, parameters).fetchall()
        except sqlite3.Error as exc:
            self._start_over(exc)
        with wrapped("read"):
            return self._database.execute(query, parameters).fetchall()

    def write(self, statement: str, parameters: tuple[object, ...]) -> list[Any]:
        """Carry out a statement as part of the batch; what it returns.

        Raises:
            StorageError: Not even the database in memory can.
        """
        if len(self._batch) >= MAX_BATCH:
            self.commit()
        try:
            if self._is_durable and not self._database.in_transaction:
                self._database.execute("BEGIN")
            result = self._database.execute(statement, parameters).fetchall()
        except sqlite3.Error as exc:
            self._start_over(exc)
            return self.write(statement, parameters)
        if self._is_durable:
            self._batch.append((statement, parameters))
        return result

    def write_synced(self, statement: str, parameters: tuple[object, ...]) -> None:
        """As ``write``, and all of the batch is on the disk when this returns, whatever then happens to the power."""
        self.commit()
        with contextlib.suppress(sqlite3.Error):  # then the next statement fails too, and goes on elsewhere
            self._database.execute("PRAGMA synchronous=FULL")
        self.write(statement, parameters)
        self.commit()
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("PRAGMA synchronous=NORMAL")

    def commit(self) -> None:
        """End the batch: a killed process loses nothing of it any more."""
        if not self._batch:
            return
        try:
            self._database.execute("COMMIT")
        except sqlite3.Error as exc:
            self._start_over(exc)
        self._batch.clear()

    def close(self) -> None:
        """Commit and close."""
        self.commit()
        self._database.close()

    def _start_over(self, reason: sqlite3.Error) -> None:
        """Take what waits elsewhere under the same ids, with what the open batch did to it.

        A damaged file is mended once; else it is memory, and what is on disk stays there and is sent again after a
        restart.

        Raises:
            StorageError: It is in memory already.
        """
        if not self._is_durable:
            raise StorageError(f"{OUTBOX_FILE}: cannot be used: {reason}") from reason
        with contextlib.suppress(sqlite3.Error):
            self._database.rollback()
        if is_damaged(reason) and not self._was_mended:
            self._was_mended = True
            self._database.close()
            self._database, self._is_durable = mended_outbox(self._storage, reason)
        else:
            log.warning("outbox goes on in memory reason=%s", reason)
            self._database, self._is_durable = memory_outbox(self._storage, self._database), False
        with wrapped("written"):
            for statement, parameters in self._batch:
                self._database.execute(statement, parameters).fetchall()
        self._batch.clear()
        self.replaced += 1
        self._on_replaced()
