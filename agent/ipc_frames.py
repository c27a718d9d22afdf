"""Frames on the socketpair between supervisor and worker.

A frame is two big-endian 32-bit lengths, a JSON header (a message of ``agent.ipc``) and a raw body, which carries
arrays without a detour through text. Both lengths are bounded before anything is kept; a frame that breaks a rule ends
the worker, never the supervisor.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any, cast

from agent.errors import IpcError
from agent.ipc import MAX_BODY_BYTES, Message, SampleOut, ShadowFrame
from edge_models.errors import FieldError
from edge_models.fields import decode_json, encode
from edge_models.tensors import DTYPE_BYTES

MAX_HEADER_BYTES = 64 * 1024
MAX_AXES = 6  # as in a sample
_LENGTHS = struct.Struct(">II")


def encode_frame(message: Message, body: bytes = b"") -> bytes:
    """The bytes of one frame.

    Raises:
        IpcError: Header or body is over its bound.
    """
    header = json.dumps(encode(message), separators=(",", ":")).encode()
    _check_lengths(len(header), len(body))
    return b"".join((_LENGTHS.pack(len(header), len(body)), header, body))


class FrameReader:
    """Collects bytes of a stream into messages; holds at most one unfinished frame."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[tuple[Message, bytes]]:
        """All frames that are complete with these bytes.

        Raises:
            IpcError: A length is over its bound, or a header is no message. The stream cannot be used any more.
        """
        self._pending += data
        frames: list[tuple[Message, bytes]] = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _next(self) -> tuple[Message, bytes] | None:
        if len(self._pending) < _LENGTHS.size:
            return None
        header_bytes, body_bytes = _LENGTHS.unpack_from(self._pending)
        _check_lengths(header_bytes, body_bytes)
        end = _LENGTHS.size + header_bytes + body_bytes
        if len(self._pending) < end:
            return None
        header = bytes(self._pending[_LENGTHS.size : _LENGTHS.size + header_bytes])
        body = bytes(self._pending[_LENGTHS.size + header_bytes : end])
        del self._pending[:end]
        message = _decode_header(header)
        _check_body(message, body)
        return message, body


def _decode_header(header: bytes) -> Message:
    try:
        return cast("Message", decode_json(cast("Any", Message), header, max_bytes=MAX_HEADER_BYTES))
    except FieldError as exc:
        raise IpcError(f"header of a frame: {exc}") from exc


def _check_body(message: Message, body: bytes) -> None:
    """An array that a worker hands on is as it says: others will tell its shape to the fleet."""
    if not isinstance(message, (SampleOut, ShadowFrame)):
        return
    expected = math.prod(message.shape) * DTYPE_BYTES[message.dtype]
    if len(message.shape) > MAX_AXES or min(message.shape, default=1) < 1 or len(body) != expected:
        found = f"{len(message.shape)} axes and {len(body)} bytes"
        raise IpcError(f"{message.type}: found {found}, expected up to {MAX_AXES} and the bytes of its shape and dtype")


def _check_lengths(header_bytes: int, body_bytes: int) -> None:
    if not 0 < header_bytes <= MAX_HEADER_BYTES or body_bytes > MAX_BODY_BYTES:
        raise IpcError(
            f"frame with a header of {header_bytes} and a body of {body_bytes} bytes, "
            f"expected at most {MAX_HEADER_BYTES} and {MAX_BODY_BYTES}"
        )
