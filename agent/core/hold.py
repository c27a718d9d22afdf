"""When a hold ends by itself. While the agent runs, the monotonic clock decides; over a restart, the time of day does.

The time of day may be unknown after a power cut, or wrong. So the record keeps both the end and what was left when it
was stored, and a start takes the shorter of the two: a clock that is behind cannot make a hold last longer. While the
time is not known, a start counts what was left anew, and corrects itself once the time is there. A clock that is set
ahead before a start ends the hold early; there is nothing on the device to tell it from time that has passed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from agent.core.records import HoldEnd, Now, UpdateRecord

LONGEST_S = 366 * 86400.0


@dataclass(slots=True)
class Hold:
    """The end on this start's monotonic clock; None for a hold without an end, or none at all."""

    end_s: float | None = None
    _has_time: bool = False

    def take_up(self, record: UpdateRecord, now: Now) -> None:
        """At a start: how much of a stored hold is left."""
        self._has_time = now.utc_s is not None
        self.end_s = None if record.hold is None else now.monotonic_s + _left_s(record.hold, now.utc_s)

    def begin(self, record: UpdateRecord, now: Now, *, for_s: float | None) -> UpdateRecord:
        """The record of a hold that begins now; without ``for_s`` somebody has to end it."""
        if for_s is None:
            self.end_s = None
            return replace(record, held=True, hold=None)
        self.end_s = now.monotonic_s + for_s
        self._has_time = now.utc_s is not None
        until_utc_s = None if now.utc_s is None else now.utc_s + for_s
        return replace(record, held=True, hold=HoldEnd(left_s=for_s, until_utc_s=until_utc_s))

    def end(self, record: UpdateRecord) -> UpdateRecord:
        """The record without a hold."""
        self.end_s = None
        return replace(record, held=False, hold=None)

    def on_time(self, record: UpdateRecord, now: Now) -> UpdateRecord:
        """The record as time passes: without the hold once it is over, with its end once the time of day is known."""
        if self.end_s is None or record.hold is None:
            return record
        if now.utc_s is not None and not self._has_time:
            self._has_time = True
            self.end_s = min(self.end_s, now.monotonic_s + _left_s(record.hold, now.utc_s))
        left_s = self.end_s - now.monotonic_s
        if left_s <= 0.0:
            return self.end(record)
        if now.utc_s is not None and record.hold.until_utc_s is None:
            return replace(record, hold=HoldEnd(left_s=left_s, until_utc_s=now.utc_s + left_s))
        return record


def _left_s(end: HoldEnd, utc_s: float | None) -> float:
    if utc_s is None or end.until_utc_s is None:
        return end.left_s
    return min(end.left_s, max(0.0, end.until_utc_s - utc_s))
