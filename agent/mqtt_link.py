"""The connection to the broker: what paho leaves to its user.

paho's thread only puts what happened into a queue and wakes the loop; everything else runs in the loop's thread. paho
never looks at the limits in the CONNACK, so they are handed on to ``Delivery``, which keeps to them. MQTT 5 is tried
first; a broker that hangs up three times before CONNACK, or says that it does not know the version, gets 3.1.1, and
then MQTT 5 again, because a broker that is starting hangs up too. A broker that refuses a subscription is connected to
again, later and later: the device can be heard meanwhile, but not told everything. A connection without a word for
three times the keep-alive while an answer is due is replaced with its thread (paho issues 891 and 692: both can hang
unnoticed).
"""

from __future__ import annotations

import contextlib
import logging
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from agent.config import MqttConfig
from agent.credentials import password, tls_context
from agent.link_events import Acked, Down, LinkEvent, Message, Subscribed, Up, Will
from agent.paho_client import PacketTypes, PahoClient, Properties, ReasonCode, paho, properties
from agent.tls_failure import refusal_of_broker, refusal_of_device
from edge_models.wire.channels import WILL_DELAY_S

log = logging.getLogger(__name__)

RECEIVE_MAXIMUM = 20  # messages on their way; mosquitto's own default
SESSION_EXPIRY_S = 86400  # the broker keeps commands and feedback for a device that is away
CLOSES_BEFORE_FALLBACK = 3
UNSUPPORTED_PROTOCOL_VERSION = 132  # MQTT 5 section 3.2.2.2
RETURN_WAITS_S = (0.0, 1.0, 5.0, 30.0, 120.0, 300.0)  # before connections that we begin anew; the last one for ever
MAX_WAITING = 1000  # messages between paho's thread and the loop
MAX_WAITING_BYTES = 8 << 20


class _Entry(NamedTuple):
    client: object
    event: LinkEvent
    failure: int | None = None  # CONNACK reason code
    is_last: bool = False  # paho's thread has ended


