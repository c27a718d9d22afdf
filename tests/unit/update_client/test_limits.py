"""Rate and daily budget: what a download may take, across restarts and with any clock."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.storage import Observer, Operation, Storage
from agent.update_client.errors import BudgetError
from agent.update_client.limits import BUDGET_FILE, DAY_S, DailyBudget, RateLimited
from agent.update_client.transport import Reply, Transport
from tests.unit.update_client.fakes import FakeTime

NOON = 1_800_014_400.0 // DAY_S * DAY_S + DAY_S / 2


class Source:
    """A transport that gives so many bytes in pieces."""

    def __init__(self, size: int, *, piece: int = 10_000) -> None:
        self._size = size
        self._piece = piece
        self.taken = 0

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], *, timeout_s: float) -> Iterator[Reply]:
        yield Reply(status=200, headers={}, chunks=self._chunks())

    def _chunks(self) -> Iterator[bytes]:
        for start in range(0, self._size, self._piece):
            piece = min(self._piece, self._size - start)
            self.taken += piece
            yield bytes(piece)


def take(transport: Transport) -> int:
    """Read an answer to its end or to the budget's; how much came."""
    received = 0
    try:
        with transport.get("http://x", {}, timeout_s=60.0) as reply:
            for chunk in reply.chunks:
                received += len(chunk)
    except BudgetError:
        pass
    return received


class Device:
    """A disk and a clock, with a job every now and then."""

    def __init__(self, root: Path, *, per_day: int = 100_000, utc: float | None = NOON) -> None:
        self.root = root
        self.time = FakeTime(utc=utc)
        self.per_day = per_day
        self.writes = 0

    def budget(self) -> DailyBudget:
        observer: Observer = self._count
        return DailyBudget(Storage(self.root, observer=observer), self.time, self.per_day)

    def _count(self, operation: Operation) -> None:
        self.writes += operation.step == "rename"

    def download(self, size: int, *, dies: bool = False) -> int:
        budget = self.budget()
        received = take(budget.limited(Source(size)))
        if not dies:
            budget.settle()
        return received

    def passes(self, seconds: float) -> None:
        self.time.now_s += seconds
        if self.time.utc is not None:
            self.time.utc += seconds

    def restarts(self) -> None:
        self.time.now_s = 1.0


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


@given(rate=st.sampled_from([100, 10_000, 1 << 20]), size=st.integers(0, 200_000), piece=st.integers(1, 70_000))
def test_rate_is_kept_and_nothing_is_lost(rate: int, size: int, piece: int) -> None:
    time = FakeTime()
    began_s = time.now_s

    received = take(RateLimited(Source(size, piece=piece), rate, time, time))

    elapsed_s = time.now_s - began_s
    assert received == size
    assert elapsed_s >= (size - rate * 0.25 - 1) / rate  # the last piece may come at once
    assert elapsed_s <= size / rate + 1e-6
    assert max(time.waits, default=0.0) <= max(0.25, 1 / rate) + 1e-6  # the deadline is looked at in between


def test_slow_network_is_not_made_slower() -> None:
    time = FakeTime()

    class Slow(Source):
        def _chunks(self) -> Iterator[bytes]:
            for _ in range(10):
                time.now_s += 10.0
                yield bytes(100)

    take(RateLimited(Slow(0), 100, time, time))

    assert time.waits == []


def test_download_within_the_budget_is_whole(device: Device) -> None:
    assert device.download(60_000) == 60_000
    assert json.loads((device.root / BUDGET_FILE).read_bytes())["used"] == 60_000


def test_budget_ends_a_download_after_the_piece_that_exceeds_it(device: Device) -> None:
    assert device.download(500_000) == 100_000
    assert device.download(500_000) == 0


def test_refusal_says_when_to_go_on(device: Device) -> None:
    device.download(500_000)

    with pytest.raises(BudgetError, match=r"update\.max_bytes_per_day") as caught:
        device.budget().check()

    assert caught.value.retry_after_s == pytest.approx(DAY_S / 2)


def test_metadata_counts_and_is_never_refused(device: Device) -> None:
    device.download(500_000)
    budget = device.budget()

    assert take(budget.counted(Source(5_000))) == 5_000

    budget.settle()
    assert json.loads((device.root / BUDGET_FILE).read_bytes())["used"] == 105_000


def test_next_day_begins_a_new_budget(device: Device) -> None:
    device.download(500_000)
    device.passes(DAY_S / 2 - 1)
    assert device.download(500_000) == 0

    device.passes(2)

    assert device.download(500_000) == 100_000


def test_restart_begins_none(device: Device) -> None:
    device.download(500_000)

    device.restarts()

    assert device.download(500_000) == 0


@pytest.mark.parametrize("size", [20_000, 70_000, 500_000])
def test_device_that_loses_power_again_and_again_counts_too_much_rather_than_too_little(
    device: Device, size: int
) -> None:
    total = sum(device.download(size, dies=True) for _ in range(20))

    assert total <= device.per_day + 10_000


def test_without_a_clock_a_day_of_uptime_begins_a_new_budget(tmp_path: Path) -> None:
    device = Device(tmp_path, utc=None)
    device.download(500_000)
    device.passes(DAY_S - 1)
    assert device.download(500_000) == 0

    device.passes(1)

    assert device.download(500_000) == 100_000


def test_without_a_clock_time_before_a_restart_does_not_count_and_time_after_it_does(tmp_path: Path) -> None:
    device = Device(tmp_path, utc=None)
    device.passes(10 * DAY_S)
    device.download(500_000)
    device.passes(DAY_S / 2)

    device.restarts()

    assert device.download(500_000) == 0
    device.passes(DAY_S)
    assert device.download(500_000) == 100_000


def test_clock_that_jumps_back_ten_years_gives_nothing_and_locks_nothing(device: Device) -> None:
    device.download(500_000)
    device.time.utc = NOON - 3650 * DAY_S
    assert device.download(500_000) == 0

    device.passes(DAY_S)

    assert device.download(500_000) == 100_000


def test_clock_that_jumps_ahead_and_back_gives_one_budget_and_no_more(device: Device) -> None:
    device.download(500_000)
    device.time.utc = NOON + 3650 * DAY_S
    assert device.download(500_000) == 100_000

    device.time.utc = NOON

    assert device.download(500_000) == 0
    device.passes(DAY_S)
    assert device.download(500_000) == 100_000


@pytest.mark.parametrize("damage", [b"", b"{", b'{"v":2}', b'{"used":-1}', bytes(5000)])
def test_damaged_record_counts_as_none(device: Device, damage: bytes) -> None:
    (device.root / BUDGET_FILE).write_bytes(damage)

    assert device.download(500_000) == 100_000


def test_record_is_seldom_written(tmp_path: Path) -> None:
    device = Device(tmp_path, per_day=1 << 30)

    device.download(64 << 20)

    assert device.writes <= 4


def test_full_disk_at_the_end_of_a_job_is_no_failure_of_it(device: Device) -> None:
    budget = DailyBudget(Storage(device.root), device.time, 100_000)
    take(budget.counted(Source(5_000)))
    obstacle = device.root / (BUDGET_FILE + ".tmp")
    obstacle.mkdir()  # what cannot be opened cannot be written

    budget.settle()

    assert not (device.root / BUDGET_FILE).exists()
    obstacle.rmdir()
    budget.settle()
    assert json.loads((device.root / BUDGET_FILE).read_bytes())["used"] == 5_000
