"""A source that is opened again after it failed, so that a dead camera is news and not the end of a worker.

The first failure is tried again after a second, each further one after twice as long, at most a minute, give or take a
quarter so that devices behind one switch do not come back at once. What fails again before it has run for as long as it
had to wait counts on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from agent.ipc import SourceDown, SourceUp
from agent.worker.errors import SourceError, StuckSourceError
from agent.worker.sources.arrivals import Arrivals
from agent.worker.sources.capture import Capture
from agent.worker.sources.csv_tail import CsvTail
from agent.worker.sources.port import Frame, Source

log = logging.getLogger(__name__)

FIRST_S = 1.0
LONGEST_S = 60.0
JITTER = 0.25
QUIET_S = 30.0  # without a failure and without a frame: nothing is wrong, there is only nothing to deliver
MAX_REASON_CHARS = 300

OpenAt = Callable[[int, str], Source]
Tell = Callable[[SourceDown | SourceUp], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a source needs of its worker.

    Attributes:
        tell: Takes what the supervisor is to know.
        now_s: Monotonic time.
        rng: For jitter.
        was_down: Whether an earlier worker told that the source had failed, so that a recovery is still to be told.
    """

    tell: Tell
    now_s: Callable[[], float]
    rng: Random
    was_down: bool = False


class Restarting:
    """Another source, kept going; opened when the first frame is asked for.

    Args:
        open_at: Opens it at a position and a mark.
        rate_hz: Frames in a second at which to ask.
        position: Position of the first frame.
        mark: Where an earlier worker stopped, beyond what a position tells.
        around: The worker.
    """

    def __init__(
        self, open_at: OpenAt, *, rate_hz: float | None, position: int, mark: str, around: Surroundings
    ) -> None:
        self.rate_hz = rate_hz
        self._open_at = open_at
        self._position = position
        self._mark = mark
        self._around = around
        self._inner: Source | None = None
        self._failures = 0
        self._wait_s = self._opened_s = 0.0
        self._open_at_s = around.now_s()
        self._down_since_s: float | None = self._open_at_s if around.was_down else None
        self._has_delivered = False

    @property
    def position(self) -> int:
        """Position of the next frame."""
        return self._position if self._inner is None else self._inner.position

    @property
    def mark(self) -> str:
        """Where to go on, beyond what a position tells; empty for sources of which it tells all."""
        return self._inner.mark if isinstance(self._inner, (Arrivals, CsvTail)) else self._mark

    @property
    def ended(self) -> bool:
        """Whether there will be no more frames."""
        return self._inner is not None and self._inner.ended

    def read(self) -> Frame | None:
        """The next frame, or None; None, too, while it waits to be opened again.

        Raises:
            StuckSourceError: A driver hangs; only a new process helps.
        """
        now_s = self._around.now_s()
        if self._inner is None and now_s >= self._open_at_s:
            self._try_to_open(now_s)
        if self._inner is None:
            return None
        try:
            frame = self._inner.read()
        except SourceError as exc:
            self._fell(exc, now_s)
            return None
        self._has_delivered |= frame is not None
        if self._down_since_s is not None:
            self._recover(now_s)
        return frame

    def close(self) -> None:
        """Close it, and open it no more."""
        self._let_go()
        self._open_at_s = float("inf")

    def _try_to_open(self, now_s: float) -> None:
        try:
            self._inner = self._open_at(self._position, self._mark)
        except SourceError as exc:
            self._fell(exc, now_s)
        else:
            self._opened_s, self._has_delivered = now_s, False

    def _recover(self, now_s: float) -> None:
        """Tell that it delivers again, once it has done so for long enough."""
        fine_s = now_s - self._opened_s
        if self._down_since_s is None or fine_s < (self._wait_s if self._has_delivered else max(self._wait_s, QUIET_S)):
            return
        down_s = self._opened_s - self._down_since_s
        log.info("source up down_s=%.1f failures=%d", down_s, self._failures)
        self._failures, self._down_since_s = 0, None
        self._around.tell(SourceUp(down_s=max(0.0, down_s)))

    def _fell(self, exc: SourceError, now_s: float) -> None:
        stuck = self._let_go()
        if self._down_since_s is None:
            self._down_since_s = now_s
        self._failures += 1
        self._wait_s = min(LONGEST_S, FIRST_S * 2.0 ** min(self._failures - 1, 16))
        retry_s = self._wait_s * self._around.rng.uniform(1 - JITTER, 1 + JITTER)
        self._open_at_s = now_s + retry_s
        reason = " ".join(str(exc).split())[:MAX_REASON_CHARS]
        log.warning("source down failures=%d retry_s=%.1f reason=%s", self._failures, retry_s, reason)
        self._around.tell(SourceDown(reason=reason, failures=self._failures, retry_s=round(retry_s, 1)))
        if stuck:
            raise StuckSourceError(f"{exc}; its driver hangs, so the worker is started again") from exc

    def _let_go(self) -> bool:
        """Close what is open; whether a driver hangs."""
        inner = self._inner
        if inner is None:
            return False
        self._position, self._mark = inner.position, self.mark
        self._inner = None
        inner.close()
        return isinstance(inner, Capture) and inner.is_stuck
