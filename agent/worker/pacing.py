"""When to do what: schedules on a monotonic clock that is handed in. Nothing here waits."""

from __future__ import annotations

MAX_LAG_S = 1.0  # a stream that fell further behind goes on from now instead of catching up in a burst


class Pacer:
    """A steady rhythm that does not drift: times are counted from the first one, not from the last.

    Args:
        rate_hz: Times in a second.
        start_s: When the first one is due.

    Examples:
        >>> pacer = Pacer(rate_hz=10.0, start_s=5.0)
        >>> pacer.due_s
        5.0
        >>> pacer.advance(now_s=5.02)
        >>> pacer.due_s
        5.1
        >>> pacer.advance(now_s=9.0)
        >>> pacer.due_s
        9.0
    """

    def __init__(self, *, rate_hz: float, start_s: float) -> None:
        self._period_s = 1.0 / rate_hz
        self.due_s = start_s

    def advance(self, now_s: float) -> None:
        """The time that was due has been used; set the next one."""
        self.due_s += self._period_s
        if self.due_s < now_s - MAX_LAG_S:
            self.due_s = now_s


class RateLimit:
    """A token bucket: at most ``rate_hz`` in the long run, with bursts of up to a second's worth.

    Args:
        rate_hz: 0 allows nothing.

    Examples:
        >>> limit = RateLimit(rate_hz=1.0)
        >>> [limit.allows(t) for t in (0.0, 0.1, 1.2)]
        [True, False, True]
    """

    def __init__(self, *, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._capacity = max(1.0, rate_hz)
        self._tokens = self._capacity if rate_hz > 0 else 0.0
        self._last_s: float | None = None

    def allows(self, now_s: float) -> bool:
        """Whether one more may happen now; if so, it is counted."""
        if self._last_s is not None:
            self._tokens = min(self._capacity, self._tokens + (now_s - self._last_s) * self._rate_hz)
        self._last_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
