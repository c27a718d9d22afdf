"""The fleet side's connection to the broker: paho in one place.

paho's thread only puts messages into a queue; one thread of ours takes them out, and acknowledges each only after it
has been dealt with, so that a controller that dies loses nothing that the broker can send again. Connecting goes on for
ever: the owner looks at ``connections``, which rises with every connection, to know when to publish retained messages
again.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from deploy.clock import Clock, SystemClock
from deploy.config import MqttConfig
from deploy.errors import ConfigError, LinkError

log = logging.getLogger(__name__)

QUEUE_MESSAGES = 10_000  # beyond it QoS 0 is dropped; QoS 1 never is, the broker's bound on unacknowledged ones holds
RECEIVE_MAXIMUM = 200  # that bound, where the broker lets us choose it (MQTT 5)
CLOSES_BEFORE_FALLBACK = 3  # a broker that knows only 3.1.1 may just hang up on MQTT 5
UNSUPPORTED_PROTOCOL_VERSION = 132  # MQTT 5, CONNACK reason code
_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message as it came, to be acknowledged when it has been dealt with.

    Attributes:
        topic: Where it was published.
        payload: Its bytes.
        retained: Whether the broker had kept it, so that it may be old.
        qos: Quality of service it came with.
        mid: The broker's number for it.
        client: Which of paho's clients it came to; acknowledgements go back there or nowhere.
    """

    topic: str
    payload: bytes
    retained: bool
    qos: int
    mid: int
    client: object


