"""Messages that wait on disk."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import StorageError
from agent.outbox import MAX_REFUSALS, Lane, Outbox
from agent.storage import Storage
from tests.unit.agent.outboxes import UTC_S, Open, deliver_all, put, topics


def test_urgent_lanes_go_first_and_old_ones_before_new_ones(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    put(outbox, "stats-1", Lane.STATS)
    put(outbox, "event-1", Lane.EVENT)
    put(outbox, "reply-1", Lane.REPLY)
    put(outbox, "event-2", Lane.EVENT)

    assert topics(outbox) == ["reply-1", "event-1", "event-2", "stats-1"]


def test_messages_survive_a_restart_until_they_are_delivered(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    put(outbox, "one")
    put(outbox, "two")
    first = outbox.next(UTC_S)
    assert first is not None
    outbox.delivered(first.id)
    outbox.close()

    reopened = open_outbox(10_000)

    assert topics(reopened) == ["two"]
    assert (reopened.messages, reopened.bytes) == (1, 93)


def test_full_outbox_drops_the_oldest_telemetry_first(open_outbox: Open) -> None:
    outbox = open_outbox(400)
    put(outbox, "stat1", Lane.STATS)
    put(outbox, "even1", Lane.EVENT)
    put(outbox, "stat2", Lane.STATS)
    put(outbox, "samp1", Lane.SAMPLE)

    assert put(outbox, "even2", Lane.EVENT)
    assert put(outbox, "even3", Lane.EVENT)

    assert topics(outbox) == ["even1", "even2", "even3", "stat2"]
    assert outbox.dropped == 2


def test_telemetry_never_pushes_out_events(open_outbox: Open) -> None:
    outbox = open_outbox(200)
    put(outbox, "even1")
    put(outbox, "even2")

    assert not put(outbox, "stats", Lane.STATS)
    assert topics(outbox) == ["even1", "even2"]


def test_message_that_no_room_is_enough_for_costs_no_other(open_outbox: Open) -> None:
    outbox = open_outbox(1000)
    put(outbox, "waits", Lane.STATS)

    assert not outbox.put(lane=Lane.REPLY, kind="x", topic="x", body=bytes(1000), expiry_s=None, utc_s=UTC_S)

    assert topics(outbox) == ["waits"]
    assert outbox.dropped == 1


def test_bytes_are_bounded_whatever_comes(open_outbox: Open) -> None:
    outbox = open_outbox(1000)

    for number in range(100):
        put(outbox, f"m{number}", Lane(number % 4))

    assert outbox.bytes <= 1000
    assert outbox.messages == len(topics(outbox))


def test_expired_messages_are_dropped(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    put(outbox, "short", expiry_s=60.0)
    put(outbox, "long", expiry_s=6000.0)

    assert topics(outbox, UTC_S + 61) == ["long"]
    assert outbox.dropped == 1


def test_rest_of_the_expiry_travels_with_the_message(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    put(outbox, "event", expiry_s=600.0)

    row = outbox.next(UTC_S + 100)

    assert row is not None
    assert row.expiry_s == pytest.approx(500.0)


def test_message_of_unknown_time_ages_from_when_the_time_is_known(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    put(outbox, "event", expiry_s=60.0, utc_s=None)

    assert topics(outbox, None) == ["event"]
    assert topics(outbox, UTC_S) == ["event"]
    assert topics(outbox, UTC_S + 61) == []


def test_message_that_the_broker_keeps_refusing_is_given_up(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    put(outbox, "event")
    row = outbox.next(UTC_S)
    assert row is not None

    assert [outbox.refused(row.id) for _ in range(MAX_REFUSALS)] == [False] * (MAX_REFUSALS - 1) + [True]
    assert outbox.messages == 0


def test_counters_survive_a_restart(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    outbox.set_counter("samples", 7)
    outbox.close()

    assert open_outbox(10_000).counter("samples") == 7


def test_damaged_database_is_put_aside(open_outbox: Open, tmp_path: Path) -> None:
    (tmp_path / "outbox.sqlite").write_bytes(b"this is no database at all, but long enough" * 200)

    outbox = open_outbox(10_000)

    assert put(outbox, "event")
    assert (tmp_path / "outbox.sqlite.bad").exists()


class SmallDisk(Storage):
    """A disk on which a database cannot grow beyond a few pages."""

    def database(self, path: Path | str) -> sqlite3.Connection:
        connection = super().database(path)
        connection.execute("PRAGMA max_page_count=8")
        return connection


class NoDisk(Storage):
    """A disk that is full, or was made read-only because it fails."""

    def database(self, path: Path | str) -> sqlite3.Connection:
        cause = sqlite3.OperationalError("disk I/O error")
        cause.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise StorageError(f"{path}: cannot be opened: {cause}") from cause


def test_full_disk_costs_no_message_and_no_id(tmp_path: Path) -> None:
    with contextlib.closing(Outbox(SmallDisk(tmp_path), max_bytes=1_000_000)) as outbox:
        names = [f"event-{number}" for number in range(300)]
        assert all(put(outbox, name) for name in names)
        first = outbox.next(UTC_S)
        assert first is not None
        outbox.delivered(first.id)
        outbox.set_counter("samples_used", 3)

        assert topics(outbox) == names[1:]
        assert outbox.counter("samples_used") == 3
        assert outbox.messages == 299


def test_event_whose_commit_fails_is_counted_once(tmp_path: Path, open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    put(outbox, "before")
    with no_file_may_grow_beyond(sum(file.stat().st_size for file in tmp_path.iterdir())):
        for number in range(30):
            put(outbox, f"event-{number}")
    assert len(topics(open_outbox(10_000))) < 31  # of another process: the disk did not take them all

    assert outbox.messages == len(topics(outbox)) == 31
    deliver_all(outbox)
    assert (outbox.messages, outbox.bytes) == (0, 0)


@contextlib.contextmanager
def no_file_may_grow_beyond(size_bytes: int) -> Iterator[None]:
    """As on a disk that is full: what is written fails when SQLite hands it over, which is at the commit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_messages_from_before_the_disk_was_full_are_there_after_a_restart(tmp_path: Path, open_outbox: Open) -> None:
    with contextlib.closing(Outbox(SmallDisk(tmp_path), max_bytes=1_000_000)) as outbox:
        for number in range(300):
            put(outbox, f"event-{number}")

    assert topics(open_outbox(1_000_000))[:10] == [f"event-{number}" for number in range(10)]


