"""Bounds on downloads: so many bytes in a second, and so many in a day.

Both stand before a transport and look like one. The day's bytes count in ``budget.json``, which survives restarts:
a part of the budget is written down as used before it comes, so that a device which loses power again and again counts
too much rather than too little. Metadata counts at the end of a job, and is never refused: a device with its budget
used up still hears of updates.

A new day, on a device that may not know the time, begins with the next day of UTC (a clock that is set back moves the
day back and gives nothing), or after 24 hours of the machine's uptime. The monotonic clock of Linux starts at 0 with
the machine, so one that is behind the record's has seen a restart, and all of its time has passed since.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from agent.errors import StorageError
from agent.ports import Clock, Sleeper
from agent.storage import Storage
from agent.update_client.errors import BudgetError
from agent.update_client.transport import Reply, Transport
from edge_models.errors import FieldError
from edge_models.fields import canonical_json, decode_json, described

BUDGET_FILE = "budget.json"
DAY_S = 86_400.0
_MAX_RECORD_BYTES = 4096
_SLABS = 32  # the record is written at most so often for a day's budget, beside once for each job
_LEAST_SLAB_BYTES = 64 * 1024
_CREDIT_S = 1.0  # of silence, which a slow network may make good
_PIECE_S = 0.25  # longest pause of a slow download between two looks at the deadline


class RateLimited:
    """A transport whose answers come at no more than a rate, on average since the answer began.

    Args:
        transport: The way itself.
        bytes_per_s: The rate.
        clock: Measures.
        sleeper: Waits; what has not been read meanwhile makes TCP slow the sender down.
    """

    def __init__(self, transport: Transport, bytes_per_s: int, clock: Clock, sleeper: Sleeper) -> None:
        self._transport = transport
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._sleeper = sleeper

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> Iterator[Reply]:
        """Send a GET request; see Transport."""
        with self._transport.get(url, headers, timeout_s=timeout_s) as reply:
            yield Reply(status=reply.status, headers=reply.headers, chunks=self._slowed(reply.chunks))

    def _slowed(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        due_s = self._clock.monotonic_s()
        most = max(1, int(self._bytes_per_s * _PIECE_S))
        for chunk in chunks:
            for start in range(0, len(chunk), most):
                piece = chunk[start : start + most]
                now_s = self._clock.monotonic_s()
                if due_s > now_s:
                    self._sleeper.sleep(due_s - now_s)
                due_s = max(due_s, now_s - _CREDIT_S) + len(piece) / self._bytes_per_s
                yield piece


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    v: int = described("Version of the record.", default=1, ge=1, le=1)
    used: int = described("Bytes of this day.", default=0, ge=0)
    day: int | None = described("Days since 1970; null where the clock was never right.", default=None, ge=0)
    began_s: float = described("Monotonic time at which the count began.", default=0.0, ge=0)


class DailyBudget:
    """Counts bytes against what a day allows.

    Args:
        storage: Holds the record.
        clock: Tells the day.
        bytes_per_day: The budget.
    """

    def __init__(self, storage: Storage, clock: Clock, bytes_per_day: int) -> None:
        self._storage = storage
        self._clock = clock
        self._bytes_per_day = bytes_per_day
        self._slab_bytes = max(_LEAST_SLAB_BYTES, bytes_per_day // _SLABS)
        self._stored = self._record = self._read()
        self._used = self._stored.used

    def counted(self, transport: Transport) -> Transport:
        """The same transport, whose bytes count."""
        return _Counted(transport, self, refuses=False)

    def limited(self, transport: Transport) -> Transport:
        """Likewise, and it raises BudgetError when the day's bytes are used up."""
        return _Counted(transport, self, refuses=True)

    def check(self) -> None:
        """Go on only if something is left.

        Raises:
            BudgetError: Nothing is.
        """
        self._begin_day()
        if self._used >= self._bytes_per_day:
            raise BudgetError(
                f"{self._used} bytes count for today, update.max_bytes_per_day allows {self._bytes_per_day}; the "
                "download goes on the next day, or raise it",
                retry_after_s=self._left_s(),
            )

    def spend(self, size_bytes: int, *, ahead: bool) -> None:
        """Count bytes.

        Args:
            size_bytes: So many came.
            ahead: Write them down now, with those to come.

        Raises:
            StorageError: The record cannot be written.
        """
        self._begin_day()
        self._used += size_bytes
        if ahead and self._used > self._stored.used:
            self._store(self._used + self._slab_bytes)

    def settle(self) -> None:
        """Write down what was really used, at the end of a job; where that fails, too much stays written down."""
        if replace(self._record, used=self._used) != self._stored:
            with contextlib.suppress(StorageError):
                self._store(self._used)

    def _store(self, used: int) -> None:
        record = replace(self._record, used=used)
        self._storage.write_atomic(BUDGET_FILE, canonical_json(record))
        self._stored = record

    def _begin_day(self) -> None:
        now_s, day, record = self._clock.monotonic_s(), self._day(), self._record
        if now_s < record.began_s:
            record = replace(record, began_s=0.0)
        if now_s - record.began_s >= DAY_S or (day is not None and record.day is not None and day > record.day):
            record = _Record(day=day, began_s=now_s)
            self._used = 0
        if day is not None:
            record = replace(record, day=day)
        self._record = record

    def _day(self) -> int | None:
        utc_s = self._clock.utc_s()
        return None if utc_s is None else int(utc_s // DAY_S)

    def _left_s(self) -> float:
        by_uptime_s = self._record.began_s + DAY_S - self._clock.monotonic_s()
        utc_s = self._clock.utc_s()
        return by_uptime_s if utc_s is None else min(by_uptime_s, DAY_S - utc_s % DAY_S)

    def _read(self) -> _Record:
        # A damaged record counts as none: a device that never downloads again would be worse than one more budget.
        try:
            data = self._storage.read(BUDGET_FILE, max_bytes=_MAX_RECORD_BYTES)
            if data is not None:
                return decode_json(_Record, data, max_bytes=_MAX_RECORD_BYTES)
        except (FieldError, StorageError):
            pass
        return _Record(day=self._day(), began_s=self._clock.monotonic_s())


class _Counted:
    def __init__(self, transport: Transport, budget: DailyBudget, *, refuses: bool) -> None:
        self._transport = transport
        self._budget = budget
        self._refuses = refuses

    def get(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> AbstractContextManager[Reply]:
        """Send a GET request; see Transport."""
        if self._refuses:
            self._budget.check()
        return self._get(url, headers, timeout_s)

    @contextmanager
    def _get(self, url: str, headers: Mapping[str, str], timeout_s: float) -> Iterator[Reply]:
        with self._transport.get(url, headers, timeout_s=timeout_s) as reply:
            yield Reply(status=reply.status, headers=reply.headers, chunks=self._spent(reply.chunks))

    def _spent(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._budget.spend(len(chunk), ahead=self._refuses)
            yield chunk  # what has come is kept, even the piece that exceeds the budget
            if self._refuses:
                self._budget.check()
