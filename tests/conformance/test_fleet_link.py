"""What every link of the fleet side does: the one on paho, and the list that tests of the controller have instead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import pytest

from deploy.broker.embedded import EmbeddedBroker
from deploy.config import MqttConfig
from deploy.link import Delivery, Link
from tests.integration.agent.device import until
from tests.unit.deploy.fake_link import FakeLink
from tests.unit.deploy.messages import delivery


class LinkPort(Protocol):
    """What the controller uses."""

    @property
    def is_connected(self) -> bool: ...

    connections: int

    def receive(self, timeout_s: float) -> list[Delivery]: ...

    def acknowledge(self, deliveries: list[Delivery]) -> None: ...

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: int | None = None) -> None: ...


class Network(Protocol):
    """A link that is connected, and a device that says something."""

    link: LinkPort

    def hears(self, payloads: Sequence[bytes]) -> None:
        """Let a device publish events."""
        ...


class FakeNetwork:
    def __init__(self) -> None:
        self._fake = FakeLink()
        self.link: LinkPort = self._fake

    def hears(self, payloads: Sequence[bytes]) -> None:
        self._fake.waiting += [delivery("pi-1", "event", payload) for payload in payloads]


class RealNetwork:
    def __init__(self, link: Link, device: Link) -> None:
        self.link: LinkPort = link
        self._device = device

    def hears(self, payloads: Sequence[bytes]) -> None:
        for payload in payloads:
            self._device.publish("driftline/pi-1/event", payload, qos=1, retain=False)


@pytest.fixture(params=["fake", "real"])
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    if request.param == "fake":
        yield FakeNetwork()
        return
    with EmbeddedBroker() as broker:
        config = MqttConfig(host="127.0.0.1", port=broker.port)
        with Link(config, [("driftline/+/event", 1)]) as link, Link(config, client_id="pi-1") as device:
            link.wait_until_connected(20)
            device.wait_until_connected(20)
            yield RealNetwork(link, device)


def test_there_is_one_connection(network: Network) -> None:
    assert network.link.is_connected
    assert network.link.connections == 1


def test_nothing_is_received_when_nothing_has_come(network: Network) -> None:
    assert network.link.receive(0.05) == []


def test_each_message_is_received_once_and_in_order(network: Network) -> None:
    said = [b"%d" % number for number in range(50)]
    network.hears(said)
    found: list[Delivery] = []

    def arrived() -> bool:
        some = network.link.receive(0.1)
        network.link.acknowledge(some)
        found.extend(some)
        return len(found) >= len(said)

    until(arrived, "all messages", timeout_s=20)

    assert [one.payload for one in found] == said
    assert {(one.topic, one.qos, one.retained) for one in found} == {("driftline/pi-1/event", 1, False)}
    assert network.link.receive(0.05) == []


def test_publishing_does_not_keep_from_receiving(network: Network) -> None:
    network.link.publish("driftline/pi-1/cmd/check", b"{}", qos=1, retain=False, expiry_s=300)
    network.link.publish("driftline/pi-1/desired", b"", qos=1, retain=True)
    network.hears([b"said meanwhile"])
    found: list[Delivery] = []

    def arrived() -> bool:
        found.extend(network.link.receive(0.1))
        return bool(found)

    until(arrived, "the message", timeout_s=20)

    assert [one.payload for one in found] == [b"said meanwhile"]
    assert network.link.is_connected
    assert network.link.connections == 1