def test_disk_that_takes_no_database_leaves_the_old_one_alone(tmp_path: Path, open_outbox: Open) -> None:
    put(open_outbox(10_000), "from before")

    with contextlib.closing(Outbox(NoDisk(tmp_path), max_bytes=10_000)) as outbox:
        assert put(outbox, "now")
        assert topics(outbox) == ["now"]

    assert not (tmp_path / "outbox.sqlite.bad").exists()
    assert topics(open_outbox(10_000)) == ["from before"]


def test_clock_that_is_set_back_does_not_lengthen_a_life(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    put(outbox, "event", expiry_s=300.0)

    row = outbox.next(UTC_S - 86_400)

    assert row is not None
    assert row.expiry_s == 300.0


def test_a_lane_can_be_dropped_without_the_others(open_outbox: Open) -> None:
    outbox = open_outbox(10_000)
    put(outbox, "event", Lane.EVENT)
    put(outbox, "sample-1", Lane.SAMPLE)
    put(outbox, "sample-2", Lane.SAMPLE)

    assert outbox.drop(Lane.SAMPLE) == 2

    assert (topics(outbox), outbox.messages, outbox.bytes) == (["event"], 1, 95)


@pytest.mark.parametrize("jump_years", [-10, 10])
def test_clock_that_jumps_by_years_costs_no_message(open_outbox: Open, jump_years: int) -> None:
    outbox = open_outbox(10_000)
    put(outbox, "before", expiry_s=600.0)
    wrong_s = UTC_S + jump_years * 365 * 86_400

    assert topics(outbox, wrong_s) == ["before"]
    put(outbox, "meanwhile", expiry_s=600.0, utc_s=wrong_s)
    assert topics(outbox, UTC_S + 60) == ["before", "meanwhile"]

    assert topics(outbox, UTC_S + 661) == []
    assert outbox.dropped == 2
