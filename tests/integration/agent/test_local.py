"""Somebody on the device asks and tells the running agent."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from agent.local.address import short
from edge_models.bundle import Bundle
from tests.integration.agent.brokers import Embedded
from tests.integration.agent.conftest import MakeDevice
from tests.integration.agent.device import ROOT, Device, Onlooker, until

pytestmark = pytest.mark.integration


def said(device: Device, *words: str) -> tuple[int, str]:
    run = subprocess.run(
        [sys.executable, "-m", "agent", *words, "-c", str(device.config)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return run.returncode, run.stdout


def test_a_person_on_the_device_sees_how_it_does_and_holds_updates(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice
) -> None:
    device = make_device(embedded.port)
    device.start()
    state = onlooker.wait_for("state", lambda heard: "infer_p95_us" in heard.json["stages"]).json

    code, status = said(device, "status", "--json")
    _, words = said(device, "status")
    held = said(device, "hold", "--for", "2h")
    onlooker.wait_for("model/state", lambda heard: heard.json["held"])
    _, why = said(device, "why")
    held_until_s = onlooker.heard[-1].at_s
    free = said(device, "hold", "--off")
    onlooker.wait_for("model/state", lambda heard: not heard.json["held"], after_s=held_until_s)

    told = json.loads(status)
    assert (code, told["connected"], told["state"]["bundle"]) == (0, True, state["bundle"])
    assert told["state"]["source"] == "ok"
    assert told["state"]["stages"]["frame_p50_us"] >= told["state"]["stages"]["infer_p50_us"]
    assert f"connected to 127.0.0.1:{embedded.port}" in words
    assert (held, free[0]) == ((0, "no update will start for 2 h 0 min\n"), 0)
    assert "updates are held" in why
    assert onlooker.of("reply/hold") == []


def test_refused_rollback_says_why(make_device: MakeDevice) -> None:
    device = make_device(1)
    device.start()
    until((device.state / "agent.sock").exists, "the socket")

    code, words = said(device, "rollback")

    assert code == 1
    assert words.startswith("not done: no previous bundle")


def test_selftest_is_good_and_finds_a_damaged_file(make_device: MakeDevice, bundles: dict[str, Bundle]) -> None:
    device = make_device(1)
    device.start()
    device.wait_for_child()
    good = said(device, "selftest")
    device.stop()
    directory = device.state / "bundles" / bundles["first"].id
    model = max(directory.glob("*.tflite"), key=lambda path: path.stat().st_size)
    damaged = bytearray(model.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    model.unlink()  # it may be another name of the blob
    model.write_bytes(damaged)

    code, words = said(device, "selftest")

    assert good[0] == 0, good[1]
    assert [line.split()[1] for line in good[1].splitlines()] == ["model", "files", "golden"]
    assert code == 1
    assert words.splitlines()[-1].startswith("BAD  files")


def test_it_answers_again_after_a_kill_and_two_agents_do_not_share_a_state(make_device: MakeDevice) -> None:
    device = make_device(1)
    device.start()
    until(lambda: said(device, "status")[0] == 0, "an answer")
    device.stop(signal.SIGKILL)
    before = said(device, "status")[0]

    device.start()
    until(lambda: said(device, "status")[0] == 0, "an answer")
    second = subprocess.run(
        [sys.executable, "-m", "agent", "run", "-c", str(device.config)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert before == 3
    assert second.returncode == 2
    assert "another agent listens" in second.stderr
    assert said(device, "status")[0] == 0
    assert device.stop() == 0
    assert said(device, "status")[0] == 3
    assert not (device.state / "agent.sock").exists()


def test_clients_that_hang_do_not_keep_the_agent_from_its_work(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice
) -> None:
    device = make_device(embedded.port)
    device.start()
    onlooker.wait_for("prediction")
    hanging = []
    path: Path = device.state / "agent.sock"
    for _ in range(20):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.settimeout(5)
        with short(path) as address:
            client.connect(address)
        client.sendall(b'{"do":')
        hanging.append(client)

    started_s = time.monotonic()
    onlooker.wait_for("state", after_s=started_s + 0.5)
    descriptors = psutil.Process(device.pid).num_fds()

    assert descriptors < 60
    for client in hanging:
        client.close()
    until(lambda: said(device, "status")[0] == 0, "an answer")
