"""The fleet side's only look at the clock; everything else is handed one of these."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits."""

    def unix_s(self) -> float:
        """Seconds since 1970; what is stored in the database, as other processes have to understand it."""

    def monotonic_s(self) -> float:
        """Seconds since some moment; what bounds of this process are measured with."""

    def sleep(self, duration_s: float) -> None:
        """Wait."""


class SystemClock:
    """This machine's clock."""

    def unix_s(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def monotonic_s(self) -> float:
        """Seconds since boot."""
        return time.monotonic()

    def sleep(self, duration_s: float) -> None:
        """Block this thread."""
        time.sleep(duration_s)
