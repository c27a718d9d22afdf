"""What a device goes through in the field: a disk that is full, a frame that no model survives."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from agent.deadly_frames import DEATHS_AT_A_FRAME
from tests.factories.frames import digit_frames, write_recording
from tests.integration.agent.brokers import Embedded
from tests.integration.agent.conftest import MakeDevice
from tests.integration.agent.device import Onlooker

pytestmark = pytest.mark.integration


def test_device_with_a_full_disk_runs_its_model_and_says_so(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice
) -> None:
    device = make_device(embedded.port)
    device.start()
    onlooker.wait_for("prediction")
    device.stop()
    before_s = time.monotonic()

    device.start(disk_is_full=True)

    onlooker.wait_for("prediction", after_s=before_s)
    onlooker.wait_for("event", lambda heard: heard.json["type"] == "started", after_s=before_s)
    onlooker.wait_for(
        "state", lambda heard: heard.json["n"] > 0 and heard.json["outbox_messages"] == 0, after_s=before_s
    )
    assert device.stop() == 0


def test_frame_that_kills_every_worker_does_not_stop_the_device(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, tmp_path: Path
) -> None:
    frames, labels = digit_frames(60)
    frames[20] = 0  # whoever runs it is aborted
    recording = write_recording(tmp_path / "frames.npz", frames, labels)
    device = make_device(embedded.port, source={"type": "replay", "path": str(recording), "rate_hz": 50})

    device.start(module="tests.integration.agent.frail_agent")

    skipped = onlooker.wait_for("event", lambda heard: heard.json["type"] == "frame_skipped")
    assert skipped.json["data"] == {"position": 20}
    ended = onlooker.wait_for("event", lambda heard: heard.json["type"] == "source_ended")
    assert ended.json["data"] == {"position": 60}
    assert device.log.read_text().count("signal 6") >= DEATHS_AT_A_FRAME
