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
