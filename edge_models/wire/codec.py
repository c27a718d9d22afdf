"""Messages to bytes and back, with every bound checked before anything is built.

An empty payload is no message: on a retained topic it clears the last one, and whoever subscribes looks for it first.

    >>> from edge_models.wire.command import Feedback
    >>> encode_message(Feedback(id="7-1042", label=3))
    b'{"v":1,"ts":null,"id":"7-1042","label":3}'
    >>> decode_message(Feedback, b'{"id": "7-1042", "label": 3, "by": "a newer fleet"}')
    Feedback(v=1, ts=None, id='7-1042', label=3)
    >>> decode_message(Feedback, b'{"id": "7-1042"}')
    Traceback (most recent call last):
    edge_models.errors.FieldError: label: found nothing, expected True class index.
"""

from __future__ import annotations

import json
from typing import TypeVar

from edge_models.errors import FieldError
from edge_models.fields import decode, encode
from edge_models.json_text import parse_json
from edge_models.wire.channels import CHANNELS, MessageChannel

M = TypeVar("M")

MAX_DEPTH = 8  # ours need 4, and unknown fields may go a little deeper
_LIMITS = {channel.message: channel.max_bytes for channel in CHANNELS if channel.message is not None}


def encode_message(message: object) -> bytes:
    """The payload of a message: compact UTF-8 JSON.

    Raises:
        FieldError: It is longer than its channel allows.
        ValueError: It is not a message of the contract, or holds NaN.
    """
    kind = type(message)
    limit = _limit(kind)
    value = encode(message)
    optional = left_out(kind)
    if optional and isinstance(value, dict):
        value = {key: item for key, item in value.items() if item is not None or key not in optional}
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    if len(data) > limit:
        raise FieldError(kind.__name__, f"{len(data)} bytes", f"at most {limit} bytes")
    return data


def decode_message(kind: type[M], data: bytes) -> M:
    """Build a message from a payload; unknown fields are ignored, missing required ones refused.

    Args:
        kind: The message's class.
        data: The payload as received.

    Raises:
        FieldError: Too long, nested too deep, not JSON, or wrong fields.
        ValueError: ``kind`` is not a message of the contract.
    """
    value = parse_json(data, max_bytes=_limit(kind), max_depth=MAX_DEPTH)
    optional = left_out(kind)
    if optional and isinstance(value, dict):
        null = next((key for key in optional if key in value and value[key] is None), None)
        if null is not None:
            raise FieldError(null, "null", "a value, or no such key")
    return decode(kind, value, unknown="refuse" if optional else "ignore")


def decode_payload(channel: MessageChannel, data: bytes) -> object:
    """As ``decode_message``, for the class that belongs to a channel; whoever dispatches by topic needs no more.

    Raises:
        FieldError: As ``decode_message``.
        ValueError: The channel's payload is not JSON of ours.
    """
    if channel.message is None:
        raise ValueError(f"{channel.name} carries no message of the contract")
    message: object = decode_message(channel.message, data)
    return message


def left_out(kind: type) -> frozenset[str]:
    """Keys of a payload in somebody else's format that are left out when None; empty for our own messages."""
    keys: frozenset[str] = getattr(kind, "LEFT_OUT", frozenset())
    return keys


def _limit(kind: type) -> int:
    if kind not in _LIMITS:
        raise ValueError(f"{kind.__name__} is not a message of the contract")
    return _LIMITS[kind]
