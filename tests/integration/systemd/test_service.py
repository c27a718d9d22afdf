"""The unit under a real systemd: ready, in its sandbox, and back after whatever stops it."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

import pytest

from tests.factories.bundles import make_bundle
from tests.factories.frames import digit_frames, write_recording
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
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    reason = reason_to_skip()
    if reason is not None:
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("machine")
    make_bundle(directory / "bundle", serial=1, version="1.0")
    write_recording(directory / "frames.npz", *digit_frames(500))
    (directory / "etc").mkdir()
    (directory / "etc/pi7.yaml").write_text(json.dumps(CONFIG))
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


def frames(machine: Container) -> int:
    """Answered since the agent's start, as the program tells somebody of the group."""
    told = as_seen_by_the_unit(machine, "nobody", "status", "--socket", SOCKET, "--json")
    return int(json.loads(told.stdout)["state"]["n"]) if told.returncode == 0 else 0


def wait_for_frames(machine: Container) -> None:
    machine.wait_until(SERVICE, lambda _: frames(machine) > 0, "answered frames")


def test_it_says_ready_and_answers_frames_in_its_sandbox(machine: Container) -> None:
    shown = machine.shows(SERVICE)

    assert (shown["ActiveState"], shown["SubState"]) == ("active", "running")
    assert shown["StatusText"].startswith("model 1.0")
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
