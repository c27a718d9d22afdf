"""How many inputs may still leave the device today."""

from __future__ import annotations

from dataclasses import dataclass

DAY_S = 86400.0


@dataclass(slots=True, kw_only=True)
class SampleBudget:
    """Counts samples of a day; days are counted on the monotonic clock, which nobody sets."""

    per_day: int
    used: int = 0
    day_started_s: float = 0.0

    @property
    def left(self) -> int:
        """Samples left."""
        return max(0, self.per_day - self.used)

    def renew(self, now_s: float) -> bool:
        """Start a new day, 24 hours after the last one; whether that was due."""
        if now_s - self.day_started_s < DAY_S:
            return False
        self.day_started_s, self.used = now_s, 0
        return True
