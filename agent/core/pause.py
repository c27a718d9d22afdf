"""A time to wait that outlives restarts, on whichever clock is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.core.records import Now
from edge_models.fields import described


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Waiting until a moment; the default one is over."""

    length_s: float = described("How long it is.", default=0.0, ge=0)
    until_utc_s: float | None = described("POSIX time of its end; null while the clock was not known.", default=None)
    until_monotonic_s: float = described("The same on the clock of this start.", default=0.0)

    def is_over(self, now: Now) -> bool:
        """Whether either clock has reached the end."""
        by_calendar = now.utc_s is not None and self.until_utc_s is not None and now.utc_s >= self.until_utc_s
        return self.length_s == 0 or by_calendar or now.monotonic_s >= self.until_monotonic_s

    def resumed(self, now: Now) -> Pause:
        """The same after a start, where monotonic time begins anew.

        Without a calendar nobody knows how long the device was off, so it waits for the whole length again.
        """
        left_s = self.length_s
        if now.utc_s is not None and self.until_utc_s is not None:
            left_s = min(left_s, max(0.0, self.until_utc_s - now.utc_s))
        return replace(self, until_monotonic_s=now.monotonic_s + left_s)


def pause_of(length_s: float, now: Now) -> Pause:
    """A pause that begins now."""
    until_utc_s = None if now.utc_s is None else round(now.utc_s + length_s, 3)
    return Pause(length_s=length_s, until_utc_s=until_utc_s, until_monotonic_s=round(now.monotonic_s + length_s, 3))
