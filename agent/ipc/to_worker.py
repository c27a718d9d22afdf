"""What the supervisor tells a worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.config import AdaptationConfig, DriftConfig, GatingConfig, SamplesConfig, SourceConfig
from edge_models.fields import described
from edge_models.tensors import Dtype
from edge_models.wire.values import MESSAGE_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """First message to a worker: what to run, and on what."""

    type: Literal["configure"] = described("Kind of message.", default="configure")
    role: Literal["active", "candidate"] = described("A candidate tests itself and answers shadow frames only.")
    bundle_dir: str = described("Directory of the bundle.")
    bundle: str = described("Id that the manifest in it must have.")
    artifact: str = described("Artifact to run.")
    source: SourceConfig | None = described("Where frames come from; null for a candidate.", default=None)
    hold_codes: int = described("Send-on-delta of a spiking network's input.", default=0, ge=0)
    gating: GatingConfig | None = described("Which frames are held; null for none.", default=None)
    drift: DriftConfig = described("Watching for drift.", default_factory=DriftConfig)
    adaptation: AdaptationConfig | None = described("Learning from feedback; null for none.", default=None)
    samples: SamplesConfig = described("Inputs that may leave.", default_factory=SamplesConfig)
    predictions_hz: float = described("PredictionOut in a second; 0 means none.", default=0.0, ge=0)
    position: int = described("Index of the first frame to take from the source.", default=0, ge=0)
    mark: str = described("As the last heartbeat of the worker before had it.", default="", max_length=400)
    source_down: bool = described("Whether the last worker told that the source had failed.", default=False)
    boot: int = described("Counts starts of the supervisor.", default=0, ge=0)
    standby: bool = described(
        "Load the model and say Ready, but leave the source alone until Go: the last worker still runs.", default=False
    )
    memory_mb: float | None = described("Resident memory at which it ends itself; null for no bound.", default=None)
    careful: bool = described("Beat before each of the first frames: the last worker died.", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameIn:
    """One frame for the worker; the body is the array, or JSON text."""

    type: Literal["frame_in"] = described("Kind of message.", default="frame_in")
    origin: Literal["mqtt", "shadow"] = described("From an mqtt source, or a copy of what the active worker saw.")
    encoding: Literal["raw", "json"] = described("How the body holds the array.", default="raw")
    dtype: Dtype | None = described("Element type of a raw body; null means as the manifest says.", default=None)
    shape: tuple[int, ...] | None = described("Shape of a raw body; null means as the manifest says.", default=None)
    position: int | None = described("Index of the frame in its source, if it has one.", default=None)
    label_of_active: int | None = described("What the active model said (shadow).", default=None)
    seq: int | None = described(
        "Of the active worker's prediction for it, as feedback names it (shadow).", default=None
    )
    effect_of_active: float | None = described("As ShadowFrame told it (shadow).", default=None, ge=0)
    p95_us_of_active: float | None = described("As ShadowFrame told it (shadow).", default=None, ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """To a worker on standby: the last one has stopped, open the source here and run."""

    type: Literal["go"] = described("Kind of message.", default="go")
    position: int = described("Index of the first frame to take from the source.", ge=0)
    mark: str = described("As the last heartbeat of the worker before had it.", default="", max_length=400)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowOn:
    """Start or stop copying frames out as ShadowFrame."""

    type: Literal["shadow_on"] = described("Kind of message.", default="shadow_on")
    on: bool = described("Whether to copy.")
    rate_hz: float = described("Largest rate.", default=20.0, ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplesOn:
    """Start or stop keeping frames worth labelling."""

    type: Literal["samples_on"] = described("Kind of message.", default="samples_on")
    on: bool = described("Whether to keep any.")
    budget_left: int = described("Samples that may still leave today.", default=0, ge=0)
    signal: str | None = described("The signal that drifted most, if one is known.", default=None)
    drifting: bool = described(
        "Whether an episode of drift is under way; as it begins, older frames go.", default=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverSamples:
    """Send frames worth labelling as SampleOut until so many have left, as fast as rate and budget allow."""

    type: Literal["deliver_samples"] = described("Kind of message.", default="deliver_samples")
    n: int = described("How many from now on; takes the place of what was asked before.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WipeSamples:
    """Forget the frames kept so far, and that any were asked for."""

    type: Literal["wipe_samples"] = described("Kind of message.", default="wipe_samples")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceOn:
    """Start (again, from nothing) or stop merging verdicts into the evidence sketch that Verdict carries."""

    type: Literal["evidence_on"] = described("Kind of message.", default="evidence_on")
    on: bool = described("Whether to merge.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetDrift:
    """Forget all detectors' memory and the window in progress: a new normal starts now."""

    type: Literal["reset_drift"] = described("Kind of message.", default="reset_drift")
    learn: str | None = described("Learn what comes next as a context of this name.", default=None, max_length=40)
    forget: bool = described("Drop contexts learnt here before.", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreDrift:
    """Go on with what an earlier worker knew of this stream; the body is that of its last DriftSaved."""

    type: Literal["restore_drift"] = described("Kind of message.", default="restore_drift")
    kind: Literal["trigger", "contexts"] = described("Which of the two.", default="trigger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Send the next frame as SampleOut with why=operator, whatever the budget says."""

    type: Literal["snapshot"] = described("Kind of message.", default="snapshot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """The true label of an earlier prediction."""

    type: Literal["feedback"] = described("Kind of message.", default="feedback")
    id: str = described("Id of the prediction: boot-seq.", pattern=MESSAGE_ID)
    label: int = described("True class.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreAdaptation:
    """Go on with what an earlier worker had learnt; the body is that of its last Adapted."""

    type: Literal["restore_adaptation"] = described("Kind of message.", default="restore_adaptation")


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoAdaptation:
    """Go back to the weights before, or else to none."""

    type: Literal["undo_adaptation"] = described("Kind of message.", default="undo_adaptation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Finish the frame in hand and exit with 0."""

    type: Literal["stop"] = described("Kind of message.", default="stop")
