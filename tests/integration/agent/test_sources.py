"""Sources that fail and come back, and predictions that stay on the device, with the whole program."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from tests.factories.frames import digit_frames
from tests.integration.agent.brokers import Embedded
from tests.integration.agent.conftest import MakeDevice
from tests.integration.agent.device import Onlooker, until

pytestmark = pytest.mark.integration


def put(directory: Path, number: int) -> None:
    """As a camera program does: write under another name, then rename."""
    part = directory / f"{number:03}.npy.part"
    with part.open("wb") as stream:
        np.save(stream, digit_frames(1, seed=number)[0][0])
    part.rename(directory / f"{number:03}.npy")


def watching(directory: Path) -> dict[str, object]:
    return {"type": "folder", "path": str(directory), "poll_s": 0.05, "settle_s": 0.05}


def test_a_directory_that_is_not_there_is_an_event_and_its_files_are_run_once_it_is(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, tmp_path: Path
) -> None:
    directory = tmp_path / "frames"
    device = make_device(embedded.port, source=watching(directory))
    device.start()

    failed = onlooker.wait_for("event", lambda heard: heard.json["type"] == "source_failed")
    state = onlooker.wait_for("state", lambda heard: "is not there" in (heard.json["source"] or ""))
    worker = device.wait_for_child()
    directory.mkdir()
    recovered_by_s = time.monotonic() + 30
    number = 0
    while not onlooker.of("prediction") and time.monotonic() < recovered_by_s:
        put(directory, number := number + 1)
        time.sleep(0.2)
    onlooker.wait_for("event", lambda heard: heard.json["type"] == "source_recovered", timeout_s=45)
    onlooker.wait_for("state", lambda heard: heard.json["source"] == "ok", after_s=state.at_s)

    assert failed.json["severity"] == "warning"
    assert failed.json["data"]["failures"] == 1
    assert worker.is_running()  # the same one all the time
    assert onlooker.of("state")[-1].json["worker_restarts"] == 0


def test_a_killed_worker_loses_no_file_and_takes_none_twice(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, tmp_path: Path
) -> None:
    directory = tmp_path / "frames"
    directory.mkdir()
    device = make_device(embedded.port, source=watching(directory))
    device.start()
    onlooker.wait_for("state", lambda heard: heard.json["runtime"] is not None)
    worker = device.wait_for_child()
    time.sleep(0.5)  # it watches by now
    for number in range(3):
        put(directory, number)
    onlooker.wait_for("prediction", lambda heard: heard.json["position"] == 2)
    time.sleep(1.5)  # a heartbeat, which tells the supervisor how far it is

    worker.kill()
    for number in range(3, 6):
        put(directory, number)
    onlooker.wait_for("prediction", lambda heard: heard.json["position"] == 5)
    time.sleep(0.5)

    assert [heard.json["position"] for heard in onlooker.of("prediction")] == list(range(6))


def test_predictions_stay_on_the_device_where_nothing_is_published(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, tmp_path: Path
) -> None:
    path = tmp_path / "kept" / "predictions.jsonl"
    sink = {"path": str(path), "flush_s": 0.2, "rate_hz": 20, "max_bytes": 16384}
    device = make_device(embedded.port, sink=sink, report={"state_s": 0.5})
    device.start()

    until(lambda: path.exists() and path.read_text().count("\n") > 20, "predictions", log=device.log)
    read_meanwhile = [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    assert device.stop() == 0

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[: len(read_meanwhile)] == read_meanwhile
    positions = [line["position"] for line in lines]
    assert positions == sorted(set(positions))
    assert {"bundle", "label", "confidence", "id"} <= set(lines[0])
    assert onlooker.of("prediction") == []
