"""Send-on-delta at the source: which frames are so like the last one that was run that its answer still holds.

A value of a frame has moved when it differs by the threshold or more from the same value of the frame that was run
last; a frame with few enough moved values is held. Slow changes add up, because the reference is a frame that was run
and never one that was held. Whatever happens, not more than ``max_held`` frames in a row are held: a covered camera
moves nothing and is still seen by the drift detectors.

A model over windows of rows gets every row, or its windows would have holes. A window is held when all of its rows,
and all rows of the window that was run last, are still: when they all resemble one of them. Rows are held against that
one and not each against the one before, or a ramp would be taken for standing still.

Reference: Miskowicz, Send-on-delta concept (Sensors 6, 2006).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.config import GatingConfig


class Gate:
    """Decides frame by frame; reads no clock and keeps one frame.

    Args:
        config: When a frame is still.
        rows: Rows in the model's window; 1 for a model that runs single frames.

    Examples:
        >>> gate = Gate(GatingConfig(threshold=10, share=0.0, max_held=2))
        >>> def runs(value):
        ...     gate.look(np.full(4, value, np.uint8))
        ...     if gate.holds():
        ...         return False
        ...     gate.ran()
        ...     return True
        >>> [runs(value) for value in (50, 52, 59, 52, 62)]
        [True, False, False, True, True]
    """

    def __init__(self, config: GatingConfig, *, rows: int = 1) -> None:
        self._threshold = config.threshold
        self._share = config.share
        self._max_held = config.max_held
        self._rows = rows
        self._frame: NDArray[Any] = np.empty(0)  # the newest
        self._reference: NDArray[Any] | None = None
        self._still = 0  # rows in a row that resemble the reference, itself included
        self._settled = False  # whether all rows behind the last answer were still
        self._held = 0

    def look(self, frame: NDArray[Any]) -> None:
        """Take the next frame or row."""
        self._frame = frame
        if self._reference is not None and moved_share(frame, self._reference, self._threshold) <= self._share:
            self._still += 1
            return
        self._reference = np.array(frame)  # a copy: a source may use its memory again
        self._still, self._settled = 1, False

    def holds(self) -> bool:
        """Whether the frame looked at last may be answered as the one before; if so, it is counted as held."""
        if not self._settled or self._held >= self._max_held:
            return False
        self._held += 1
        return True

    def ran(self) -> None:
        """The frame looked at last was run: what comes is held against it, or a window's rows against their first."""
        if self._rows == 1:
            self._reference = np.array(self._frame)
        self._held = 0
        self._settled = self._still >= self._rows

    def forget(self) -> None:
        """There is no answer that could be repeated."""
        self._reference, self._still, self._settled, self._held = None, 0, False, 0


def moved_share(frame: NDArray[Any], reference: NDArray[Any], threshold: float) -> float:
    """Share of the values of a frame that differ from the reference's by the threshold or more; NaN always does.

    Examples:
        >>> moved_share(np.array([0, 9, 200, 7], np.uint8), np.array([0, 0, 0, 0], np.uint8), 9)
        0.5
    """
    if frame.shape != reference.shape or frame.dtype != reference.dtype:
        return 1.0
    if frame.size == 0:
        return 0.0
    bound = math.ceil(threshold) if frame.dtype.kind in "ui" else threshold  # integers compare four times as fast
    return (frame.size - int(np.count_nonzero(_distance(frame, reference) < bound))) / frame.size


def _distance(frame: NDArray[Any], reference: NDArray[Any]) -> NDArray[Any]:
    match frame.dtype.kind:
        case "u":
            return np.asarray(np.maximum(frame, reference) - np.minimum(frame, reference))
        case "i":  # the difference of two int8 may be 255: as bits of an unsigned number it is right
            unsigned = np.dtype(f"u{frame.dtype.itemsize}")
            return np.asarray(np.maximum(frame, reference) - np.minimum(frame, reference)).view(unsigned)
        case "b":
            return np.where(frame != reference, np.inf, 0.0)
        case _:
            with np.errstate(over="ignore", invalid="ignore"):
                return np.asarray(np.abs(frame - reference))
