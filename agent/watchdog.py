"""What systemd hears of the supervisor: ready, how it does, and that it makes progress.

The watchdog is fed by progress alone, never by a timer of its own:

- a turn of the supervisor's loop that came to its end without an unforeseen failure, and
- while frames are due, the worker: it took a frame, or another worker was started in its place, within the last
  ``LATE_S``. Frames are due when the source has a rhythm of its own (replay, camera, microphone, a CSV file that is not
  followed), delivers, and has not ended. The slot ends silent workers long before; this is for what it does not see.

A device without a model, without frames or with a dead source makes progress by turning: starting it again would
bring nothing back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from agent.config import CameraSource, CsvSource, MicrophoneSource, ReplaySource, SourceConfig
from agent.core.backoff import LONGEST_S
from agent.core.records import ActiveRecord
from agent.figures import SOURCE_OK, Figures
from agent.systemd_notify import Systemd
from edge_models.manifest import short

log = logging.getLogger(__name__)

LATE_S = 2 * LONGEST_S + 60.0  # the longest wait for a new worker, its start, and once more
PERIODS_LATE = 20  # of a source that is slower than that
FEEDS_IN_A_PERIOD = 4  # so that two that come late are not yet missed
STATUS_S = 10.0  # between two changes of the line in `systemctl status`


class Watchdog:
    """Feeds systemd's watchdog as long as there is progress.

    Args:
        systemd: Who listens.
        figures: Of the active worker.
        source: Where frames come from.
        has_model: Tells whether a model is to run.
        status: Gives one line for people from the monotonic time.
    """

    def __init__(
        self,
        systemd: Systemd,
        *,
        figures: Figures,
        source: SourceConfig | None,
        has_model: Callable[[], bool],
        status: Callable[[float], str],
    ) -> None:
        self._systemd = systemd
        self._figures = figures
        self._source = source
        self._has_model = has_model
        self._status = status
        self._feed_at_s: float | None = None
        self._status_at_s = 0.0
        self._told = ""
        self._progress: tuple[int, int] | None = None
        self._progress_s = 0.0
        self._is_late = False

    def ready(self, now_s: float) -> None:
        """The supervisor has begun: state recovered, worker started, on its way to the broker."""
        self._systemd.tell(READY="1", STATUS=self._status(now_s))
        self._status_at_s = now_s + STATUS_S
        self._progress_s = now_s
        self.turned(now_s)

    def turned(self, now_s: float) -> None:
        """A turn of the loop came to its end: feed the watchdog if it is time and the worker goes on, too."""
        if now_s >= self._status_at_s:
            self._tell_status(now_s)
        period_s = self._systemd.watchdog_s
        if period_s is None or (self._feed_at_s is not None and now_s < self._feed_at_s):
            return
        self._feed_at_s = now_s + period_s / FEEDS_IN_A_PERIOD
        if self._goes_on(now_s):
            self._systemd.tell(WATCHDOG="1")

    def next_deadline_s(self) -> float | None:
        """When a turn is needed at the latest."""
        return self._feed_at_s

    def stopping(self) -> None:
        """The supervisor ends on purpose."""
        self._systemd.tell(STOPPING="1", STATUS="stopping")

    def _tell_status(self, now_s: float) -> None:
        self._status_at_s = now_s + STATUS_S
        line = self._status(now_s)
        if line != self._told:
            self._told = line
            self._systemd.tell(STATUS=line)

    def _goes_on(self, now_s: float) -> bool:
        figures = self._figures
        progress = (figures.position, figures.restarts)
        if progress != self._progress or not self._is_due():
            self._progress, self._progress_s = progress, now_s
        late_s = now_s - self._progress_s
        was_late, self._is_late = self._is_late, late_s > self._bound_s()
        if self._is_late and not was_late:
            log.error("worker makes no progress late_s=%.0f, systemd's watchdog is fed no more", late_s)
        return not self._is_late

    def _is_due(self) -> bool:
        if self._figures.source not in (None, SOURCE_OK) or not self._has_model():
            return False
        match self._source:
            case ReplaySource() | CameraSource() | CsvSource(follow=False) | MicrophoneSource(hop=None):
                return True
            case _:
                return False

    def _bound_s(self) -> float:
        match self._source:
            case ReplaySource(rate_hz=rate_hz) | CameraSource(rate_hz=rate_hz) | CsvSource(rate_hz=rate_hz):
                return max(LATE_S, PERIODS_LATE / rate_hz)
            case _:
                return LATE_S


def status_line(active: ActiveRecord | None, figures: Figures, *, is_up: bool, now_s: float) -> str:
    """How the device does, as ``systemctl status`` shows it.

    Args:
        active: What runs.
        figures: Of the active worker.
        is_up: Whether the broker is connected.
        now_s: Monotonic time.
    """
    model = "no model" if active is None else f"model {active.version or short(active.bundle)}"
    broker = "broker up" if is_up else "broker down"
    source = "" if figures.source in (None, SOURCE_OK) else f", source: {figures.source}"
    return f"{model}, {figures.rate_hz(now_s):.1f} frames/s, {broker}{source}"
