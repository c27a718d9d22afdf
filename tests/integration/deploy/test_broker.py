from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.broker.embedded import EmbeddedBroker
from deploy.config import MqttConfig
from deploy.errors import BrokerError
from deploy.link import Link
from tests.integration.deploy.brokers import until

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[3]


def accepts(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
        return True
    return False


def test_the_broker_serves_both_versions_over_one_set_of_topics() -> None:
    with (
        EmbeddedBroker() as broker,
        Link(MqttConfig(host="127.0.0.1", port=broker.port, protocol=5), [("a/b", 1)], client_id="five") as five,
        Link(MqttConfig(host="127.0.0.1", port=broker.port_v3, protocol="3.1.1"), client_id="three") as three,
    ):
        five.wait_until_connected(10)
        three.wait_until_connected(10)
        for _ in until("a message crosses over"):
            three.publish("a/b", b"hello", qos=1, retain=True)
            if five.receive(0.2):
                break


def test_the_broker_takes_a_message_far_above_its_own_default() -> None:
    with EmbeddedBroker() as broker, Link(MqttConfig(host="127.0.0.1", port=broker.port), [("big", 1)]) as link:
        link.wait_until_connected(10)
        link.publish("big", b"x" * 500_000, qos=1, retain=True)

        for _ in until("the large message comes back"):
            received = link.receive(0.2)
            if received:
                assert len(received[0].payload) == 500_000
                break


def test_nothing_listens_any_more_after_the_block() -> None:
    with EmbeddedBroker() as broker:
        assert accepts(broker.port)

    assert not accepts(broker.port)
    assert not accepts(broker.port_v3)


def test_a_port_that_is_taken_is_one_clear_error() -> None:
    with EmbeddedBroker() as first, pytest.raises(BrokerError, match=f"127.0.0.1:{first.port}"):
        EmbeddedBroker(port=first.port).start()


def test_a_broker_that_dies_is_noticed() -> None:
    with EmbeddedBroker() as broker:
        children = psutil.Process().children(recursive=True)
        for child in children:
            if "iotcore" in " ".join(child.cmdline()):
                child.kill()

        assert broker.wait(10)
        assert not broker.is_running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_command_leaves_no_process_behind(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "deploy", "broker", "--port", "0", "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        assert program.stdout is not None
        ready = json.loads(program.stdout.readline())
        children = psutil.Process(program.pid).children(recursive=True)
        assert accepts(ready["mqtt5"])
        assert accepts(ready["mqtt311"])

        os.kill(program.pid, number)

        assert program.wait(15) == (-signal.SIGKILL if number is signal.SIGKILL else 0)
        assert children
        assert not psutil.wait_procs(children, timeout=10)[1]
        assert not accepts(ready["mqtt5"])
