"""A model under which processes die again and again makes room for the last good one, in the worker and at start-up."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from edge_models.bundle import Bundle
from tests.integration.agent.conftest import Fleet, MakeDevice
from tests.integration.agent.device import Device, until

pytestmark = pytest.mark.integration

Bundles = dict[str, Bundle]
DEATHS = 2


@pytest.fixture
def device(make_device: MakeDevice, fleet: Fleet, bundles: Bundles) -> Device:
    """One that runs the second bundle and has the first one to go back to."""
    fleet.offer(bundles["second"], bundles["first"])
    made = make_device(1, update=fleet.update(), worker={"deaths": DEATHS})
    made.start()
    made.wait_until_it_runs(bundles["second"].id)
    return made


def expect_first(device: Device, bundles: Bundles) -> None:
    device.wait_until_it_runs(bundles["first"].id, phase="rolled_back")
    record = device.record("update.json")
    assert record["last_result"]["result"] == "failed_rolled_back"
    assert record["last_result"]["code"] == "crash_loop"
    assert [bad["bundle"] for bad in record["bad"]] == [bundles["second"].id]  # or the next poll would bring it back


def wait_for_count(device: Device, bundle: str, kind: str, count: int) -> None:
    """Wait until the disk says so, or that the model was left."""

    def is_counted() -> bool:
        record = device.record("update.json")
        crashes = record.get("crashes") or {}
        return record.get("phase") == "rolled_back" or (crashes.get("bundle"), crashes.get(kind)) == (bundle, count)

    until(is_counted, f"{count} {kind} to be counted", log=device.log)


def test_worker_that_dies_again_and_again_brings_the_last_good_model_back(device: Device, bundles: Bundles) -> None:
    for deaths in range(1, DEATHS + 1):
        device.wait_for_child().kill()
        wait_for_count(device, bundles["second"].id, "deaths", deaths)

    expect_first(device, bundles)


def test_agent_that_is_killed_at_every_start_leaves_the_model_under_which_it_died(
    device: Device, bundles: Bundles
) -> None:
    for starts in range(1, DEATHS + 1):
        device.stop(signal.SIGKILL)
        device.start()
        wait_for_count(device, bundles["second"].id, "starts", starts)
        assert device.record("active.json")["bundle"] == bundles["second"].id

    device.stop(signal.SIGKILL)
    device.start()

    expect_first(device, bundles)


def test_power_cuts_are_no_crash_loop(device: Device, bundles: Bundles) -> None:
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def starts_in_this_boot() -> int | None:
        crashes = device.record("update.json")["crashes"] or {}
        starts: int | None = crashes.get("starts") if crashes.get("kernel") == kernel else None
        return starts

    for _ in range(DEATHS + 1):
        device.stop(signal.SIGKILL)
        record = device.record("update.json")
        if record["crashes"] is not None:
            record["crashes"]["kernel"] = "another-boot"
            (device.state / "update.json").write_text(json.dumps(record))
        device.start()
        until(starts_in_this_boot, "the start to be counted", log=device.log)

    assert starts_in_this_boot() == 1
    assert device.record("active.json")["bundle"] == bundles["second"].id


def test_restarts_on_purpose_are_no_crash_loop(device: Device, bundles: Bundles) -> None:
    for _ in range(DEATHS + 1):
        device.stop()
        assert device.record("update.json")["crashes"] is None
        device.start()
        device.wait_for_child()

    assert device.record("active.json")["bundle"] == bundles["second"].id
