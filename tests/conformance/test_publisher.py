"""What every Publisher of the agent does: the link on paho, and what tests have instead of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Protocol, cast

import pytest

from agent.config import MqttConfig
from agent.delivery import Publisher
from agent.link_events import Acked, Will
from agent.mqtt_link import MqttLink
from deploy.broker.embedded import EmbeddedBroker
from tests.fakes.publisher import FakePublisher
from tests.integration.agent.device import until
from tests.soak.stand_ins import Broker

if TYPE_CHECKING:
    from tests.soak.simulated_time import World

TOPIC = "driftline/pi-1/event"


class Network(Protocol):
    """A publisher, and the broker behind it."""

    publisher: Publisher

    def connect(self) -> None: ...

    def lose(self) -> None: ...

    def expect_answers(self, numbers: set[int]) -> None:
        """Wait until the broker has answered the messages of QoS 1 with these numbers."""
        ...


class FakeNetwork:
    def __init__(self) -> None:
        self._fake = FakePublisher()
        self._fake.up = False
        self.publisher: Publisher = self._fake

    def connect(self) -> None:
        self._fake.up = True

    def lose(self) -> None:
        self._fake.up = False

    def expect_answers(self, numbers: set[int]) -> None:
        assert numbers == {mid for mid, (_, _, qos, _) in enumerate(self._fake.sent, start=1) if qos == 1}


class SimulatedNetwork:
    """The broker of the soak in simulated time, whose time passes at once."""

    def __init__(self) -> None:
        self._broker = Broker(cast("World", Hurried()))
        self.publisher: Publisher = self._broker

    def connect(self) -> None:
        self._broker.start()

    def lose(self) -> None:
        self._broker.go()

    def expect_answers(self, numbers: set[int]) -> None:
        assert numbers <= {event.mid for event in self._broker.drain(100.0) if isinstance(event, Acked)}

    def close(self) -> None:
        self._broker.close()


class Hurried:
    def after(self, _delay_s: float, what: Callable[[], None]) -> None:
        what()


class RealNetwork:
    def __init__(self, broker: EmbeddedBroker) -> None:
        self._broker = broker
        config = MqttConfig(host="127.0.0.1", port=broker.port)
        self.link = MqttLink(config, "pi-1", ["driftline/pi-1/desired"], Will("driftline/pi-1/status", b"offline"))
        self.publisher: Publisher = self.link
        self._acked: set[int] = set()

    def connect(self) -> None:
        self.link.start()
        until(lambda: self._follow() and self.link.is_up, "the broker", timeout_s=20)

    def lose(self) -> None:
        self._broker.stop()
        until(lambda: self._follow() and not self.link.is_up, "the loss", timeout_s=20)

    def expect_answers(self, numbers: set[int]) -> None:
        until(lambda: self._follow() and numbers <= self._acked, "answers", timeout_s=20)

    def _follow(self) -> bool:
        self._acked.update(event.mid for event in self.link.drain(100.0) if isinstance(event, Acked))
        return True


@pytest.fixture(params=["fake", "simulated", "real"])
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    if request.param == "fake":
        yield FakeNetwork()
        return
    if request.param == "simulated":
        with closing(SimulatedNetwork()) as simulated:
            yield simulated
        return
    with EmbeddedBroker() as broker:
        made = RealNetwork(broker)
        with closing(made.link):
            yield made


def say(network: Network, qos: int) -> int | None:
    return network.publisher.publish(TOPIC, b"{}", qos=qos, retain=False, expiry_s=60.0)


def test_nothing_is_taken_without_a_connection(network: Network) -> None:
    assert say(network, 1) is None


def test_every_message_has_a_number_of_its_own_and_those_of_qos_1_are_answered_by_it(network: Network) -> None:
    network.connect()

    first, unanswered, second, third = (say(network, qos) for qos in (1, 0, 1, 1))

    assert first is not None
    assert second is not None
    assert third is not None
    assert len({first, unanswered, second, third}) == 4
    network.expect_answers({first, second, third})


def test_nothing_is_taken_after_the_connection_is_lost(network: Network) -> None:
    network.connect()
    assert say(network, 0) is not None

    network.lose()

    assert say(network, 1) is None
