"""The latest time of which this device was sure: below it, signatures that have expired do not become fresh again.

A Pi without a battery wakes up in the past, where everything looks fresh; the floor is what it remembers. A clock that
is wrong towards the future must not raise it, or the device would refuse whatever the registry signs until then. So the
floor never rises above the time at which the newest metadata that this device has accepted expire. Nothing is lost by
that: beyond it all that an attacker could show has expired, and what the registry signs anew lies above it. A clock
that runs ten years ahead for a while costs the updates of that while, and of the days until the registry renews.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from agent.core import events as ev
from agent.errors import StorageError
from agent.parts import Watched
from agent.ports import Clock

log = logging.getLogger(__name__)

STORE_PERIOD_S = 3600.0  # between two writes of the floor


class TrustedTime:
    """The floor; a part of the supervisor's loop, which raises it as time goes by.

    Args:
        clock: Says None as long as it is not known to be right.
        stored_s: The floor on the disk, POSIX seconds; 0 for none.
        store: Writes it there.

    Attributes:
        floor_s: POSIX seconds.
    """

    def __init__(self, clock: Clock, *, stored_s: float, store: Callable[[float], None]) -> None:
        self._clock = clock
        self._store = store
        self._stored_s = stored_s
        self._fresh_until_s = 0.0
        self.floor_s = stored_s

    def accepted(self, *, until_s: float) -> None:
        """Metadata were accepted that expire then."""
        self._fresh_until_s = until_s

    def watched(self) -> Iterable[Watched]:
        """Nothing to wait for."""
        return ()

    def next_deadline_s(self) -> float | None:
        """Never: minutes do not matter here."""
        return None

    def tick(self, now_s: float) -> list[ev.Event]:  # noqa: ARG002 - a part's
        """Raise the floor, and store it now and then."""
        utc_s = self._clock.utc_s()
        if utc_s is not None:
            self.floor_s = max(self.floor_s, min(utc_s, self._fresh_until_s))
        if self.floor_s >= self._stored_s + STORE_PERIOD_S:
            self._stored_s = self.floor_s  # also when it fails: the next try is due in an hour
            try:
                self._store(self.floor_s)
            except StorageError as exc:
                log.warning("time floor not stored reason=%s", exc)
        return []

    def close(self) -> None:
        """Nothing to free."""
