"""What the connection to the broker has to tell the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Up:
    """The broker accepted us."""

    receive_maximum: int
    max_packet_bytes: int | None
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    """The connection is gone, or was never made."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """Somebody published something that we subscribed to."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Acked:
    """The broker answered a message of QoS 1."""

    mid: int
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """The broker answered our subscriptions."""

    refused: tuple[str, ...]  # topic filters


LinkEvent = Up | Down | Message | Acked | Subscribed


class Will(NamedTuple):
    """What the broker says for us when we vanish."""

    topic: str
    payload: bytes
