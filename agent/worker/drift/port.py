"""What the worker asks of anything that watches for drift: the port behind which River's detectors stand.

A detector sees all signals of a frame at once, so a bank that combines them fits as well as one detector per signal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A detector found that a signal changed.

    Attributes:
        position: Frame at which it was found, not the one at which the change began.
        signal: Name of the signal, the largest term for a combined detector.
        detector: Name as in the configuration.
        value: The signal's value at that frame, in its own unit.
    """

    position: int
    signal: str
    detector: str
    value: float


class DriftDetector(Protocol):
    """Watches the signals of one artifact's stream; one thread, no IO, no clock."""

    name: str

    def update(self, signals: Mapping[str, float], predicted: int | None, position: int) -> Sequence[Alarm]:
        """Take one frame's signals and say which of them changed; signals that it does not know are ignored."""

    def reset(self) -> None:
        """Forget the stream, as after a new model or a declared baseline."""
