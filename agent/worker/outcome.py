"""What a frame and a true label led to, as ``agent.worker.stream`` gives it. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from agent.ipc import Verdict, Window
from agent.worker.adaptation.guard import Change
from agent.worker.drift.port import Alarm
from agent.worker.pipeline import PipelineResult
from agent.worker.sources.port import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What is said about a frame: by the artifact, or by the artifact and what was learnt here."""

    predicted: int | None
    confidence: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackOutcome:
    """What a true label led to.

    Attributes:
        alarms: Of detectors that watch errors, always those of the un-adapted artifact.
        change: Other weights that correct predictions from now on.
        refused: Why it is no label, one sentence; None when it is.
    """

    alarms: tuple[Alarm, ...] = ()
    change: Change | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameOutcome:
    """What one frame led to.

    Attributes:
        frame: The frame.
        seq: Number of the prediction, the second half of its id.
        result: What the pipeline made of it; nothing that was learnt here is in it.
        told: What is said about it.
        alarms: Signals that a detector found changed at this frame.
        window: Figures of the window that this frame filled.
        verdict: The verdict that this frame closed.
        drift_us: Time for signals, detectors and window.
    """

    frame: Frame
    seq: int
    result: PipelineResult
    told: Told
    alarms: tuple[Alarm, ...]
    window: Window | None
    drift_us: float
    verdict: Verdict | None = None