class MqttLink:
    """A connection that mends itself.

    Args:
        config: Of the broker.
        device: Client id.
        subscriptions: Topic filters, all with QoS 1.
        will: Last will, retained.

    Raises:
        LinkError: Certificates or password cannot be read, or the certificate is another device's.
    """

    def __init__(self, config: MqttConfig, device: str, subscriptions: Sequence[str], will: Will) -> None:
        self._config = config
        self._device = device
        self._subscriptions = [(topic, 1) for topic in subscriptions]
        self._will = will
        self._tls = tls_context(config, device)
        self._password = password(config.password_file)
        self._protocol = paho.MQTTv311 if config.protocol == "3.1.1" else paho.MQTTv5
        self._closes = 0
        self._was_refused = False  # by a CONNACK, which paho follows with a disconnect
        self._returns = 0  # connections begun anew since one was all right
        self._return_at_s: float | None = None
        self._client: PahoClient | None = None
        self._entries: deque[_Entry] = deque()
        self._waiting_bytes = 0
        self._counting = threading.Lock()  # two threads add to and take from the number above
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.settimeout(0.0)
        self._wake_out.settimeout(0.0)
        self.is_up = False
        self.problem = ""  # why there is no connection, as the last attempt had it
        self.overflowed = 0
        self.generation = 0

    def fileno(self) -> int:
        """Becomes readable when ``drain`` has something."""
        return self._wake_out.fileno()

    def start(self) -> None:
        """Begin to connect; returns at once."""
        client = self._new_client()
        client.connect_async(self._config.host, self._config.port, self._config.keepalive_s, **self._session())
        client.loop_start()
        self._client = client

    def restart(self) -> None:
        """Replace the connection and its thread; what was on its way has to be sent again."""
        self._drop_client()
        self.generation += 1
        self._return_at_s = 0.0  # if it cannot be begun now, then in the next turn
        self.start()
        self._return_at_s = None

    def tick(self, now_s: float) -> None:
        """Connect again when it is time to."""
        if self._return_at_s is not None and now_s >= self._return_at_s:
            self.restart()

    def next_deadline_s(self) -> float | None:
        """When ``tick`` is needed at the latest."""
        return self._return_at_s

    def close(self) -> None:
        """Say goodbye and free the descriptors."""
        client = self._drop_client()
        if client is not None:
            client.loop_stop()
        self._wake_in.close()
        self._wake_out.close()

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: float | None) -> int | None:
        """Hand over a message; its mid, or None when there is no connection."""
        if self._client is None or not self.is_up:
            return None
        extra = None
        if self._protocol == paho.MQTTv5 and expiry_s is not None:
            extra = properties(PacketTypes.PUBLISH)
            extra.MessageExpiryInterval = max(1, round(expiry_s))
        info = self._client.publish(topic, payload, qos=qos, retain=retain, properties=extra)
        sent = info.rc in (paho.MQTT_ERR_SUCCESS, paho.MQTT_ERR_NO_CONN)  # paho keeps what it could not send yet
        return info.mid if sent else None

    def drain(self, now_s: float) -> list[LinkEvent]:
        """What happened since the last call, in order."""
        with contextlib.suppress(BlockingIOError):
            while self._wake_out.recv(4096):
                pass
        events: list[LinkEvent] = []
        while self._entries:
            entry = self._entries.popleft()
            if isinstance(entry.event, Message):
                with self._counting:
                    self._waiting_bytes -= len(entry.event.payload)
            if entry.client is self._client:  # else: a late word of a connection that was replaced
                events.append(entry.event)
                if isinstance(entry.event, Up | Down):
                    self.problem = entry.event.reason if isinstance(entry.event, Down) else ""
                self._follow(entry, now_s)
        return events

    def _follow(self, entry: _Entry, now_s: float) -> None:
        match entry.event:
            case Down() if entry.is_last:
                self._drop_client()
                self._return_later(now_s, at_least_s=RETURN_WAITS_S[1])
            case Up():
                self.is_up, self._closes, self._was_refused = True, 0, False
            case Down() if entry.failure == UNSUPPORTED_PROTOCOL_VERSION:
                self._other_protocol(now_s)
            case Down() if entry.failure:
                self._was_refused = True
            case Down() if entry.failure is not None and not self.is_up and not self._was_refused:
                self._closes += 1
                if self._closes >= CLOSES_BEFORE_FALLBACK:
                    self._other_protocol(now_s)
            case Down():
                self.is_up = self._was_refused = False
            case Subscribed(refused=refused) if refused:
                self._return_later(now_s, at_least_s=RETURN_WAITS_S[1])
            case Subscribed():
                self._returns, self._return_at_s = 0, None
            case _:
                pass

    def _other_protocol(self, now_s: float) -> None:
        self._closes = 0
        if self._config.protocol != "auto":
            return
        self._protocol = paho.MQTTv311 if self._protocol == paho.MQTTv5 else paho.MQTTv5
        log.log(logging.INFO if self._returns < 2 else logging.DEBUG, "protocol changed version=%s", self._version())
        self._drop_client()  # or paho would go on trying the other one
        self._return_later(now_s)

    def _return_later(self, now_s: float, *, at_least_s: float = 0.0) -> None:
        wait_s = max(RETURN_WAITS_S[min(self._returns, len(RETURN_WAITS_S) - 1)], at_least_s)
        self._returns += 1
        self._return_at_s = now_s + wait_s

    def _drop_client(self) -> PahoClient | None:
        client, self._client = self._client, None
        self.is_up = False
        if client is not None:
            with contextlib.suppress(OSError, ValueError):
                client.disconnect()
        return client

    def _version(self) -> str:
        return "5" if self._protocol == paho.MQTTv5 else "3.1.1"

    def _session(self) -> dict[str, Any]:
        if self._protocol != paho.MQTTv5:
            return {}
        extra = properties(PacketTypes.CONNECT)
        extra.SessionExpiryInterval = SESSION_EXPIRY_S
        extra.ReceiveMaximum = RECEIVE_MAXIMUM
        extra.MaximumPacketSize = self._config.max_packet_bytes
        return {"clean_start": False, "properties": extra}

    def _new_client(self) -> PahoClient:
        session: dict[str, Any] = {} if self._protocol == paho.MQTTv5 else {"clean_session": False}
        client = PahoClient(self._device, self._protocol, session, on_end=self._on_end)
        client.max_inflight_messages_set(RECEIVE_MAXIMUM)
        client.reconnect_delay_set(min_delay=1, max_delay=30)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_connect_fail = self._on_connect_fail
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        if self._config.username is not None:
            client.username_pw_set(self._config.username, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        extra = None
        if self._protocol == paho.MQTTv5:
            extra = properties(PacketTypes.WILLMESSAGE)
            extra.WillDelayInterval = WILL_DELAY_S
        client.will_set(self._will.topic, self._will.payload, qos=1, retain=True, properties=extra)
        return client

    # Called by paho's thread: these only enqueue.

    def _on_connect(
        self,
        client: paho.Client,
        _data: object,
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        given: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._put(client, Down(reason=f"refused: {reason}"), failure=reason.value)
            return
        client.subscribe(self._subscriptions)
        event = Up(
            receive_maximum=min(getattr(given, "ReceiveMaximum", RECEIVE_MAXIMUM), RECEIVE_MAXIMUM),
            max_packet_bytes=getattr(given, "MaximumPacketSize", None),
            version=self._version(),
        )
        self._put(client, event)

    def _on_disconnect(
        self,
        client: paho.Client,
        _data: object,
        _flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _given: Properties | None,
    ) -> None:
        why = "" if client.is_connected() or self.is_up else refusal_of_device(self._config, time.time())
        self._put(client, Down(reason=f"{reason}{why}"), failure=0)

    def _on_connect_fail(self, client: paho.Client, _data: object) -> None:
        config = self._config
        why = refusal_of_broker(sys.exc_info()[1], config, time.time())  # paho calls from its except clause
        self._put(client, Down(reason=f"no connection to {config.host}:{config.port}: {why}"))

    def _on_end(self, client: PahoClient, problem: Exception) -> None:
        self._entries.append(_Entry(client, Down(reason=f"unforeseen: {problem!r}"[:500]), is_last=True))
        self._wake()

    def _on_message(self, client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        payload = bytes(message.payload)
        with self._counting:
            if len(self._entries) >= MAX_WAITING or self._waiting_bytes + len(payload) > MAX_WAITING_BYTES:
                self.overflowed += 1
                return
            self._waiting_bytes += len(payload)
        self._put(client, Message(topic=message.topic, payload=payload, retained=bool(message.retain)))

    def _on_publish(
        self, client: paho.Client, _data: object, mid: int, reason: ReasonCode, _given: Properties | None
    ) -> None:
        self._put(client, Acked(mid=mid, refused=str(reason) if reason.is_failure else None))

    def _on_subscribe(
        self, client: paho.Client, _data: object, _mid: int, reasons: list[ReasonCode], _given: Properties | None
    ) -> None:
        answered = zip(self._subscriptions, reasons, strict=False)  # a broker that answers fewer has refused none
        self._put(client, Subscribed(refused=tuple(topic for (topic, _), reason in answered if reason.is_failure)))

    def _put(self, client: paho.Client, event: LinkEvent, *, failure: int | None = None) -> None:
        self._entries.append(_Entry(client, event, failure))
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # full: the loop will wake anyway; closed: nobody listens any more
            self._wake_in.send(b"\0")
