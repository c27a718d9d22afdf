"""A device that drifts asks for another model, once, and until somebody answers."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from edge_models.bundle import Bundle
from edge_models.wire.codec import decode_message
from edge_models.wire.predictions import SampleMessage
from edge_models.wire.update import Desired, ModelRequest
from tests.factories.bundles import make_bundle
from tests.factories.frames import digit_frames, winter_light, write_recording
from tests.integration.agent.brokers import Embedded
from tests.integration.agent.conftest import Fleet, MakeDevice
from tests.integration.agent.device import Heard, Onlooker

pytestmark = pytest.mark.integration

DRIFT_AT = 600
QUICK = {
    "window": 100,
    "window_effective": 100,
    "cooldown_s": 0,
    "commissioning": {"hours": 0, "n_effective": 0, "decorrelation_frames": 256},
}


@pytest.fixture(scope="session")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """A source whose light changes for good."""
    before, _ = digit_frames(DRIFT_AT)
    after, _ = digit_frames(6000, corruption=winter_light)
    path = write_recording(tmp_path_factory.mktemp("drift") / "frames.npz", np.concatenate([before, after]))
    return {"type": "replay", "path": str(path), "rate_hz": 300}


def is_open(heard: Heard) -> bool:
    return bool(heard.payload)


def test_drift_is_asked_about_with_evidence_and_samples(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, drifting: dict[str, object]
) -> None:
    device = make_device(
        embedded.port, source=drifting, drift=QUICK, samples={"enabled": True, "rate_hz": 20, "budget_per_day": 5}
    )

    device.start()

    request = decode_message(ModelRequest, onlooker.wait_for("model/request", is_open).payload)
    assert request.position is not None
    assert request.position >= DRIFT_AT
    assert request.evidence is not None
    assert request.evidence.n >= 100
    assert request.samples_on_offer == 5
    onlooker.say("cmd/samples", b'{"id": "s1", "args": {"do": "deliver", "n": 3}}')
    assert onlooker.wait_for("reply/samples").json["ok"]
    sample = decode_message(SampleMessage, onlooker.wait_for("sample").payload)
    assert len(sample.data) == 64
    states = {heard.json["state"] for heard in onlooker.of("drift")}
    assert {"ok", "suspect", "requested"} <= states


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_open_request_is_the_same_after_a_restart(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, drifting: dict[str, object], ending: signal.Signals
) -> None:
    device = make_device(embedded.port, source=drifting, drift=QUICK)
    device.start()
    request = onlooker.wait_for("model/request", is_open)

    device.stop(ending)
    left = onlooker.wait_for("status", lambda heard: heard.payload == b"offline")
    device.start()

    assert onlooker.wait_for("model/request", after_s=left.at_s).payload == request.payload
    onlooker.wait_for("stats", after_s=left.at_s)
    assert {heard.payload for heard in onlooker.of("model/request") if heard.payload} == {request.payload}


def test_drift_that_is_called_benign_stays_known_through_a_restart(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, drifting: dict[str, object]
) -> None:
    device = make_device(embedded.port, source=drifting, drift=QUICK)
    device.start()
    onlooker.wait_for("model/request", is_open)

    onlooker.say("cmd/dismiss", b'{"id": "d1", "args": {"benign": true, "as": "winter-light"}}')
    assert onlooker.wait_for("reply/dismiss").json["ok"]
    onlooker.wait_for("model/request", lambda heard: not heard.payload)
    device.stop()
    story = device.record("episode.json")
    left = onlooker.wait_for("status", lambda heard: heard.payload == b"offline")
    device.start()

    again = onlooker.wait_for("drift", lambda heard: heard.json["waits_for"] == "benign", after_s=left.at_s).json
    assert (again["state"], again["known"], again["request"]) == ("confirmed", "winter-light", None)
    assert (story["known"], story["benign"], story["state"]) == ("winter-light", True, "confirmed")
    assert [step["sign"] for step in story["steps"]][:3] == ["alarm", "confirmed", "ask"]


def test_device_that_does_not_drift_never_asks(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, recording: Path
) -> None:
    source = {"type": "replay", "path": str(recording), "rate_hz": 300, "loop": True}
    device = make_device(embedded.port, source=source, drift=QUICK)
    device.start()

    onlooker.wait_for("stats", lambda heard: heard.json["seq"] >= 10)

    assert not any(heard.payload for heard in onlooker.of("model/request"))
    assert {heard.json["state"] for heard in onlooker.of("drift")} == {"ok"}


def test_answer_is_installed_although_it_disagrees_and_closes_the_episode(
    embedded: Embedded,
    onlooker: Onlooker,
    make_device: MakeDevice,
    fleet: Fleet,
    bundles: dict[str, Bundle],
    drifting: dict[str, object],
    tmp_path: Path,
) -> None:
    fleet.offer(bundles["first"])
    strict = {"frames": 30, "deadline_s": 20, "rate_hz": 50, "min_agreement": 1.0}
    device = make_device(embedded.port, source=drifting, drift=QUICK, update=fleet.update(poll_s=600, shadow=strict))
    device.start()
    request = onlooker.wait_for("model/request", is_open).json

    answer = make_bundle(tmp_path / "answer", serial=2, version="2.0", answers=(request["id"],), seen=winter_light)
    fleet.offer(answer, bundles["first"])
    onlooker.desire(Desired(rev=1, bundle=answer.id, rollout="r-1", answers=request["id"]))

    closed = onlooker.wait_for("event", lambda heard: heard.json["type"] == "request_closed")
    assert closed.json["data"] == {"request": request["id"], "why": "answered"}
    committed = onlooker.wait_for("model/state", lambda heard: heard.json["phase"] == "committed")
    assert committed.json["last_result"]["rollout"] == "r-1"
    onlooker.wait_for("drift", lambda heard: heard.json["state"] == "ok", after_s=closed.at_s)


def test_answer_that_drifts_as_much_as_what_it_answers_is_rejected(
    embedded: Embedded,
    onlooker: Onlooker,
    make_device: MakeDevice,
    fleet: Fleet,
    bundles: dict[str, Bundle],
    drifting: dict[str, object],
    tmp_path: Path,
) -> None:
    fleet.offer(bundles["first"])
    patient = {"frames": 200, "deadline_s": 60, "rate_hz": 100}
    device = make_device(embedded.port, source=drifting, drift=QUICK, update=fleet.update(poll_s=600, shadow=patient))
    device.start()
    request = onlooker.wait_for("model/request", is_open).json

    answer = make_bundle(tmp_path / "answer", serial=2, version="2.0", answers=(request["id"],))
    fleet.offer(answer, bundles["first"])
    onlooker.desire(Desired(rev=1, bundle=answer.id, rollout="r-1", answers=request["id"]))

    told = onlooker.wait_for("event", lambda heard: heard.json["type"] == "update_rejected").json["data"]
    assert (told["code"], told["result"]) == ("drifts", "rejected")
    assert told["effect"] >= told["active_effect"] > 0.3
    assert device.record("active.json")["bundle"] == bundles["first"].id
