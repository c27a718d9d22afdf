"""Predictions that are kept on the device."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from agent.config import SinkConfig
from agent.sink import MAX_WAITING_BYTES, Sink
from edge_models.manifest import BundleId
from edge_models.wire.predictions import Prediction

BUNDLE = BundleId("ab" * 32)


def prediction(number: int) -> Prediction:
    return Prediction(ts=None, up=float(number), id=f"1-{number}", bundle=BUNDLE, position=number, label=3)


def sink_at(path: Path, **settings: object) -> Sink:
    return Sink(SinkConfig(path=str(path), **{"rate_hz": 1000.0, "flush_s": 10.0} | settings))  # type: ignore[arg-type]


def positions(path: Path) -> list[int]:
    return [json.loads(line)["position"] for line in path.read_text().splitlines()] if path.exists() else []


def kept(path: Path) -> list[int]:
    return positions(path.with_name(path.name + ".1")) + positions(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "predictions.jsonl"


def test_lines_are_written_together_once_their_time_has_come(path: Path) -> None:
    sink = sink_at(path)
    for number in range(3):
        sink.keep(prediction(number), now_s=100.0 + number)

    assert sink.next_deadline_s() == 110.0
    sink.tick(109.9)
    assert not path.exists()
    sink.tick(110.0)

    assert kept(path) == [0, 1, 2]
    assert sink.next_deadline_s() is None


def test_what_waits_is_written_at_the_end(path: Path) -> None:
    sink = sink_at(path)
    sink.keep(prediction(1), now_s=0.0)

    sink.close()

    assert kept(path) == [1]


def test_no_more_are_kept_than_the_rate_says(path: Path) -> None:
    sink = sink_at(path, rate_hz=2.0)
    for number in range(100):
        sink.keep(prediction(number), now_s=number / 10)  # ten seconds at 10 Hz
    sink.close()

    assert 19 <= len(kept(path)) <= 22


def test_two_files_hold_the_newest_lines_and_never_more_than_the_bound(path: Path) -> None:
    sink = sink_at(path, max_bytes=8192, flush_s=1.0)
    for number in range(500):
        sink.keep(prediction(number), now_s=float(number))
        sink.tick(number + 0.999)
        assert sum(file.stat().st_size for file in path.parent.iterdir()) <= 8192
    sink.close()

    numbers = kept(path)
    assert numbers == list(range(numbers[0], 500))
    assert len(numbers) > 20


def test_a_ring_is_gone_on_with_after_a_restart_and_half_a_line_goes(path: Path) -> None:
    first = sink_at(path)
    first.keep(prediction(1), now_s=0.0)
    first.close()
    with path.open("ab") as torn:
        torn.write(b'{"v":1,"po')

    second = sink_at(path)
    second.keep(prediction(2), now_s=0.0)
    second.close()

    assert kept(path) == [1, 2]


def test_a_disk_that_takes_nothing_costs_the_oldest_lines_and_nothing_else(path: Path) -> None:
    path.mkdir()  # a directory where the file is to be: every write fails, for root as well
    sink = sink_at(path, flush_s=1.0)
    line = len(json.dumps({"position": 1}))
    number = 0
    while sink.dropped < 10:
        sink.keep(prediction(number), now_s=float(number))
        sink.tick(float(number))
        number += 1
        assert number < MAX_WAITING_BYTES // line
    path.rmdir()
    sink.tick(float(number + 1))

    assert kept(path) == list(range(10, number))


def test_a_write_that_fails_in_its_middle_leaves_no_half_line(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = sink_at(path)
    sink.keep(prediction(1), now_s=0.0)
    sink.tick(10.0)
    write = os.write

    def half(fd: int, data: bytes) -> int:
        if stat.S_ISREG(os.fstat(fd).st_mode) and len(data) > 10:
            return write(fd, bytes(data)[:10])
        raise OSError(28, "No space left on device")

    sink.keep(prediction(2), now_s=11.0)
    with monkeypatch.context() as full:
        full.setattr(os, "write", half)
        sink.tick(30.0)
    sink.tick(60.0)

    assert kept(path) == [1, 2]


def test_the_broker_gets_its_own_smaller_share(path: Path) -> None:
    sink = sink_at(path, rate_hz=50.0)
    limited = Sink(SinkConfig(path=str(path), rate_hz=50.0), published_hz=1.0)

    assert sum(limited.lets_out(number / 50) for number in range(500)) in range(10, 12)
    assert not sink.lets_out(0.0)  # report.predictions_hz is 0: none at all
    assert all(Sink(SinkConfig(path=str(path), rate_hz=1.0), published_hz=50.0).lets_out(0.0) for _ in range(100))


def test_file_that_cannot_be_read_at_first_is_not_cut(path: Path) -> None:
    first = sink_at(path)
    first.keep(prediction(1), now_s=0.0)
    first.close()
    aside = path.rename(path.with_name("aside"))
    path.symlink_to(path)  # nobody can open what leads to itself
    sink = sink_at(path)
    sink.keep(prediction(2), now_s=0.0)
    sink.tick(10.0)
    path.unlink()
    aside.rename(path)

    sink.tick(20.0)

    assert kept(path) == [1, 2]


def test_file_that_somebody_removes_before_it_is_full_is_begun_anew(path: Path) -> None:
    sink = sink_at(path, max_bytes=8192)
    number = 0
    while not path.exists() or path.stat().st_size < 3500:
        number += 1
        sink.keep(prediction(number), now_s=float(number))
        sink.tick(number + 10.0)
    path.unlink()
    for more in range(1, 11):
        sink.keep(prediction(number + more), now_s=number + 1.0)

    sink.tick(1000.0)
    sink.tick(2000.0)

    assert kept(path) == [number + more for more in range(1, 11)]
