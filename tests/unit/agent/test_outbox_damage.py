"""Pages of the outbox that went bad."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from agent.outbox import Lane, Outbox
from agent.storage import Storage
from tests.unit.agent.outboxes import Open, corrupt, put, topics


@pytest.mark.parametrize("page", [0, 1])
def test_corrupt_page_through_which_all_others_are_found_costs_all_messages_and_no_more(
    tmp_path: Path, open_outbox: Open, page: int
) -> None:
    outbox = open_outbox(1_000_000)
    for number in range(300):
        put(outbox, f"event-{number:03d}", Lane.STATS)
    outbox.close()
    corrupt(tmp_path / "outbox.sqlite", page)

    mended = open_outbox(1_000_000)

    assert topics(mended) == []
    assert put(mended, "later")
    assert (tmp_path / "outbox.sqlite.bad").exists()


@pytest.mark.parametrize("page", range(2, 12))
def test_corrupt_page_costs_only_what_was_on_it(tmp_path: Path, open_outbox: Open, page: int) -> None:
    outbox = open_outbox(1_000_000)
    names = [f"event-{number:03d}" for number in range(300)]
    for name in names:
        put(outbox, name, Lane.STATS)
    outbox.close()
    corrupt(tmp_path / "outbox.sqlite", page)

    mended = open_outbox(1_000_000)
    found = topics(mended)

    assert len(found) >= 250
    assert found == sorted(set(names) & set(found))
    assert mended.messages == len(found)
    assert put(mended, "later")


@pytest.mark.parametrize("damage", ["empty", "a byte", "half", "all but one", "zeros", "garbage"])
@pytest.mark.parametrize("name", ["outbox.sqlite", "outbox.sqlite-wal", "outbox.sqlite-shm"])
def test_file_that_a_power_cut_tore_never_keeps_the_outbox_from_starting(
    tmp_path: Path, open_outbox: Open, name: str, damage: str
) -> None:
    names = [f"event-{number:03d}" for number in range(300)]
    first = open_outbox(1_000_000)
    for event in names[:150]:
        put(first, event, Lane.STATS)
    first.close()  # these are in the file, the others in the log
    outbox = open_outbox(1_000_000)
    for event in names[150:]:
        put(outbox, event, Lane.STATS)
    outbox.commit()
    after = tmp_path / "after"
    after.mkdir()
    for file in tmp_path.glob("outbox.sqlite*"):  # as a power cut leaves them: not closed, the log not taken over
        (after / file.name).write_bytes(file.read_bytes())
    whole = (after / name).read_bytes()
    assert len(whole) > 4096
    torn = {
        "empty": b"",
        "a byte": whole[:1],
        "half": whole[: len(whole) // 2],
        "all but one": whole[:-1],
        "zeros": bytes(len(whole)),
        "garbage": b"garbage " * (len(whole) // 8),
    }
    (after / name).write_bytes(torn[damage])

    with contextlib.closing(Outbox(Storage(after), max_bytes=1_000_000)) as started:
        assert set(topics(started)) <= set(names)
        assert put(started, "later")
        assert started.messages == len(topics(started))
    with contextlib.closing(Outbox(Storage(after), max_bytes=1_000_000)) as again:
        assert "later" in topics(again)


def test_page_that_goes_bad_while_it_runs_costs_no_message_of_the_open_batch(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    with contextlib.closing(Outbox(storage, max_bytes=1_000_000)) as outbox:
        for number in range(300):
            put(outbox, f"event-{number:03d}", Lane.STATS)
        outbox.commit()
        database = storage.database("outbox.sqlite")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        for page in range(3, 8):
            corrupt(tmp_path / "outbox.sqlite", page)
        put(outbox, "after", Lane.STATS)

        found = topics(outbox)

        assert "after" in found
        assert len(found) > 100
        assert outbox.messages == len(found)
