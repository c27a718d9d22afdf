"""From a published bundle to a committed one, and the ways in which that may fail."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from edge_models.bundle import Bundle
from edge_models.wire.update import Desired
from tests.integration.agent.brokers import Embedded
from tests.integration.agent.conftest import Fleet, MakeDevice
from tests.integration.agent.device import Device, Onlooker, until

pytestmark = pytest.mark.integration

Bundles = dict[str, Bundle]
LONG = {"frames": 100_000, "deadline_s": 600}


def phases(onlooker: Onlooker) -> list[str]:
    """The update phases that were told, each once in a row."""
    told = [heard.json["phase"] for heard in onlooker.of("model/state")]
    return [phase for at, phase in enumerate(told) if at == 0 or told[at - 1] != phase]


def in_phase(phase: str) -> Any:
    return lambda heard: heard.json.get("phase") == phase


def test_update_completes_by_polling_with_the_broker_down(
    make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    device = make_device(1, update=fleet.update())

    device.start()

    device.wait_until_it_runs(bundles["second"].id)
    assert device.record("active.json")["previous"]["bundle"] == bundles["first"].id


def test_hint_rolls_a_bundle_out_and_every_phase_is_told(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["first"], bundles["second"])  # listed, and not chosen
    device = make_device(embedded.port, update=fleet.update(poll_s=600))
    device.start()
    onlooker.wait_for("model/state", lambda heard: "timestamp" in heard.json["metadata"])

    onlooker.desire(Desired(rev=1, bundle=bundles["second"].id, rollout="r-1"))

    done = onlooker.wait_for("model/state", in_phase("committed")).json
    assert done["installed"]["bundle"] == bundles["second"].id
    assert done["previous"]["bundle"] == bundles["first"].id
    assert done["last_result"] == {
        "bundle": bundles["second"].id, "outcome": "committed", "rollout": "r-1", "attempt": 1,
        "result": "successful", "code": None, "remedy": "",
    }  # fmt: skip
    assert phases(onlooker) == [
        "idle", "downloading", "verifying", "self_test", "shadow", "provisional", "committed",
    ]  # fmt: skip
    running = onlooker.wait_for("state", lambda heard: heard.json["bundle"] == bundles["second"].id)
    onlooker.wait_for("prediction", lambda heard: heard.json["bundle"] == bundles["second"].id, after_s=running.at_s)


def test_forged_hint_at_an_older_signed_bundle_is_refused_and_reported(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["first"])
    fleet.offer(bundles["second"])  # the first is signed still, and listed no more
    device = make_device(embedded.port, update=fleet.update(), bundle=str(bundles["second"].directory))
    onlooker.desire(Desired(rev=1_000_000, bundle=bundles["first"].id))

    device.start()

    event = onlooker.wait_for("event", lambda heard: heard.json["type"] == "desired_refused")
    assert "does not list" in event.json["message"]
    error = onlooker.wait_for("model/state", lambda heard: heard.json["error"] is not None).json["error"]
    assert error["code"] == "not_listed"
    assert device.record("active.json")["bundle"] == bundles["second"].id


def test_bad_bundle_is_rejected_and_the_running_model_goes_on(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["wrong"], bundles["first"])
    device = make_device(embedded.port, update=fleet.update())

    device.start()

    state = onlooker.wait_for("model/state", in_phase("rejected"))
    assert state.json["error"]["code"] == "self_test"
    assert state.json["installed"]["bundle"] == bundles["first"].id
    onlooker.wait_for("prediction", lambda heard: heard.json["bundle"] == bundles["first"].id, after_s=state.at_s)
    wait_for_two_looks(device)
    assert phases(onlooker).count("downloading") == 1  # and it is not tried again


def test_blob_that_was_tampered_with_is_rejected(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    entry = bundles["second"].manifest.files["digits-int8.tflite"]
    blob = fleet.registry.public / "targets/blobs" / entry.sha256
    blob.chmod(0o644)
    blob.write_bytes(bytes(entry.size))
    device = make_device(embedded.port, update=fleet.update(attempts=1), bundle=None)

    device.start()

    assert onlooker.wait_for("model/state", in_phase("rejected")).json["error"]["code"] == "content"


def test_model_that_crashes_while_unproven_is_rolled_back(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    device = make_device(embedded.port, update=fleet.update(provisional=LONG))
    device.start()
    provisional = onlooker.wait_for("model/state", in_phase("provisional"))
    onlooker.wait_for(
        "prediction", lambda heard: heard.json["bundle"] == bundles["second"].id, after_s=provisional.at_s
    )

    until(lambda: len(device.children()) == 1, "the shadow's worker to have ended")
    device.wait_for_child().send_signal(signal.SIGSEGV)

    state = onlooker.wait_for("model/state", in_phase("rolled_back")).json
    assert state["installed"]["bundle"] == bundles["first"].id
    assert state["last_result"]["outcome"] == "rolled_back"
    onlooker.wait_for("prediction", lambda heard: heard.json["bundle"] == bundles["first"].id, after_s=provisional.at_s)
    assert device.record("active.json")["bundle"] == bundles["first"].id


def test_operator_rolls_back_and_the_next_look_does_not_undo_it(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    device = make_device(embedded.port, update=fleet.update())
    device.start()
    onlooker.wait_for("model/state", in_phase("committed"))

    onlooker.say("cmd/rollback", b'{"id":"c-1"}')

    assert onlooker.wait_for("reply/rollback").json["ok"]
    onlooker.wait_for("model/state", in_phase("rolled_back"))
    wait_for_two_looks(device)
    assert device.record("active.json")["bundle"] == bundles["first"].id


def test_newer_bundle_supersedes_one_that_is_being_proved(
    make_device: MakeDevice, fleet: Fleet, bundles: Bundles
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    device = make_device(1, update=fleet.update(provisional={"frames": 300, "deadline_s": 60}))
    device.start()
    device.wait_until_it_runs(bundles["second"].id, phase="provisional")

    fleet.offer(bundles["third"], bundles["first"])

    device.wait_until_it_runs(bundles["third"].id)
    assert device.record("active.json")["previous"]["bundle"] == bundles["first"].id


@pytest.mark.parametrize("phase", ["downloading", "shadow", "provisional"])
def test_supervisor_that_is_killed_during_an_update_completes_it_after_its_restart(
    make_device: MakeDevice, fleet: Fleet, bundles: Bundles, phase: str
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    device = make_device(1, update=fleet.update(shadow={"frames": 80, "deadline_s": 20, "rate_hz": 50}))
    device.start()
    until(lambda: device.record("update.json").get("phase") == phase, phase, log=device.log)

    device.stop(signal.SIGKILL)
    assert device.record("active.json")["bundle"] in (bundles["first"].id, bundles["second"].id)
    device.start()

    device.wait_until_it_runs(bundles["second"].id)


def test_device_without_a_model_fetches_its_first_one(make_device: MakeDevice, fleet: Fleet, bundles: Bundles) -> None:
    fleet.offer(bundles["second"])
    device = make_device(1, update=fleet.update(), bundle=None)

    device.start()

    device.wait_until_it_runs(bundles["second"].id)
    assert device.record("active.json")["previous"] is None


@pytest.mark.parametrize("damage", ["empty", "half", "garbage"])
def test_damaged_records_do_not_keep_the_device_from_running(
    make_device: MakeDevice, fleet: Fleet, bundles: Bundles, damage: str
) -> None:
    fleet.offer(bundles["second"], bundles["first"])
    device = make_device(1, update={**fleet.update(), "max_bytes_per_day": 10_000_000})
    device.start()
    device.wait_until_it_runs(bundles["second"].id)
    device.stop(signal.SIGKILL)
    folders = ("bundles", "blobs")  # crash states and kill points show what becomes of these
    records = [path for path in device.state.rglob("*") if path.relative_to(device.state).parts[0] not in folders]
    records = [path for path in records if path.is_file() and not path.is_symlink()]
    assert {"active.json", "update.json", "budget.json", "channel.json", "boot"} <= {path.name for path in records}
    for path in records:
        whole = path.read_bytes()
        path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "garbage": b"\x00garbage"}[damage])

    device.start()

    device.wait_until_it_runs(bundles["second"].id)
    assert (device.state / "active.json.bad").exists()
    running(device)


def wait_for_two_looks(device: Device) -> None:
    """Until two more looks at the channel have ended, which the beginning of a third one shows."""

    def looks() -> int:
        return device.log.read_text().count("job started kind=check")

    before = looks()
    until(lambda: looks() >= before + 3, "two looks", log=device.log)


def running(device: Device) -> None:
    """Wait for a worker that loaded its model."""
    until(lambda: "worker ready" in device.log.read_text().rpartition("recovered")[2], "a worker", log=device.log)
