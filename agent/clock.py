"""The clock of the machine, and how far to trust it.

A Pi has no battery for its clock, so after a power cut the time is wrong until NTP has answered. systemd-timesyncd
leaves a file when it has. Where it does not run (containers, other time services), a time after the day this was
released counts as right: a clock that starts at its build epoch is before it. SECURITY.md says what becomes of a clock
that is wrong all the same.
"""

from __future__ import annotations

import time
from pathlib import Path

TIMESYNC_DIRECTORY = Path("/run/systemd/timesync")
TIMESYNC_FILE = TIMESYNC_DIRECTORY / "synchronized"
RELEASED_S = 1_767_225_600  # 1 Jan 2026 00:00 UTC, before any build of this version


class SystemClock:
    """Clock and Sleeper ports on the operating system's clocks."""

    def monotonic_s(self) -> float:
        """Seconds that only ever rise."""
        return time.monotonic()

    def utc_s(self) -> float | None:
        """POSIX seconds, or None before the time has been synchronised."""
        now_s = time.time()
        if now_s < RELEASED_S:
            return None
        if TIMESYNC_DIRECTORY.is_dir() and not TIMESYNC_FILE.exists():
            return None
        return now_s

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
