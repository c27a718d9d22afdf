"""The first time on a site: long enough, and with enough independent frames, to know what is normal here.

Meanwhile alarms are raised and requests are held. A device that differs from the reference before its first verdict
differed when it arrived: nothing changed here, but the reference does not speak of this place.
"""

from __future__ import annotations

from agent.config import CommissioningConfig

_S_PER_HOUR = 3600.0
ARRIVAL = "arrival"
"""The detector that an alarm of before the first verdict names."""


class Commissioning:
    """How far it has come; time goes on only while frames come.

    Args:
        config: What it takes.

    Attributes:
        n_effective: Independent frames so far.
        elapsed_s: Seconds between the first and the last frame, pauses of workers left out.
        has_verdict: Whether a verdict was given since it began.
    """

    def __init__(self, config: CommissioningConfig) -> None:
        self._config = config
        self.n_effective = 0
        self.elapsed_s = 0.0
        self.has_verdict = False
        self._last_s: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether there were enough frames and enough time."""
        enough_s = self._config.hours * _S_PER_HOUR
        return self.n_effective >= self._config.n_effective and self.elapsed_s >= enough_s

    def tick(self, now_s: float) -> None:
        """A frame came at this monotonic time."""
        if self._last_s is not None:
            self.elapsed_s += max(0.0, now_s - self._last_s)
        self._last_s = now_s

    def restore(self, *, n_effective: int, elapsed_s: float, has_verdict: bool) -> None:
        """Go on where an earlier worker was."""
        self.n_effective, self.elapsed_s, self.has_verdict = n_effective, elapsed_s, has_verdict
