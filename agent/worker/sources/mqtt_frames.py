"""Frames that the supervisor took from an MQTT topic and handed over.

The link to the broker belongs to the supervisor; this end only turns bytes into arrays and keeps a bounded queue, so a
publisher that is faster than the model costs old frames, not memory.
"""

from __future__ import annotations

import json
import math
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.ipc import FrameIn
from agent.worker.errors import SourceError
from agent.worker.sources.port import Frame
from edge_models.tensors import TensorSpec

QUEUE_FRAMES = 64


class MqttFrames:
    """A queue of handed-over frames; the oldest are dropped when it is full.

    Args:
        spec: One frame as the manifest says, for bytes that do not say it themselves.
        position: Position of the next frame.
    """

    def __init__(self, spec: TensorSpec, *, position: int = 0) -> None:
        self.rate_hz: float | None = None
        self.ended = False
        self.position = position
        self.dropped = 0
        self._spec = spec
        self._queue: deque[NDArray[Any]] = deque(maxlen=QUEUE_FRAMES)

    def push(self, message: FrameIn, body: bytes) -> None:
        """Queue one frame.

        Raises:
            SourceError: The bytes are no array; the publisher is to blame, the next frame may be right.
        """
        if len(self._queue) == QUEUE_FRAMES:
            self.dropped += 1
        self._queue.append(frame_array(message, body, self._spec))

    def read(self) -> Frame | None:
        """The oldest queued frame, or None."""
        if not self._queue:
            return None
        frame = Frame(x=self._queue.popleft(), position=self.position)
        self.position += 1
        return frame

    def close(self) -> None:
        """Drop what is queued."""
        self._queue.clear()


def frame_array(message: FrameIn, body: bytes, spec: TensorSpec) -> NDArray[Any]:
    """The array that a FrameIn carries.

    Raises:
        SourceError: The body is no array of the declared shape and dtype.
    """
    return _from_json(body, spec) if message.encoding == "json" else _from_raw(message, body, spec)


def _from_raw(message: FrameIn, body: bytes, spec: TensorSpec) -> NDArray[Any]:
    shape, dtype = message.shape or spec.shape, np.dtype(message.dtype or spec.dtype)
    if len(body) != math.prod(shape) * dtype.itemsize:
        raise SourceError(
            f"frame: found {len(body)} bytes, expected {math.prod(shape) * dtype.itemsize} for {shape} of {dtype}"
        )
    return np.frombuffer(body, dtype).reshape(shape)


def _from_json(body: bytes, spec: TensorSpec) -> NDArray[Any]:
    try:
        values = np.array(json.loads(body), np.float64)
    except (ValueError, TypeError, RecursionError, OverflowError) as exc:
        raise SourceError(f"frame: found {len(body)} bytes that are no JSON list of numbers ({exc})") from exc
    if spec.dtype in ("float32", "float16"):
        return values.astype(spec.dtype)
    limits = np.iinfo(spec.dtype if spec.dtype != "bool" else "uint8")
    if not np.isfinite(values).all() or (values != np.rint(values)).any() or _outside(values, limits):
        raise SourceError(f"frame: found numbers that are no {spec.dtype}, expected integers as the model's source has")
    return values.astype(spec.dtype)


def _outside(values: NDArray[np.float64], limits: np.iinfo[Any]) -> bool:
    return bool(values.size and (values.min() < limits.min or values.max() > limits.max))
