"""What the supervisor's loop serves: anything with descriptors to wait for, deadlines, and events that come of them.

A part never waits. The loop polls what ``watched`` names, hands over what happened, and calls ``tick`` after each turn;
what a part returns goes to the core. Workers, jobs, the local socket and systemd's watchdog are parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from agent.core import events as ev


class Watched(NamedTuple):
    """One descriptor.

    Attributes:
        fd: What to poll.
        mask: For which of select.POLLIN and POLLOUT.
        handle: Called with what happened (a mask) and the monotonic time.
    """

    fd: int
    mask: int
    handle: Callable[[int, float], list[ev.Event]]


class Part(Protocol):
    """Something that the loop serves."""

    def watched(self) -> Iterable[Watched]:
        """What to wait for now; asked before each wait."""
        ...

    def next_deadline_s(self) -> float | None:
        """When ``tick`` is needed at the latest, on the monotonic clock; None for never."""
        ...

    def tick(self, now_s: float) -> list[ev.Event]:
        """Do what time has come for; called once a turn."""
        ...

    def close(self) -> None:
        """End children, free descriptors; a second call does nothing."""
        ...