class Link:
    """A connection to the broker that mends itself, for the length of a ``with`` block.

    Args:
        config: Where the broker is, and as whom to speak.
        subscriptions: Topic filters with the QoS wanted.
        client_id: Instead of the configuration's.
        persistent: Whether the broker keeps QoS 1 messages while we are away.
        clock: Measures waiting.
    """

    def __init__(
        self,
        config: MqttConfig,
        subscriptions: Sequence[tuple[str, int]] = (),
        *,
        client_id: str | None = None,
        persistent: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self.connections = 0
        self.dropped = 0
        self._config = config
        self._subscriptions = list(subscriptions)
        self._client_id = config.client_id if client_id is None else client_id
        self._persistent = persistent
        self._clock = clock or SystemClock()
        self._queue: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._protocol = paho.MQTTv311 if config.protocol == "3.1.1" else paho.MQTTv5
        self._closes = 0
        self._fall_back = False
        self._is_ready = False
        self._problem = ""
        self._client: paho.Client | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted us and our subscriptions, and we have not noticed that it went away."""
        return self._client is not None and self._is_ready and self._client.is_connected()

    def start(self) -> None:
        """Begin to connect; returns at once.

        Raises:
            ConfigError: A certificate or the password cannot be read.
        """
        try:
            self._client = self._new_client()
        except (OSError, ValueError) as exc:
            raise ConfigError(
                f"mqtt: found certificates or a password that cannot be used ({exc}), expected PEM files in mqtt.tls "
                "and a text file in mqtt.password_file"
            ) from exc
        self._client.connect_async(
            self._config.host, self._config.port, self._config.keepalive_s, **self._session_options()
        )
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye and end paho's thread; harmless when already stopped."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(OSError, ValueError):
                client.disconnect()
            client.loop_stop()

    def wait_until_connected(self, timeout_s: float) -> None:
        """Return as soon as the broker has accepted us and our subscriptions.

        Raises:
            LinkError: It has not within ``timeout_s``.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        while not self.is_connected:
            if self._clock.monotonic_s() > deadline_s:
                raise LinkError(
                    f"no MQTT broker at {self._config.host}:{self._config.port} after {timeout_s:g} s"
                    f"{f' ({self._problem})' if self._problem else ''}; "
                    "start one (driftline-fleet broker) or check mqtt.host and mqtt.port"
                )
            self._try_older_protocol()
            self._clock.sleep(_POLL_S)

    def receive(self, timeout_s: float, *, most: int = 500) -> list[Delivery]:
        """Messages that have come: waits up to ``timeout_s`` for the first, takes what is there, ``most`` at once."""
        self._try_older_protocol()
        found: list[Delivery] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._queue.get(timeout=timeout_s) if timeout_s > 0 else self._queue.get_nowait())
            while len(found) < most:
                found.append(self._queue.get_nowait())
        return found

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Tell the broker that it need not send these again."""
        client = self._client
        for delivery in deliveries:
            if delivery.qos and client is delivery.client and client is not None:
                client.ack(delivery.mid, delivery.qos)

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: int | None = None) -> None:
        """Send, or have paho send as soon as there is a connection."""
        if self._client is None:
            raise RuntimeError("the link has not been started")
        properties = None
        if self._protocol == paho.MQTTv5 and expiry_s is not None:
            properties = _properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = expiry_s
        self._client.publish(topic, payload, qos=qos, retain=retain, properties=properties)

    def _session_options(self) -> dict[str, Any]:
        if self._protocol != paho.MQTTv5:
            return {}
        properties = _properties(PacketTypes.CONNECT)
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        if self._persistent:
            properties.SessionExpiryInterval = self._config.session_expiry_s
        return {"clean_start": not self._persistent, "properties": properties}

    def _new_client(self) -> paho.Client:
        # 3.1.1 has the choice between a session for ever and none: clean_session belongs to the client there.
        options: dict[str, Any] = {} if self._protocol == paho.MQTTv5 else {"clean_session": not self._persistent}
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=self._protocol,
            manual_ack=True,
            **options,
        )
        client.reconnect_delay_set(min_delay=1, max_delay=30)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        if self._config.username is not None:
            client.username_pw_set(self._config.username, _password(self._config.password_file))
        if self._config.tls is not None:
            client.tls_set(self._config.tls.ca, self._config.tls.cert, self._config.tls.key)
        return client

    def _try_older_protocol(self) -> None:
        if self._fall_back and self._protocol == paho.MQTTv5 and self._config.protocol == "auto":
            log.warning("broker does not speak MQTT 5, going on with 3.1.1 host=%s", self._config.host)
            self.stop()
            self._protocol = paho.MQTTv311
            self.start()

    # Called by paho's thread: these only note and enqueue.

    def _on_connect(
        self, client: paho.Client, _data: object, _flags: paho.ConnectFlags, reason: ReasonCode, _p: Properties | None
    ) -> None:
        if reason.is_failure:
            self._fall_back = self._fall_back or reason.value == UNSUPPORTED_PROTOCOL_VERSION
            log.error("broker refuses us host=%s reason=%s", self._config.host, reason)
            return
        self._closes = 0
        if self._subscriptions:
            client.subscribe(self._subscriptions)
        else:
            self._ready()

    def _on_subscribe(
        self, _client: paho.Client, _data: object, _mid: int, reasons: list[ReasonCode], _p: Properties | None
    ) -> None:
        for (topic, _), reason in zip(self._subscriptions, reasons, strict=False):
            if reason.is_failure:
                log.error("broker refuses a subscription topic=%s reason=%s; check its access list", topic, reason)
        self._ready()

    def _ready(self) -> None:
        self._is_ready = True
        self._problem = ""
        self.connections += 1
        log.info("connected to broker host=%s port=%d", self._config.host, self._config.port)

    def _on_disconnect(
        self,
        _client: paho.Client,
        _data: object,
        _flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _p: Properties | None,
    ) -> None:
        self._is_ready = False
        if reason.is_failure:
            self._closes += 1
            if not self.connections:
                self._fall_back = self._fall_back or self._closes >= CLOSES_BEFORE_FALLBACK
            log.warning("connection to broker lost reason=%s", reason)

    def _on_connect_fail(self, _client: paho.Client, _data: object) -> None:
        problem = str(sys.exc_info()[1])  # paho calls from its except clause
        if problem != self._problem:  # once: it may last for days
            log.warning("no connection to broker host=%s port=%d: %s", self._config.host, self._config.port, problem)
        self._problem = problem

    def _on_message(self, client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        if not message.qos and self._queue.qsize() >= QUEUE_MESSAGES:
            if not self.dropped:
                log.error("messages come faster than they can be stored, dropping some of QoS 0")
            self.dropped += 1
            return
        delivery = Delivery(
            topic=message.topic,
            payload=bytes(message.payload),
            retained=bool(message.retain),
            qos=message.qos,
            mid=message.mid,
            client=client,
        )
        self._queue.put(delivery)

    def _on_publish(
        self, _client: paho.Client, _data: object, mid: int, reason: ReasonCode, _p: Properties | None
    ) -> None:
        if reason.is_failure:  # MQTT 5 only: 3.1.1 brokers drop what is not allowed without a word
            log.error("broker refused a message mid=%d reason=%s; check its access list", mid, reason)


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]


def _password(path: str | None) -> str | None:
    return None if path is None else Path(path).read_text(encoding="utf-8").strip("\r\n")
