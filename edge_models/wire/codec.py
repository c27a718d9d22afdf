"""Messages to bytes and back, with every bound checked before anything is built.

An empty payload is no message: on a retained topic it clears the last one, and whoever subscribes looks for it first.
"""

from __future__ import annotations

import json
import re
from typing import TypeVar

from edge_models.errors import FieldError
from edge_models.fields import decode_json, encode
from edge_models.wire.channels import CHANNELS, MessageChannel
from edge_models.wire.update import UpdateEntity

M = TypeVar("M")

MAX_DEPTH = 8  # ours need 4; a bound of our own keeps a hostile payload away from the parser's recursion
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)  # possessive: linear in the payload's length
_LIMITS = {channel.message: channel.max_bytes for channel in CHANNELS if channel.message is not None}
_NULL_MEANS_SOMETHING = "update_percentage"


def encode_message(message: object) -> bytes:
    """The payload of a message: compact UTF-8 JSON.

    Raises:
        FieldError: It is longer than its channel allows.
        ValueError: It is not a message of the contract, or holds NaN.
    """
    value = encode(message)
    if isinstance(message, UpdateEntity) and isinstance(value, dict):
        value = {key: item for key, item in value.items() if item is not None or key == _NULL_MEANS_SOMETHING}
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    limit = _limit(type(message))
    if len(data) > limit:
        raise FieldError(type(message).__name__, f"{len(data)} bytes", f"at most {limit} bytes")
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
    limit = _limit(kind)
    if len(data) <= limit:
        _check_depth(data)
    return decode_json(kind, data, max_bytes=limit)


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


def _limit(kind: type) -> int:
    if kind not in _LIMITS:
        raise ValueError(f"{kind.__name__} is not a message of the contract")
    return _LIMITS[kind]


def _check_depth(data: bytes) -> None:
    depth = 0
    for token in _TOKENS.finditer(data):
        match token.group()[:1]:
            case b"[" | b"{":
                depth += 1
            case b"]" | b"}":
                depth -= 1
        if depth > MAX_DEPTH:
            raise FieldError("", f"more than {MAX_DEPTH} levels of nesting", f"at most {MAX_DEPTH}")
