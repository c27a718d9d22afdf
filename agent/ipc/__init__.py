"""Messages between supervisor and worker.

Each is one of the dataclasses below, told apart by ``type``; arrays travel beside it as bytes (``agent.ipc_frames``).

    supervisor -> worker: Configure once (then Go, to one on standby), then FrameIn, ShadowOn, SamplesOn,
                          DeliverSamples, WipeSamples, EvidenceOn, ResetDrift, RestoreDrift, Snapshot, Feedback,
                          RestoreAdaptation, UndoAdaptation, Stop at any time
    active     -> supervisor: Ready, then Heartbeat (at least each second), Alarm, Window, Verdict, DriftSaved,
                          PredictionOut, Adapted, SampleOut, ShadowFrame, SourceDown, SourceUp, SourceEnded; or
                          Failed and the end
    candidate  -> supervisor: Ready, SelfTest, Heartbeat, then one ShadowVerdict for every FrameIn; or Failed
"""

from __future__ import annotations

from agent.ipc.from_worker import (
    MAX_NOTE_CHARS,
    Adapted,
    Failed,
    Heartbeat,
    ModelHealth,
    PredictionOut,
    Ready,
    SampleOut,
    SelfTest,
    ShadowFrame,
    ShadowVerdict,
    SourceDown,
    SourceEnded,
    SourceUp,
)
from agent.ipc.to_worker import (
    Configure,
    DeliverSamples,
    EvidenceOn,
    Feedback,
    FrameIn,
    Go,
    ResetDrift,
    RestoreAdaptation,
    RestoreDrift,
    SamplesOn,
    ShadowOn,
    Snapshot,
    Stop,
    UndoAdaptation,
    WipeSamples,
)
from agent.ipc.watching import Alarm, DriftSaved, Verdict, Window

MAX_BODY_BYTES = 4 * 1024 * 1024  # a 1280 x 1024 RGB image of uint8 is 3.9 MB
HEARTBEAT_S = 1.0  # a worker beats at least this often, with or without frames

ToWorker = (
    Configure | Go | FrameIn | ShadowOn | SamplesOn | DeliverSamples | WipeSamples | EvidenceOn | ResetDrift
    | RestoreDrift | Snapshot | Feedback | RestoreAdaptation | UndoAdaptation | Stop
)  # fmt: skip
FromWorker = (
    Ready | SelfTest | Alarm | Window | Verdict | DriftSaved | PredictionOut | Adapted | SampleOut | ShadowFrame
    | ShadowVerdict | Heartbeat | SourceDown | SourceUp | SourceEnded | Failed
)  # fmt: skip
Message = ToWorker | FromWorker

__all__ = [
    "HEARTBEAT_S",
    "MAX_BODY_BYTES",
    "MAX_NOTE_CHARS",
    "Adapted",
    "Alarm",
    "Configure",
    "DeliverSamples",
    "DriftSaved",
    "EvidenceOn",
    "Failed",
    "Feedback",
    "FrameIn",
    "FromWorker",
    "Go",
    "Heartbeat",
    "Message",
    "ModelHealth",
    "PredictionOut",
    "Ready",
    "ResetDrift",
    "RestoreAdaptation",
    "RestoreDrift",
    "SampleOut",
    "SamplesOn",
    "SelfTest",
    "ShadowFrame",
    "ShadowOn",
    "ShadowVerdict",
    "Snapshot",
    "SourceDown",
    "SourceEnded",
    "SourceUp",
    "Stop",
    "ToWorker",
    "UndoAdaptation",
    "Verdict",
    "Window",
    "WipeSamples",
]
