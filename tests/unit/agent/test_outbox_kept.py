"""What the broker has is kept for a while, and what that costs the disk."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from agent.outbox import Lane, Outbox
from agent.storage import Storage
from tests.unit.agent.outboxes import UTC_S, Open, deliver_all, put_numbered, topics


def test_numbered_messages_can_be_sent_again_after_a_restart(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    for seq in (1, 2, 3, 4):
        put_numbered(outbox, seq)
    deliver_all(outbox)
    assert (outbox.messages, outbox.bytes) == (0, 0)
    outbox.close()

    reopened = open_outbox(10_000)

    assert reopened.resend("event", boot=1, first=2, last=3) == 2
    assert reopened.messages == 2
    assert deliver_all(reopened) == ["event-2", "event-3"]
    assert reopened.resend("event", boot=2, first=1, last=9) == 0


def test_what_is_kept_makes_room_for_what_waits(open_outbox: Open) -> None:
    outbox = open_outbox(1000)
    for seq in range(1, 30):
        put_numbered(outbox, seq)
        deliver_all(outbox)
    assert 97 <= outbox.kept_bytes <= 1000 // 4

    for seq in range(30, 40):
        put_numbered(outbox, seq)

    assert (outbox.messages, outbox.kept_bytes, outbox.dropped) == (10, 0, 0)


def test_kept_telemetry_goes_before_kept_events(open_outbox: Open) -> None:
    outbox = open_outbox(1600)
    put_numbered(outbox, 1, Lane.EVENT)
    for seq in range(1, 20):
        put_numbered(outbox, seq, Lane.STATS)
    deliver_all(outbox)

    assert outbox.resend("event", boot=1, first=1, last=1) == 1
    assert outbox.resend("stats", boot=1, first=1, last=16) == 0
    assert outbox.resend("stats", boot=1, first=17, last=19) == 3


def test_kept_messages_expire_without_being_counted_as_dropped(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    put_numbered(outbox, 1)
    deliver_all(outbox)

    outbox.next(UTC_S + 601)

    assert (outbox.kept_bytes, outbox.dropped) == (0, 0)


def test_highest_delivered_numbers_of_this_start_and_the_one_before_are_known(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    put_numbered(outbox, 1, boot=6)
    put_numbered(outbox, 2, boot=6)
    put_numbered(outbox, 1, Lane.STATS, boot=6)
    deliver_all(outbox)
    outbox.close()

    reopened = open_outbox(10_000)
    put_numbered(reopened, 1, boot=7)
    put_numbered(reopened, 2, boot=7)
    first = reopened.next(UTC_S)
    assert first is not None
    reopened.delivered(first.id)

    assert reopened.delivered_of(7) == {"event": 1}
    assert reopened.delivered_before(7) == {"boot": 6, "event": 2, "stats": 1}


def test_outbox_of_the_first_version_is_taken_over(tmp_path: Path, open_outbox: Open) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "outbox.sqlite", isolation_level=None)) as old:
        old.executescript(
            "CREATE TABLE rows (id INTEGER PRIMARY KEY AUTOINCREMENT, lane INTEGER NOT NULL, kind TEXT NOT NULL,"
            " topic TEXT NOT NULL, body BLOB NOT NULL, expiry_s REAL, created_utc_s REAL,"
            " refusals INTEGER NOT NULL DEFAULT 0);"
            "CREATE INDEX by_lane ON rows (lane, id);"
            "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);"
            "INSERT INTO rows (lane, kind, topic, body) VALUES (1, 'event', 'from before', x'00');"
        )

    outbox = open_outbox(10_000)
    put_numbered(outbox, 5)

    assert deliver_all(outbox) == ["from before", "event-5"]
    assert outbox.resend("event", boot=1, first=5, last=5) == 1


class Watching(Storage):
    """Notes every statement that ends a transaction, and how safe it is."""

    statements: list[str]

    def database(self, path: Path | str) -> sqlite3.Connection:
        connection = super().database(path)
        self.statements = []
        connection.set_trace_callback(self.statements.append)
        return connection

    def count(self, statement: str) -> int:
        return sum(line == statement for line in self.statements)


def test_telemetry_costs_no_sync_and_one_commit_for_many(tmp_path: Path) -> None:
    storage = Watching(tmp_path)
    with contextlib.closing(Outbox(storage, max_bytes=1_000_000)) as outbox:
        for seq in range(1, 101):
            put_numbered(outbox, seq, Lane.STATS)
            deliver_all(outbox)
        assert outbox.is_uncommitted
        outbox.commit()

        assert (storage.count("COMMIT"), storage.count("PRAGMA synchronous=FULL")) == (1, 0)


def test_event_is_synced_when_it_is_put(tmp_path: Path, open_outbox: Open) -> None:
    storage = Watching(tmp_path)
    with contextlib.closing(Outbox(storage, max_bytes=10_000)) as outbox:
        put_numbered(outbox, 1, Lane.STATS)
        put_numbered(outbox, 1, Lane.EVENT)

        safe = storage.statements.index("PRAGMA synchronous=FULL")
        assert "COMMIT" in storage.statements[safe : storage.statements.index("PRAGMA synchronous=NORMAL")]
        assert not outbox.is_uncommitted
        assert topics(open_outbox(10_000)) == ["event-1", "stats-1"]  # of another process: it is on the disk
