"""What the active worker tells of its stream, as events of the core; all others are in ``agent.core.events``."""

from __future__ import annotations

from dataclasses import dataclass

from agent import ipc
from edge_models.manifest import BundleId


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStarted:
    """A fresh active worker has been configured; it knows nothing of what its forerunner was told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerAlarm:
    """A detector in the active worker saw a change."""

    alarm: ipc.Alarm


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerWindow:
    """The active worker finished a window."""

    window: ipc.Window


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerVerdict:
    """The active worker measured how far a stretch of frames is from the reference."""

    verdict: ipc.Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDriftSaved:
    """What the active worker knows of its stream, for the next one."""

    bundle: BundleId
    saved: ipc.DriftSaved
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPrediction:
    """A prediction to publish; of the bundle before while another one loads."""

    prediction: ipc.PredictionOut
    bundle: BundleId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSample:
    """An input worth a label."""

    sample: ipc.SampleOut
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerAdapted:
    """Other weights correct the active worker's predictions; ``body`` is what a later worker needs of them."""

    bundle: BundleId
    adapted: ipc.Adapted
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDown:
    """The active worker's source failed and will be opened again."""

    down: ipc.SourceDown


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceUp:
    """It delivers again."""

    up: ipc.SourceUp


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEnded:
    """The active worker's source has no more frames."""

    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSkipped:
    """A frame of the source that killed one worker after the other will not be run."""

    position: int
