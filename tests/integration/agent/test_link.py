"""The connection itself, against a broker that says what a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from agent.config import MqttConfig
from agent.link_events import Down, LinkEvent, Message, Subscribed, Up, Will
from agent.mqtt_link import MAX_WAITING, RETURN_WAITS_S, MqttLink
from tests.integration.agent.device import until

pytestmark = pytest.mark.integration

TOPICS = ("driftline/pi-1/desired", "driftline/pi-1/cmd/+")
GRANTED, NOT_AUTHORIZED = 1, 0x87  # MQTT 5 section 3.9.3
CONNECT, SUBSCRIBE = 1, 8
NOW_S = 100.0


class Scripted:
    """Answers CONNECT and SUBSCRIBE in MQTT 5, one connection after the other."""

    def __init__(self) -> None:
        self.connack = 0
        self.suback = (GRANTED, GRANTED)
        self.flood = b""  # sent after the answer to SUBSCRIBE
        self.levels: list[int] = []  # protocol of each connection
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._server.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection, contextlib.suppress(OSError, IndexError):
                    while self._answer(connection):
                        pass

    def _answer(self, connection: socket.socket) -> bool:
        packet = connection.recv(4096)  # on the loopback a packet of ours comes whole; shorter than 128 bytes
        kind, body = packet[0] >> 4, packet[2:]
        if kind == CONNECT:
            self.levels.append(body[body.index(b"MQTT") + 4])
            connection.sendall(bytes([0x20, 3, 0, self.connack, 0]))
            return self.connack == 0
        if kind == SUBSCRIBE:
            connection.sendall(bytes([0x90, 3 + len(self.suback), *body[:2], 0, *self.suback]) + self.flood)
        return True


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def link(scripted: Scripted) -> Iterator[MqttLink]:
    config = MqttConfig(host="127.0.0.1", port=scripted.port)
    made = MqttLink(config, "pi-1", TOPICS, Will("driftline/pi-1/status", b"offline"))
    yield made
    made.close()


def heard(link: MqttLink, kind: type[LinkEvent]) -> LinkEvent:
    """The next event of a kind."""
    found: list[LinkEvent] = []

    def arrived() -> bool:
        found.extend(event for event in link.drain(NOW_S) if isinstance(event, kind))
        return bool(found)

    until(arrived, kind.__name__)
    return found[0]


def test_refused_subscription_is_told_and_asked_for_again_while_the_device_can_be_heard(
    scripted: Scripted, link: MqttLink
) -> None:
    scripted.suback = (GRANTED, NOT_AUTHORIZED)
    link.start()

    assert heard(link, Subscribed) == Subscribed(refused=TOPICS[1:])
    assert link.is_up
    assert link.next_deadline_s() == NOW_S + RETURN_WAITS_S[1]

    scripted.suback = (GRANTED, GRANTED)
    link.tick(NOW_S + RETURN_WAITS_S[1])

    assert heard(link, Subscribed) == Subscribed(refused=())
    assert len(scripted.levels) == 2
    assert link.next_deadline_s() is None


def test_broker_that_keeps_refusing_is_asked_ever_later(scripted: Scripted, link: MqttLink) -> None:
    scripted.suback = (NOT_AUTHORIZED, NOT_AUTHORIZED)
    waits: list[float | None] = []
    link.start()

    for _ in range(4):
        heard(link, Subscribed)
        due_s = link.next_deadline_s()
        assert due_s is not None
        waits.append(due_s - NOW_S)
        link.tick(due_s)

    assert waits == [1.0, 1.0, 5.0, 30.0]


def test_refused_name_or_password_says_nothing_about_the_protocol(scripted: Scripted, link: MqttLink) -> None:
    scripted.connack = NOT_AUTHORIZED
    link.start()

    until(lambda: [link.drain(NOW_S)] and len(scripted.levels) == 2, "two tries")
    scripted.connack = 0
    heard(link, Up)

    assert set(scripted.levels) == {5}


def test_messages_that_come_faster_than_they_are_read_are_bounded_and_counted(
    scripted: Scripted, link: MqttLink
) -> None:
    scripted.flood = (MAX_WAITING + 50) * bytes([0x30, 5, 0, 1, ord("t"), 0, ord("x")])
    link.start()

    until(lambda: link.overflowed == 50 + 2, "the flood's end")  # beside Up and Subscribed

    messages = [event for event in link.drain(NOW_S) if isinstance(event, Message)]
    assert len(messages) == MAX_WAITING - 2


def test_failure_that_ends_pahos_thread_is_told_and_tried_again_ever_later() -> None:
    config = MqttConfig(host="broker..local", port=1)  # no name at all: Python's resolver raises what paho lets through
    waits: list[float | None] = []
    with contextlib.closing(MqttLink(config, "pi-1", TOPICS, Will("driftline/pi-1/status", b"offline"))) as link:
        link.start()
        for _ in range(3):
            down = heard(link, Down)
            assert isinstance(down, Down)
            assert "label empty or too long" in down.reason
            assert link.problem == down.reason
            due_s = link.next_deadline_s()
            assert due_s is not None
            waits.append(due_s - NOW_S)
            link.tick(due_s)

    assert waits == [1.0, 1.0, 5.0]
