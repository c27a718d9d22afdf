"""The program from start to end, and what it survives in between."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from agent.state_dir import OUTBOX_FILE
from edge_models.bundle import Bundle
from edge_models.wire.channels import CHANNELS
from edge_models.wire.codec import decode_payload
from tests.integration.agent.brokers import Broker, Embedded
from tests.integration.agent.conftest import MakeDevice
from tests.integration.agent.device import Onlooker, until

pytestmark = pytest.mark.integration


def test_device_tells_what_the_contract_says_and_leaves_cleanly(
    broker: Broker, make_device: MakeDevice, bundles: dict[str, Bundle]
) -> None:
    device = make_device(broker.port)
    onlooker = Onlooker(broker.port)
    started_s = time.monotonic()
    device.start()

    online = onlooker.wait_for("status", lambda heard: heard.payload == b"online")
    onlooker.wait_for("stats")
    state = onlooker.wait_for("state", lambda heard: heard.json["n"] > 0).json
    for channel in CHANNELS:
        for heard in onlooker.of(channel.name):
            if channel.message is not None and heard.payload:
                decode_payload(channel, heard.payload)

    assert state["bundle"] == bundles["first"].id
    assert 20 < state["memory_mb"] < 150
    stopped_s = time.monotonic()
    assert device.stop() == 0
    assert time.monotonic() - stopped_s < max(5.0, 3 * (online.at_s - started_s))  # the latter on a busy machine
    onlooker.wait_for("status", lambda heard: heard.payload == b"offline")
    onlooker.close()


def test_ctrl_c_ends_it_as_cleanly(embedded: Embedded, make_device: MakeDevice) -> None:
    device = make_device(embedded.port)
    device.start()
    device.wait_for_child()

    assert device.stop(signal.SIGINT) == 0


def test_it_ends_cleanly_without_a_broker_too(make_device: MakeDevice) -> None:
    device = make_device(1)
    device.start()
    device.wait_for_child()
    until(lambda: "no connection to 127.0.0.1:1: " in device.log.read_text(), "the reason in the log")

    assert device.stop() == 0


def test_worker_that_is_killed_runs_again_within_2_s_while_mqtt_stays_up(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice
) -> None:
    device = make_device(embedded.port)
    started_s = time.monotonic()
    device.start()
    first = onlooker.wait_for("prediction")
    before = onlooker.wait_for("prediction", lambda heard: heard.json["position"] > 100)
    pid = device.pid

    killed_s = time.monotonic()
    device.wait_for_child().send_signal(signal.SIGSEGV)
    event = onlooker.wait_for("event", lambda heard: heard.json["type"] == "worker_restarted", after_s=killed_s)
    again = onlooker.wait_for("prediction", after_s=event.at_s)

    assert again.at_s - killed_s < max(2.0, first.at_s - started_s)  # a machine at its limit starts nothing in 2 s
    assert again.json["position"] >= before.json["position"]
    assert again.json["position"] < before.json["position"] + 1000  # went on, and did not begin again or jump
    assert [heard.payload for heard in onlooker.of("status")] == [b"online"]
    assert device.pid == pid
    assert psutil.pid_exists(pid)
    onlooker.wait_for("state", lambda heard: heard.json["worker_restarts"] == 1)


def test_children_die_with_a_supervisor_that_is_killed_and_the_broker_tells(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice
) -> None:
    older = {"host": "127.0.0.1", "port": embedded.port_v3, "protocol": "3.1.1"}  # its will waits for nobody
    device = make_device(embedded.port, mqtt=older)
    device.start()
    onlooker.wait_for("prediction")

    assert device.stop(signal.SIGKILL) == -signal.SIGKILL  # waits until no child is left

    onlooker.wait_for("status", lambda heard: heard.payload == b"offline")


def test_wrong_messages_are_counted_reported_once_and_dropped(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice
) -> None:
    device = make_device(embedded.port)
    device.start()
    onlooker.wait_for("status")

    for payload in (b"{", b"[]", b'{"rev":"seven"}', b"\xff" * 5000):
        onlooker.say("desired", payload)
    onlooker.say("cmd/rollback", b"{}", retain=True)

    onlooker.wait_for("state", lambda heard: heard.json["messages_refused"] >= 4)
    events = [heard.json for heard in onlooker.of("event") if heard.json["type"] == "message_refused"]
    assert [event["data"]["kind"] for event in events].count("desired") == 1
    onlooker.wait_for("prediction", after_s=time.monotonic())


def test_retained_command_is_refused_on_connect(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice
) -> None:
    onlooker.say("cmd/hold", b'{"id":"old"}', retain=True)
    device = make_device(embedded.port)

    device.start()

    refused = onlooker.wait_for("event", lambda heard: heard.json["type"] == "message_refused")
    assert "retained" in refused.json["message"]
    assert onlooker.of("reply/hold") == []


def test_command_is_answered(embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice) -> None:
    device = make_device(embedded.port)
    device.start()
    onlooker.wait_for("status")

    onlooker.say("cmd/hold", b'{"id":"c-1","args":{"on":true}}')
    onlooker.say("cmd/rollback", b'{"id":"c-2"}')

    assert onlooker.wait_for("reply/hold").json["ok"]
    onlooker.wait_for("model/state", lambda heard: heard.json["held"])
    assert onlooker.wait_for("reply/rollback").json["code"] == "nothing_to_roll_back_to"


def test_older_protocol_is_used_with_a_broker_that_hangs_up_on_the_newer(
    embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice
) -> None:
    device = make_device(embedded.port_v3)
    device.start()

    onlooker.wait_for("status", lambda heard: heard.payload == b"online")
    onlooker.wait_for("stats")

    assert device.stop() == 0
    assert "version=3.1.1" in device.log.read_text()


def test_messages_wait_for_the_broker_and_survive_a_restart(embedded: Embedded, make_device: MakeDevice) -> None:
    embedded.stop()
    device = make_device(embedded.port)
    device.start()
    kept = f"file:{device.state / OUTBOX_FILE}?mode=ro"
    until(lambda: _kinds(kept) >= {"event", "stats"}, "statistics of which the batch has ended", log=device.log)
    device.stop(signal.SIGKILL)

    embedded.start()
    onlooker = Onlooker(embedded.port)
    device.start()
    onlooker.wait_for("stats", lambda heard: heard.json["boot"] == 1)
    onlooker.wait_for("event", lambda heard: heard.json["type"] == "started" and heard.json["boot"] == 1)
    onlooker.wait_for("event", lambda heard: heard.json["type"] == "started" and heard.json["boot"] == 2)
    onlooker.wait_for("state", lambda heard: heard.json["outbox_messages"] == 0)
    device.stop()
    onlooker.close()


def test_broker_that_restarts_gets_everything_retained_again(embedded: Embedded, make_device: MakeDevice) -> None:
    device = make_device(embedded.port)
    device.start()
    until(lambda: "broker up" in device.log.read_text(), "the broker", log=device.log)
    embedded.stop()
    embedded.start()  # it keeps nothing on disk

    onlooker = Onlooker(embedded.port)
    for kind in ("status", "meta", "drift", "model/state", "model/update"):
        onlooker.wait_for(kind)
    onlooker.close()


def test_frames_from_a_topic_are_run(embedded: Embedded, onlooker: Onlooker, make_device: MakeDevice) -> None:
    device = make_device(embedded.port, source={"type": "mqtt", "topic": "driftline/cam/frames", "encoding": "json"})
    device.start()
    until(lambda: "worker ready" in device.log.read_text(), "the worker", log=device.log)

    for _ in range(3):
        onlooker.say("frames", json.dumps([[0] * 8] * 8).encode(), owner="cam")

    assert onlooker.wait_for("prediction").json["position"] == 0
    onlooker.wait_for("state", lambda heard: heard.json["n"] == 3)


def test_check_that_waits_for_a_file_ends_on_sigterm_without_a_word(tmp_path: Path) -> None:
    pipe = tmp_path / "agent.yaml"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "agent", "check", "-c", str(pipe)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as check:
        until(lambda: _catches(check.pid, signal.SIGTERM), "a handler of SIGTERM")
        check.send_signal(signal.SIGTERM)
        said = check.communicate(timeout=20)

    assert (check.returncode, *said) == (143, "", "")


def _kinds(database: str) -> set[str]:
    """Kinds of the messages that a killed process would leave."""
    try:
        with contextlib.closing(sqlite3.connect(database, uri=True)) as connection:
            return {kind for (kind,) in connection.execute("SELECT DISTINCT kind FROM rows WHERE sent = 0")}
    except sqlite3.OperationalError:  # not there yet
        return set()


def _catches(pid: int, number: int) -> bool:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    caught = next(line.split()[1] for line in lines if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (number - 1) & 1)
