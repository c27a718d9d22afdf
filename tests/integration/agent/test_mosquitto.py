"""What only a production broker does: limits in its CONNACK, certificates, a will that waits."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.agent.authority import Authority
from tests.integration.agent.brokers import Mosquitto
from tests.integration.agent.conftest import MakeDevice
from tests.integration.agent.device import ID, Onlooker, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.mosquitto,
    pytest.mark.skipif(Mosquitto.program() is None, reason="mosquitto is not installed"),
]
StartMosquitto = Callable[..., Mosquitto]


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[StartMosquitto]:
    started: list[Mosquitto] = []

    def start(*lines: str) -> Mosquitto:
        started.append(Mosquitto(tmp_path, *lines))
        started[-1].start()
        return started[-1]

    yield start
    for broker in started:
        broker.stop()


def test_message_over_the_brokers_limit_is_not_sent_and_the_connection_stays(
    start_mosquitto: StartMosquitto, make_device: MakeDevice
) -> None:
    broker = start_mosquitto("max_packet_size 3000")
    onlooker = Onlooker(broker.port)
    device = make_device(broker.port)  # its discovery message is 5 KB

    device.start()

    onlooker.wait_for("stats")
    log = device.log.read_text()
    assert "message not sent kind=homeassistant/device/pi-1/config" in log
    assert log.count("broker up") == 1
    assert device.stop() == 0
    onlooker.close()


def test_device_is_known_by_its_certificate(
    start_mosquitto: StartMosquitto, make_device: MakeDevice, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    server, tls = authority.issue("localhost"), authority.issue(ID)
    broker = start_mosquitto(
        f"cafile {server['ca']}", f"certfile {server['cert']}", f"keyfile {server['key']}", "require_certificate true",
        "use_identity_as_username true", "allow_anonymous false",
    )  # fmt: skip
    device = make_device(broker.port, mqtt={"host": "localhost", "port": broker.port, "tls": tls})

    device.start()

    until(lambda: "broker up version=5" in device.log.read_text(), "the broker", log=device.log)
    assert device.stop() == 0


def test_certificate_of_another_device_ends_the_start_with_one_line(make_device: MakeDevice, tmp_path: Path) -> None:
    tls = Authority(tmp_path).issue("pi-2")
    device = make_device(1, mqtt={"host": "localhost", "port": 1, "tls": tls})

    device.start()

    assert device.wait_until_it_ends() == 2
    (line,) = device.log.read_text().splitlines()
    assert line.startswith("driftline-agent: error: ")
    assert "'pi-2', expected the id 'pi-1'" in line


def test_will_waits_for_a_device_that_comes_back(start_mosquitto: StartMosquitto, make_device: MakeDevice) -> None:
    broker = start_mosquitto()
    onlooker = Onlooker(broker.port)
    device = make_device(broker.port)
    device.start()
    onlooker.wait_for("status")

    device.stop(signal.SIGKILL)
    device.start()
    again = onlooker.wait_for("status", after_s=time.monotonic())

    assert again.payload == b"online"  # within the will's delay nobody says "offline"
    device.stop()
    onlooker.close()


def test_commands_that_came_meanwhile_are_carried_out_on_return(
    start_mosquitto: StartMosquitto, make_device: MakeDevice
) -> None:
    broker = start_mosquitto()
    onlooker = Onlooker(broker.port)
    device = make_device(broker.port)
    device.start()
    onlooker.wait_for("status")
    device.stop()

    onlooker.say("cmd/hold", json.dumps({"id": "c-1", "args": {"on": True}}).encode())
    device.start()

    assert onlooker.wait_for("reply/hold").json["id"] == "c-1"
    onlooker.close()
