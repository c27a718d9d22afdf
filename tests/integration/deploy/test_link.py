from __future__ import annotations

import pytest

from deploy.broker.embedded import EmbeddedBroker
from deploy.config import MqttConfig
from deploy.errors import ConfigError, LinkError
from deploy.link import Delivery, Link
from tests.integration.deploy.brokers import Ports, until

pytestmark = pytest.mark.integration

EVENTS = [("driftline/+/event", 1)]


def config(port: int, protocol: str | int = "auto") -> MqttConfig:
    return MqttConfig(host="127.0.0.1", port=port, protocol=protocol)  # type: ignore[arg-type]


def received(link: Link, count: int) -> list[Delivery]:
    found: list[Delivery] = []
    for _ in until(f"{count} messages"):
        some = link.receive(0.2)
        link.acknowledge(some)
        found += some
        if len(found) >= count:
            return found
    raise AssertionError


def speaker(ports: Ports) -> Link:
    return Link(config(ports.mqtt5), client_id="device")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_everything_arrives_however_much_is_on_its_way(broker: Ports, version: str) -> None:
    port = broker.mqtt5 if version == "5" else broker.mqtt311
    with Link(config(port, version), EVENTS) as link, speaker(broker) as device:
        link.wait_until_connected(10)
        device.wait_until_connected(10)
        received_first(link, device)
        for number in range(700):
            device.publish("driftline/pi-1/event", str(number).encode(), qos=1, retain=False)

        found = received(link, 700)

        assert [int(one.payload) for one in found] == list(range(700))


def received_first(link: Link, device: Link) -> None:
    """Return when the subscription works; acknowledges in order, as MQTT demands and the embedded broker enforces."""
    found: list[Delivery] = []
    for _ in until("the subscription works"):
        device.publish("driftline/pi-1/event", b"hello", qos=1, retain=False)
        found = link.receive(0.2)
        link.acknowledge(found)
        if found:
            break
    while found:
        found = link.receive(0.3)
        link.acknowledge(found)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_was_not_acknowledged_comes_again(broker: Ports, version: str) -> None:
    port = broker.mqtt5 if version == "5" else broker.mqtt311
    with speaker(broker) as device:
        device.wait_until_connected(10)
        with Link(config(port, version), EVENTS, persistent=True) as link:
            link.wait_until_connected(10)
            received_first(link, device)
            device.publish("driftline/pi-1/event", b"dealt with", qos=1, retain=False)
            received(link, 1)
            device.publish("driftline/pi-1/event", b"not yet", qos=1, retain=False)
            for _ in until("the message"):
                if link.receive(0.2):
                    break
        device.publish("driftline/pi-1/event", b"while away", qos=1, retain=False)

        with Link(config(port, version), EVENTS, persistent=True) as link:
            found = received(link, 2)

        assert [one.payload for one in found] == [b"not yet", b"while away"]


def test_retained_messages_are_marked(broker: Ports) -> None:
    with speaker(broker) as device:
        device.wait_until_connected(10)
        device.publish("driftline/pi-1/event", b"old", qos=1, retain=True)
        for _ in until("the broker has kept it"):
            with Link(config(broker.mqtt5), EVENTS, client_id="late") as link:
                found = link.receive(0.5)
                if found:
                    assert found[0].retained
                    break


def test_a_broker_that_speaks_3_1_1_only_is_spoken_to_in_3_1_1() -> None:
    with EmbeddedBroker() as broker, Link(config(broker.port_v3), EVENTS) as link:
        link.wait_until_connected(20)

        assert link.is_connected


def test_a_connection_mends_itself_and_says_so() -> None:
    with EmbeddedBroker() as first:
        port, port_v3 = first.port, first.port_v3
        link = Link(config(port), EVENTS)
        link.start()
        link.wait_until_connected(10)
        assert link.connections == 1
    try:
        with EmbeddedBroker(port=port, port_v3=port_v3):
            for _ in until("the link is back"):
                link.receive(0.1)
                if link.connections == 2:
                    break
    finally:
        link.stop()


def test_no_broker_is_one_clear_error() -> None:
    with (
        Link(config(1), EVENTS) as link,
        pytest.raises(LinkError, match=r"no MQTT broker at 127\.0\.0\.1:1 after 0\.2 s"),
    ):
        link.wait_until_connected(0.2)


def test_a_password_that_cannot_be_read_is_one_clear_error() -> None:
    wrong = MqttConfig(host="127.0.0.1", username="fleet", password_file="/none/password")

    with pytest.raises(ConfigError, match="/none/password"):
        Link(wrong).start()
