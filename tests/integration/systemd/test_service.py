"""The unit under a real systemd: ready, in its sandbox, and back after whatever stops it."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from edge_models.bundle import Bundle
from tests.factories.bundles import make_bundle
from tests.factories.frames import digit_frames, write_recording
from tests.integration.agent.conftest import Fleet
from tests.integration.systemd.container import INSIDE, BootError, Container, booted, reason_to_skip

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SERVICE = "driftline-agent@pi7.service"
SOCKET = "/run/driftline/pi7/agent.sock"
CONFIG = {
    "id": "pi7",
    "model": "digits",
    "state_dir": "/var/lib/driftline/pi7",
    "bundle": f"{INSIDE}/bundle",
    "mqtt": {"host": "127.0.0.1", "port": 1},
    "source": {"type": "replay", "path": f"{INSIDE}/frames.npz", "rate_hz": 50, "loop": True},
    "local": {"path": SOCKET, "group": "driftline"},
}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(tmp_path_factory.mktemp("fleet") / "registry")
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Bundle]:
    folder = tmp_path_factory.mktemp("bundles")
    return [make_bundle(folder / f"{serial}", serial=serial, version=f"{serial}.0") for serial in (1, 2)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, fleet: Fleet, bundles: list[Bundle]) -> Iterator[Container]:
    reason = reason_to_skip()
    if reason is not None:
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("machine")
    shutil.copytree(bundles[0].directory, directory / "bundle")
    write_recording(directory / "frames.npz", *digit_frames(500))
    shutil.copy(fleet.registry.trusted_root, directory / "root.json")
    fleet.offer(bundles[0])
    (directory / "etc").mkdir()
    config = {**CONFIG, "update": fleet.update(root=f"{INSIDE}/root.json")}
    (directory / "etc/pi7.yaml").write_text(json.dumps(config))
    with contextlib.ExitStack() as opened:
        try:
            container = opened.enter_context(booted(directory))
        except BootError as exc:
            pytest.skip(str(exc))
        container.run("systemctl", "start", SERVICE)  # returns when READY=1 has come
        yield container


def as_seen_by_the_unit(machine: Container, user: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The program as a user of the group, in the unit's mount namespace: Python may lie where only the unit sees it."""
    return machine.run(
        *("nsenter", "-t", machine.shows(SERVICE)["MainPID"], "-m", "--"),
        *("setpriv", f"--reuid={user}", "--regid=driftline", "--clear-groups"),
        *("/opt/driftline/bin/driftline-agent", *arguments),
        check=False,
    )


def status(machine: Container) -> dict[str, Any]:
    """What the program tells somebody of the group; empty while no agent answers."""
    told = as_seen_by_the_unit(machine, "nobody", "status", "--socket", SOCKET, "--json")
    found = json.loads(told.stdout) if told.returncode == 0 else {}
    assert isinstance(found, dict)
    return found


def wait_for_frames(machine: Container) -> None:
    machine.wait_until(SERVICE, lambda _: bool(status(machine).get("state", {}).get("n")), "answered frames")


def test_it_says_ready_and_answers_frames_in_its_sandbox(machine: Container) -> None:
    shown = machine.shows(SERVICE)

    assert (shown["ActiveState"], shown["SubState"]) == ("active", "running")
    assert shown["StatusText"].startswith("model ")
    wait_for_frames(machine)
    status = machine.run("cat", f"/proc/{shown['MainPID']}/status").stdout
    assert "Seccomp:\t2" in status
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_nothing_that_it_needs_is_forbidden(machine: Container) -> None:
    wait_for_frames(machine)

    log = machine.journal()
    assert "not permitted" not in log
    assert "worker died" not in log


def test_selftest_is_good_in_the_sandbox_with_the_limits_of_a_candidate(machine: Container) -> None:
    wait_for_frames(machine)

    machine.run("systemctl", "start", "driftline-agent@selftest.service")

    log = machine.run("journalctl", "--no-pager", "-o", "cat", "-u", "driftline-agent@selftest.service").stdout
    found = [line.split()[:2] for line in log.splitlines() if line.startswith(("ok ", "BAD "))]
    assert found == [["ok", "model"], ["ok", "files"], ["ok", "golden"]], log


def test_a_whole_update_is_done_in_the_sandbox(machine: Container, fleet: Fleet, bundles: list[Bundle]) -> None:
    wait_for_frames(machine)
    restarts = machine.shows(SERVICE)["NRestarts"]

    fleet.offer(bundles[1], bundles[0])

    def committed(_: object) -> bool:
        update: dict[str, Any] = status(machine).get("update") or {}
        return bool(update.get("phase") == "committed" and update["installed"]["version"] == "2.0")

    machine.wait_until(SERVICE, committed, "version 2.0")
    assert machine.shows(SERVICE)["NRestarts"] == restarts


def test_hung_supervisor_is_started_again_by_the_watchdog(machine: Container) -> None:
    before = machine.shows(SERVICE)

    machine.run("kill", "-STOP", before["MainPID"])
    after = machine.wait_until(
        SERVICE,
        lambda shown: int(shown["NRestarts"]) > int(before["NRestarts"]) and shown["ActiveState"] == "active",
        "a restart by the watchdog",
    )

    assert after["MainPID"] not in {"0", before["MainPID"]}
    assert "Watchdog timeout" in machine.journal()
    wait_for_frames(machine)


def test_killed_supervisor_is_started_again(machine: Container) -> None:
    before = machine.shows(SERVICE)

    machine.run("kill", "-KILL", before["MainPID"])
    after = machine.wait_until(
        SERVICE,
        lambda shown: int(shown["NRestarts"]) > int(before["NRestarts"]) and shown["ActiveState"] == "active",
        "a restart",
    )

    assert after["MainPID"] != before["MainPID"]
    wait_for_frames(machine)


def test_stopped_service_ends_cleanly_and_starts_again(machine: Container) -> None:
    machine.run("systemctl", "stop", SERVICE)
    shown = machine.shows(SERVICE)
    machine.run("systemctl", "start", SERVICE)

    assert (shown["ActiveState"], shown["Result"], shown["ExecMainStatus"]) == ("inactive", "success", "0")
    wait_for_frames(machine)
