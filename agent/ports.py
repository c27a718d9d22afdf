"""What the agent needs from the world around it; adapters implement these, tests bring fakes."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Two kinds of time: one for intervals, one for people."""

    def monotonic_s(self) -> float:
        """Seconds that only ever rise, for deadlines, rates and ``up``."""
        ...

    def utc_s(self) -> float | None:
        """POSIX seconds, or None while the clock is not known to be right."""
        ...


class Sleeper(Protocol):
    """Waiting, apart from Clock, because only the shell may wait."""

    def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` at the earliest."""
        ...
