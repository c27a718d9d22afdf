"""A device that learns: labels over MQTT change what it predicts, through restarts, until they are taken back."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.factories.spiking_digits import SPIKING, make_spiking_digits
from tests.integration.agent.brokers import Embedded
from tests.integration.agent.conftest import MakeDevice
from tests.integration.agent.device import Device, Onlooker

pytestmark = pytest.mark.integration
LABELS_PER_S = 25  # half of what a device takes


def teach(onlooker: Onlooker, label: int, *, until_rev: int = 1) -> None:
    """Call every prediction this class until the device has learnt it."""
    answered: set[str] = set()
    for _ in range(60 * LABELS_PER_S):
        heard = [prediction.json["id"] for prediction in onlooker.of("prediction")]
        for identity in [identity for identity in heard if identity not in answered][:1]:
            answered.add(identity)
            onlooker.say("feedback", f'{{"id":"{identity}","label":{label}}}'.encode())
        if any(state.json["adapted_rev"] == until_rev for state in onlooker.of("state")):
            return
        time.sleep(1 / LABELS_PER_S)
    raise AssertionError(f"not learnt from {len(answered)} labels")


def test_labels_correct_predictions_through_restarts_until_they_are_undone(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, tmp_path: Path
) -> None:
    bundle = make_spiking_digits(tmp_path / "digits")
    device: Device = make_device(
        embedded.port, bundle=str(bundle.directory), artifact=SPIKING, adaptation={}, gating={"threshold": 12}
    )
    device.start()
    first = onlooker.wait_for("state", lambda heard: heard.json["adapted_rev"] == 0).json
    abilities = onlooker.wait_for("meta").json["capabilities"]
    assert (abilities["gating"], abilities["adaptation"]) == ("threshold 12", "delta_rule")
    assert first["executor"] in ("c-delta", "c", "numpy")
    assert (first["executor_note"] is None) == (first["executor"] != "numpy")

    teach(onlooker, 0)
    event = onlooker.wait_for("event", lambda heard: heard.json["type"] == "adaptation_changed").json
    assert (event["data"]["why"], event["data"]["rev"]) == ("learnt", 1)

    device.wait_for_child().send_signal(signal.SIGKILL)
    died = onlooker.wait_for("event", lambda heard: heard.json["type"] == "worker_restarted")
    onlooker.wait_for("state", lambda heard: heard.json["adapted_rev"] == 1, after_s=died.at_s + 1)
    assert device.stop() == 0
    device.start()
    again_s = time.monotonic()
    onlooker.wait_for("state", lambda heard: heard.json["adapted_rev"] == 1, after_s=again_s)
    zero = onlooker.wait_for("prediction", lambda heard: heard.json["label"] == 0, after_s=again_s)

    onlooker.say("cmd/undo", b'{"id":"u1"}')

    assert onlooker.wait_for("reply/undo").json["ok"]
    onlooker.wait_for("state", lambda heard: heard.json["adapted_rev"] == 0, after_s=zero.at_s)
