"""What watching one frame led to."""

from __future__ import annotations

from dataclasses import dataclass

from agent.ipc import Verdict
from agent.worker.drift.port import Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a frame led to.

    Attributes:
        alarms: Of detectors that say that something changed.
        verdict: On the stretch of frames that it closed; None for most frames.
    """

    alarms: tuple[Alarm, ...] = ()
    verdict: Verdict | None = None
