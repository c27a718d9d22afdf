"""Getting messages to the broker: what is retained is sent again on every connect, what is durable waits in the outbox.

    retained topics   only the latest matters: kept in memory, never queued, all sent again on connect
    QoS 1 events      through the outbox, deleted when the broker acknowledges them
    QoS 0             sent when there is a connection, else lost

Never more messages of QoS 1 are on their way than the broker allows, and never one larger than it takes: such a one
would make the broker hang up, and paho send it again, for ever.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from typing import Protocol

from agent.config import MqttConfig
from agent.core import events as ev
from agent.core.commands import Publish, Resend
from agent.core.records import Now
from agent.outbox import Lane, Numbered, Outbox
from agent.parts import Watched
from edge_models.errors import FieldError
from edge_models.wire.channels import MessageChannel, channel_named
from edge_models.wire.codec import encode_message
from edge_models.wire.telemetry import Event, Stats
from edge_models.wire.topics import Topics

log = logging.getLogger(__name__)

RECEIVE_MAXIMUM = 20
COMMIT_S = 2.0  # a killed process loses what telemetry came in since
SILENT_KEEPALIVES = 3  # without an answer that is due, before the connection is taken for dead
PACKET_OVERHEAD_BYTES = 64  # fixed header, topic length, packet id, properties
_LANES = {"event": Lane.EVENT, "stats": Lane.STATS, "sample": Lane.SAMPLE}


class Publisher(Protocol):
    """Where messages go."""

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: float | None) -> int | None:
        """Hand over a message; its mid, or None when there is no connection."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    at_s: float
    row: int | None  # of the outbox
    topic: str


