"""What the outbox does in memory, when there is no disk, is what it does on one, the next start apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from agent.errors import StorageError
from agent.outbox import Lane, Numbered, Outbox
from agent.storage import Storage

MAX_BYTES = 1200
UTC_S = 1_800_000_000.0


class NoDisk(Storage):
    """Refuses databases."""

    def database(self, path: Path | str) -> sqlite3.Connection:
        cause = sqlite3.OperationalError("disk I/O error")
        cause.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise StorageError(f"{path}: cannot be opened: {cause}") from cause


@pytest.fixture(params=[Storage, NoDisk])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    with closing(Outbox(request.param(tmp_path), max_bytes=MAX_BYTES)) as made:
        yield made


class Queue(RuleBasedStateMachine):
    """Any order of messages, answers, questions and refusals, against lists."""

    outbox: Outbox  # of the test

    def __init__(self) -> None:
        super().__init__()
        for lane in Lane:
            self.outbox.drop(lane)
        self._seq = self._first = self.outbox.delivered_of(1).get("stats", 0) + 1
        self._waiting: list[int] = []

    @rule(lane=st.sampled_from([Lane.EVENT, Lane.STATS]), size=st.integers(1, 400))
    def put(self, lane: Lane, size: int) -> None:
        numbered = Numbered(1, self._seq)
        self.outbox.put(
            lane=lane, kind="stats", topic=f"{self._seq}", body=b"x" * size, expiry_s=None, utc_s=UTC_S,
            numbered=numbered,
        )  # fmt: skip
        self._seq += 1

    @rule()
    def deliver(self) -> None:
        row = self.outbox.next(UTC_S)
        if row is not None:
            self.outbox.delivered(row.id)

    @rule()
    def refuse(self) -> None:
        row = self.outbox.next(UTC_S)
        if row is not None:
            self.outbox.refused(row.id)

    @rule(back=st.integers(0, 6))
    def ask_again(self, back: int) -> None:
        before = self.outbox.messages
        again = self.outbox.resend("stats", boot=1, first=max(1, self._seq - back), last=self._seq)
        assert self.outbox.messages == before + again

    @rule()
    def commit(self) -> None:
        self.outbox.commit()

    @invariant()
    def bounds_and_counts_hold(self) -> None:
        found: list[int] = []
        while (row := self.outbox.next(UTC_S, skip=found)) is not None:
            found.append(row.id)
        assert len(found) == self.outbox.messages
        assert 0 <= self.outbox.bytes + self.outbox.kept_bytes <= MAX_BYTES
        assert (self.outbox.messages == 0) == (self.outbox.bytes == 0)


def test_counts_and_bounds_hold_in_any_order(outbox: Outbox) -> None:
    machine = type("QueueOfTest", (Queue,), {"outbox": outbox})

    run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=25, deadline=None))


def test_what_was_delivered_can_be_had_again(outbox: Outbox) -> None:
    for seq in (1, 2):
        outbox.put(
            lane=Lane.STATS, kind="stats", topic="t", body=b"x", expiry_s=None, utc_s=None, numbered=Numbered(3, seq)
        )
        row = outbox.next(None)
        assert row is not None
        outbox.delivered(row.id)

    assert outbox.resend("stats", boot=3, first=1, last=2) == 2
    assert outbox.delivered_of(3) == {"stats": 2}
