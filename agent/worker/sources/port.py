"""What the worker asks of anything that delivers frames.

A source knows nothing of models: a frame is handed on as recorded, and the preprocessor says whether it fits. A
source never waits; pacing is the loop's business, so that a heartbeat is never late because of a slow camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame as its source delivered it.

    Attributes:
        x: The array, before any preprocessing.
        position: Index of the frame in its source since the beginning, also across laps of a loop; the resume token.
        label: True class where the source knows it. Nothing in the worker decides by it; it is for evaluation.
    """

    x: NDArray[Any]
    position: int
    label: int | None = None


class Source(Protocol):
    """Delivers frames one after the other; used by one thread."""

    @property
    def rate_hz(self) -> float | None:
        """Frames in a second at which to ask; None when frames come by themselves (then ask whenever told of one)."""

    @property
    def position(self) -> int:
        """Position of the next frame; a source opened at this position goes on where this one stopped."""

    @property
    def ended(self) -> bool:
        """Whether there will be no more frames."""

    def read(self) -> Frame | None:
        """The next frame, or None when there is none at this moment.

        Raises:
            SourceError: The source cannot go on.
        """

    def close(self) -> None:
        """Give back files; a second call does nothing."""