class Delivery:
    """Publishes.

    Args:
        link: The connection.
        outbox: For what must not be lost.
        config: Limits.
        device: Id of the device.
        state_s: Interval of ``state``, which expires after three.
    """

    def __init__(self, link: Publisher, outbox: Outbox, config: MqttConfig, device: str, *, state_s: float) -> None:
        self._link = link
        self._outbox = outbox
        self._topics = Topics(config.base)
        self._config = config
        self._device = device
        self._state_s = state_s
        self._latest: dict[str, bytes] = {}
        self._unsent: dict[str, None] = {}  # topics of _latest, in the order in which they changed
        self._on_way: dict[int, _Sent] = {}
        self._open = False
        self._commit_at_s: float | None = None
        self._window = RECEIVE_MAXIMUM
        self._max_packet_bytes = config.max_packet_bytes
        self.refused: Counter[str] = Counter()

    @property
    def is_idle(self) -> bool:
        """Whether everything retained has been acknowledged."""
        return not self._unsent and not self._on_way

    def publish(self, order: Publish, now: Now) -> None:
        """Send a message of the contract, now or as soon as there is a connection; one that breaks it is dropped."""
        channel = channel_named(order.kind)
        try:
            payload = b"" if order.message is None else encode_message(order.message)
        except FieldError as exc:
            self._refuse(order.kind, str(exc))
            return
        self.send(self._topics.of(self._device, order.kind), payload, channel, now, numbered=_numbers(order.message))

    def resend(self, order: Resend, now: Now) -> None:
        """Send again what is kept of a range of messages that never arrived beyond the broker."""
        again = self._outbox.resend(order.kind, boot=order.boot, first=order.first, last=order.last)
        log.info(
            "messages sent again kind=%s boot=%d first=%d last=%d found=%d",
            order.kind, order.boot, order.first, order.last, again,
        )  # fmt: skip
        self.pump(now)

    def send(
        self, topic: str, payload: bytes, channel: MessageChannel, now: Now, *, numbered: Numbered | None = None
    ) -> None:
        """Send bytes the way that their row of the contract says."""
        if not self._fits(topic, payload):
            self._refuse(channel.name, self._too_long(payload))
            return
        if channel.qos == 0:
            expiry_s = 3 * self._state_s if channel.name == "state" else channel.expiry_s
            self._link.publish(topic, payload, qos=0, retain=channel.retain, expiry_s=expiry_s)
            return
        if channel.retain:
            self._latest[topic] = payload
            self._unsent[topic] = None
        else:
            lane = _LANES.get(channel.name, Lane.REPLY)
            self._outbox.put(
                lane=lane, kind=channel.name, topic=topic, body=payload, expiry_s=channel.expiry_s, utc_s=now.utc_s,
                numbered=numbered,
            )  # fmt: skip
        self.pump(now)

    def on_up(self, *, receive_maximum: int, max_packet_bytes: int | None, now: Now) -> None:
        """A connection is there: everything retained goes out again."""
        self._open = True
        self._window = max(1, min(receive_maximum, RECEIVE_MAXIMUM))
        self._max_packet_bytes = min(max_packet_bytes or self._config.max_packet_bytes, self._config.max_packet_bytes)
        self._unsent = dict.fromkeys(self._latest)
        self._on_way = {mid: replace(sent, at_s=now.monotonic_s) for mid, sent in self._on_way.items()}
        self.pump(now)

    def on_down(self) -> None:
        """The connection is gone; paho keeps what is on its way."""
        self._open = False

    def on_acked(self, mid: int, refused: str | None, now: Now) -> None:
        """The broker answered."""
        sent = self._on_way.pop(mid, None)
        if sent is None:
            return
        if refused is not None:
            self._refuse(sent.topic, f"the broker refused it: {refused}")
        if sent.row is not None:
            if refused is None:
                self._outbox.delivered(sent.row)
            elif self._outbox.refused(sent.row):
                log.warning("message given up topic=%s", sent.topic)
        self.pump(now)

    def forget(self) -> None:
        """The connection was replaced: what was on its way will be sent again."""
        for sent in self._on_way.values():
            if sent.row is None:
                self._unsent[sent.topic] = None
        self._on_way.clear()
        self._open = False

    def is_stuck(self, now: Now) -> bool:
        """Whether an answer is overdue although the connection looks alive."""
        limit_s = SILENT_KEEPALIVES * self._config.keepalive_s
        return self._open and any(now.monotonic_s - sent.at_s > limit_s for sent in self._on_way.values())

    def pump(self, now: Now) -> None:
        """Hand over what fits into the window."""
        while self._open and len(self._on_way) < self._window:
            if not (self._pump_latest(now) if self._unsent else self._pump_outbox(now)):
                break
        if self._commit_at_s is None and self._outbox.is_uncommitted:
            self._commit_at_s = now.monotonic_s + COMMIT_S

    def watched(self) -> tuple[Watched, ...]:
        """Nothing: the loop waits for the link itself."""
        return ()

    def next_deadline_s(self) -> float | None:
        """When the outbox is to be committed."""
        return self._commit_at_s

    def tick(self, now_s: float) -> list[ev.Event]:
        """Commit the outbox when it is time to."""
        if self._commit_at_s is not None and now_s >= self._commit_at_s:
            self._commit_at_s = None
            self._outbox.commit()
        return []

    def close(self) -> None:
        """Nothing to free: the outbox is closed by who opened it."""

    def _pump_latest(self, now: Now) -> bool:
        topic = min(self._unsent, key=lambda topic: not topic.endswith("/model/state"))  # else the order of changes
        payload = self._latest[topic]
        if not self._fits(topic, payload):
            del self._unsent[topic]
            self._refuse(topic, self._too_long(payload))
            return True
        if not self._hand_over(topic, payload, retain=True, expiry_s=None, row=None, now=now):
            return False
        self._unsent.pop(topic, None)
        return True

    def _pump_outbox(self, now: Now) -> bool:
        flying = [sent.row for sent in self._on_way.values() if sent.row is not None]
        row = self._outbox.next(now.utc_s, skip=flying)
        if row is None:
            return False
        if not self._fits(row.topic, row.body):
            self._outbox.discard(row.id)
            self._refuse(row.kind, self._too_long(row.body))
            return True
        return self._hand_over(row.topic, row.body, retain=False, expiry_s=row.expiry_s, row=row.id, now=now)

    def _fits(self, topic: str, payload: bytes) -> bool:
        return len(payload) + len(topic.encode()) + PACKET_OVERHEAD_BYTES <= self._max_packet_bytes

    def _too_long(self, payload: bytes) -> str:
        return f"{len(payload)} bytes, expected packets of at most {self._max_packet_bytes}"

    def _hand_over(
        self, topic: str, payload: bytes, *, retain: bool, expiry_s: float | None, row: int | None, now: Now
    ) -> bool:
        mid = self._link.publish(topic, payload, qos=1, retain=retain, expiry_s=expiry_s)
        if mid is None:
            return False
        self._on_way[mid] = _Sent(at_s=now.monotonic_s, row=row, topic=topic)
        return True

    def _refuse(self, kind: str, reason: str) -> None:
        self.refused[kind] += 1
        if self.refused[kind] == 1:
            log.warning("message not sent kind=%s reason=%s", kind, reason)


def _numbers(message: object) -> Numbered | None:
    return Numbered(message.boot, message.seq) if isinstance(message, Event | Stats) else None
