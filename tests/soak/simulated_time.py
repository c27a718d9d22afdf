"""Time that passes as soon as nothing else is to be done: a clock, a calendar, and a poll that waits so."""

from __future__ import annotations

import heapq
import itertools
import select
from collections.abc import Callable
from typing import cast


class World:
    """Clock and calendar.

    Args:
        utc_s: What a device's clock says at the start.
    """

    def __init__(self, utc_s: float) -> None:
        self.now_s = 1000.0
        self._offset_s = utc_s - self.now_s
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()

    def monotonic_s(self) -> float:
        return self.now_s

    def utc_s(self) -> float | None:
        return self.now_s + self._offset_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do this later."""
        heapq.heappush(self._later, (self.now_s + seconds, next(self._count), act))

    def pass_until(self, end_s: float) -> bool:
        """Let time pass until the next thing happened, which makes this true, or until the end."""
        if self._later and self._later[0][0] <= end_s:
            at_s, _, act = heapq.heappop(self._later)
            self.now_s = max(self.now_s, at_s)
            act()
            return True
        self.now_s = max(self.now_s, end_s)
        return False

    def new_poll(self) -> select.poll:
        """For ``Adapters``."""
        return cast("select.poll", _Poll(self))


class _Poll:
    """``select.poll`` on real descriptors, whose waiting is the world's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._real = select.poll()

    def register(self, descriptor: int, mask: int) -> None:
        self._real.register(descriptor, mask)

    def poll(self, timeout_ms: float) -> list[tuple[int, int]]:
        end_s = self._world.now_s + timeout_ms / 1000
        ready = self._real.poll(0)
        while not ready and self._world.pass_until(end_s):
            ready = self._real.poll(0)
        return ready
