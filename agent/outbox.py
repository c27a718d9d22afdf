"""Messages that wait for the broker, on disk: they survive restarts until the broker has them, and a while longer.

Four lanes, urgent ones first. The whole is bounded in bytes: when a new message does not fit, the oldest of the least
urgent lane goes, so telemetry is lost before events and events before replies. Messages expire. The (boot, seq) inside
them lets a reader drop what arrives twice, and see what never arrived: numbered messages are kept after the broker
acknowledged them, in at most a quarter of the room, and can be sent again.

Kind to SD cards: events are on the disk, synced, when ``put`` returns; all else is committed in batches that the owner
ends with ``commit``, and synced by SQLite when its log is full. A killed process loses the batch that is
open. On a disk that is full or read-only the queue goes on in memory until the next start: a device that cannot store
must still be able to say so.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from agent.outbox_database import OutboxDatabase
from agent.storage import Storage

MAX_REFUSALS = 3  # of the broker, before a message is given up
KEPT_SHARE = 4  # one part in so many of the room, for what the broker has already
_SIZE = "LENGTH(topic) + LENGTH(body)"
_NEXT = "SELECT id, kind, topic, body, expiry_s, created_utc_s FROM rows WHERE sent = 0"
_DELIVERED = f"UPDATE rows SET sent = 1 WHERE id = ? AND sent = 0 AND seq > 0 RETURNING boot, kind, seq, {_SIZE}"  # noqa: S608
_AGAIN = (  # texts of this file, as all of these
    "UPDATE rows SET sent = 0, refusals = 0 WHERE sent = 1 AND kind = ? AND boot = ? AND seq BETWEEN ? AND ?"  # noqa: S608
    f" RETURNING {_SIZE}"
)
_INSERT = (
    "INSERT INTO rows (id, lane, kind, topic, body, expiry_s, created_utc_s, boot, seq)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_KEPT = f"SELECT id, {_SIZE} FROM rows WHERE sent = 1 ORDER BY lane DESC, id"  # noqa: S608
_COUNT = f"SELECT sent, COUNT(*), SUM({_SIZE}) FROM rows GROUP BY sent"  # noqa: S608
_AGELESS = "(created_utc_s IS NULL OR created_utc_s + expiry_s < ? OR created_utc_s > ?)"
_DAY_S, _YEAR_S = 86_400.0, 365 * 86_400.0  # a clock that is wrong by years must not cost a message
_EXPIRY_PERIOD_S = 30.0  # looking for expired rows reads the whole table
_FORGOTTEN_SHARE = 64  # one part in so many of the room is freed at once of what is kept
_MAX_BOOTS = 4  # whose highest numbers are remembered


class Lane(IntEnum):
    """Urgency; the smaller number goes first and is dropped last."""

    REPLY = 0
    EVENT = 1
    STATS = 2
    SAMPLE = 3


class Numbered(NamedTuple):
    """What tells a reader that a message is missing: its agent's start, and its number among those of its kind."""

    boot: int
    seq: int


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
        max_bytes: Bound on topics and bodies together, of what waits and of what is kept.

    Attributes:
        messages: How many wait.
        bytes: Their size.
        kept_bytes: Size of what the broker has and is kept.
        dropped: How many were given up.
    """

    def __init__(self, storage: Storage, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._database = OutboxDatabase(storage, on_replaced=self._count)
        self._expired_at_s: float | None = None
        self.dropped = self.messages = self.bytes = self.kept_bytes = 0
        self._count()
        self._next_id = 1 + (self._database.read("SELECT MAX(id) FROM rows")[0][0] or 0)
        self._delivered: dict[int, dict[str, int]] = {}  # highest number by boot and kind, the latest boot last
        numbers = "SELECT boot, kind, MAX(seq), MAX(id) FROM rows WHERE sent = 1 GROUP BY boot, kind ORDER BY 4"
        for boot, kind, seq, _ in self._database.read(numbers):
            self._note_delivered(boot, kind, seq)

    @property
    def is_uncommitted(self) -> bool:
        """Whether a batch is open."""
        return self._database.is_uncommitted

    def put(
        self,
        *,
        lane: Lane,
        kind: str,
        topic: str,
        body: bytes,
        expiry_s: float | None,
        utc_s: float | None,
        numbered: Numbered | None = None,
    ) -> bool:
        """Keep a message; False when there is no room for it that less urgent ones could make."""
        size = len(topic) + len(body)
        if not self._make_room(size, lane):
            self.dropped += 1
            return False
        boot, seq = (None, None) if numbered is None else numbered
        row = (self._next_id, lane, kind, topic, body, expiry_s, utc_s, boot, seq)
        self._next_id += 1
        replaced = self._database.replaced
        if lane is Lane.EVENT:
            self._database.write_synced(_INSERT, row)
        else:
            self._database.write(_INSERT, row)
        if self._database.replaced != replaced:  # counted anew on the way, with this message or without
            self._count()
            return True
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
        found = self._database.read(f"{_NEXT} AND id NOT IN ({holes}) ORDER BY lane, id LIMIT 1", tuple(skip))
        if not found:
            return None
        row_id, kind, topic, body, expiry_s, created_s = found[0]
        if expiry_s is not None and created_s is not None and utc_s is not None:  # the clock may have been set back
            expiry_s = min(max(1.0, created_s + expiry_s - utc_s), expiry_s)
        return Row(id=row_id, kind=kind, topic=topic, body=body, expiry_s=expiry_s)

    def delivered(self, row_id: int) -> None:
        """The broker has it; a numbered one is kept, in case that the broker loses it."""
        kept = self._database.write(_DELIVERED, (row_id,))
        if not kept:
            self._delete("WHERE id = ? AND sent = 0", (row_id,))
            return
        boot, kind, seq, size = kept[0]
        self._note_delivered(boot, kind, seq)
        self._move(1, size)
        if self.kept_bytes > self._max_bytes // KEPT_SHARE:
            self._forget_kept(self.kept_bytes - self._max_bytes // KEPT_SHARE)

    def discard(self, row_id: int) -> None:
        """It can never be sent; it counts as given up."""
        self.dropped += self._delete("WHERE id = ?", (row_id,))

    def resend(self, kind: str, *, boot: int, first: int, last: int) -> int:
        """Let what is kept of a range of numbers wait again; how many messages that are."""
        again = self._database.write(_AGAIN, (kind, boot, first, last))
        self._move(-len(again), -sum(size for (size,) in again))
        return len(again)

    def delivered_of(self, boot: int) -> dict[str, int]:
        """The highest number that the broker acknowledged, by kind, of one start of the agent."""
        return dict(self._delivered.get(boot, {}))

    def delivered_before(self, boot: int) -> dict[str, int]:
        """The same of the start before it, whose number is ``boot``; empty when nothing of it is kept."""
        earlier = [number for number in self._delivered if number != boot]
        return {"boot": earlier[-1], **self._delivered[earlier[-1]]} if earlier else {}

    def drop(self, lane: Lane) -> int:
        """Forget what waits in a lane; how many messages that were. What is on its way to the broker may arrive."""
        return self._delete("WHERE lane = ? AND sent = 0", (lane,))

    def refused(self, row_id: int) -> bool:
        """The broker refused it; after three times it is given up, and the answer is True."""
        self._database.write("UPDATE rows SET refusals = refusals + 1 WHERE id = ?", (row_id,))
        gone = self._delete("WHERE id = ? AND refusals >= ?", (row_id, MAX_REFUSALS))
        self.dropped += gone
        return gone > 0

    def oldest_s(self, utc_s: float | None) -> float | None:
        """Age of the oldest message that waits and whose time is known."""
        if utc_s is None:
            return None
        oldest = (
            "SELECT MIN(created_utc_s) FROM rows WHERE id IN (SELECT MIN(id) FROM rows WHERE sent = 0 GROUP BY lane)"
        )
        created_s = self._database.read(oldest)[0][0]
        return None if created_s is None else max(0.0, utc_s - created_s)

    def counter(self, name: str) -> int:
        """A small number that survives restarts."""
        rows = self._database.read("SELECT value FROM counters WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else 0

    def set_counter(self, name: str, value: int) -> None:
        """Set it."""
        self._database.write("INSERT OR REPLACE INTO counters (name, value) VALUES (?, ?)", (name, value))

    def commit(self) -> None:
        """End the batch: a killed process loses nothing of it any more."""
        self._database.commit()

    def close(self) -> None:
        """Commit and close the database."""
        self._database.close()

    def _make_room(self, size: int, lane: Lane) -> bool:
        if size > self._max_bytes:  # whatever else goes
            return False
        while self.bytes + self.kept_bytes + size > self._max_bytes:
            if self.kept_bytes:
                self._forget_kept(self.bytes + self.kept_bytes + size - self._max_bytes)
                continue
            urgent_at_most = "SELECT id FROM rows WHERE sent = 0 AND lane >= ? ORDER BY lane DESC, id LIMIT 1"
            victims = self._database.read(urgent_at_most, (lane,))
            if not victims:
                return False
            self.dropped += self._delete("WHERE id = ?", victims[0])
        return True

    def _forget_kept(self, size: int) -> None:
        """Make so much room, and a little more: many rows at once share the pages that have to be written."""
        room = size + self._max_bytes // _FORGOTTEN_SHARE
        for row_id, row_size in self._database.read(_KEPT):
            if room <= 0:
                return
            self._delete("WHERE id = ?", (row_id,))
            room -= row_size

    def _drop_expired(self, utc_s: float | None) -> None:
        if utc_s is None or (self._expired_at_s is not None and 0 <= utc_s - self._expired_at_s < _EXPIRY_PERIOD_S):
            return
        self._expired_at_s = utc_s
        bounds = (utc_s - _YEAR_S, utc_s + _DAY_S)
        if self._database.read(f"SELECT 1 FROM rows WHERE {_AGELESS} LIMIT 1", bounds):  # noqa: S608
            # What is from before the time was known, or from a time that cannot be, starts to age now.
            self._database.write(f"UPDATE rows SET created_utc_s = ? WHERE {_AGELESS}", (utc_s, *bounds))  # noqa: S608
        if self._database.read("SELECT 1 FROM rows WHERE created_utc_s + expiry_s < ? LIMIT 1", (utc_s,)):
            self.dropped += self._delete("WHERE created_utc_s + expiry_s < ? AND sent = 0", (utc_s,))
            self._delete("WHERE created_utc_s + expiry_s < ?", (utc_s,))

    def _delete(self, where: str, parameters: tuple[object, ...]) -> int:
        gone = self._database.write(f"DELETE FROM rows {where} RETURNING sent, {_SIZE}", parameters)  # noqa: S608 - texts of this file
        waiting = [size for is_sent, size in gone if not is_sent]
        self.messages -= len(waiting)
        self.bytes -= sum(waiting)
        self.kept_bytes -= sum(size for is_sent, size in gone if is_sent)
        return len(gone)

    def _move(self, messages: int, size: int) -> None:
        """From those that wait to those that are kept, or back."""
        self.messages -= messages
        self.bytes -= size
        self.kept_bytes += size

    def _note_delivered(self, boot: int, kind: str, seq: int) -> None:
        highest = self._delivered.setdefault(boot, {})
        highest[kind] = max(highest.get(kind, 0), seq)
        while len(self._delivered) > _MAX_BOOTS:
            del self._delivered[next(iter(self._delivered))]

    def _count(self) -> None:
        self.messages = self.bytes = self.kept_bytes = 0
        for is_sent, messages, size in self._database.read(_COUNT):
            if is_sent:
                self.kept_bytes = size
            else:
                self.messages, self.bytes = messages, size
