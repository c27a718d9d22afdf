"""Messages between supervisor and worker.

Each is one of the dataclasses below, told apart by ``type``; arrays travel beside it as bytes (``agent.ipc_frames``).

    supervisor -> worker: Configure once, then FrameIn, ShadowOn, SamplesOn, DeliverSamples, WipeSamples, EvidenceOn,
                          ResetDrift, RestoreDrift,
                          Snapshot, Feedback, RestoreAdaptation, UndoAdaptation, Stop at any time
    active     -> supervisor: Ready, then Heartbeat (at least each second), Alarm, Window, Verdict, DriftSaved,
                          PredictionOut, Adapted, SampleOut, ShadowFrame, SourceEnded; or Failed and the end
    candidate  -> supervisor: Ready, SelfTest, Heartbeat, then one ShadowVerdict for every FrameIn; or Failed
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.config import AdaptationConfig, DriftConfig, GatingConfig, SamplesConfig, SourceConfig
from edge_models.fields import described
from edge_models.tensors import Dtype
from edge_models.wire.predictions import SampleReason
from edge_models.wire.values import MESSAGE_ID

MAX_BODY_BYTES = 4 * 1024 * 1024  # a 1280 x 1024 RGB image of uint8 is 3.9 MB
MAX_NOTE_CHARS = 300
HEARTBEAT_S = 1.0  # a worker beats at least this often, with or without frames


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
    boot: int = described("Counts starts of the supervisor.", default=0, ge=0)
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
    """Start (again, from nothing) or stop merging whole windows into the evidence sketch that Window carries."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The model is loaded."""

    type: Literal["ready"] = described("Kind of message.", default="ready")
    runtime: str = described("Runtime and version.")
    artifact: str = described("Artifact that runs.")
    executor: str = described("How the runtime runs it.", default="")
    note: str = described("Why it is slower than it could be here.", default="", max_length=MAX_NOTE_CHARS)
    unadaptable: str = described("Why nothing can be learnt here.", default="", max_length=MAX_NOTE_CHARS)
    rss_kb: int = described("Resident memory of the worker.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """How the candidate did on the golden inputs."""

    type: Literal["self_test"] = described("Kind of message.", default="self_test")
    ok: bool = described("Whether it may go on.")
    reason: str = described("One sentence when it may not.", default="")
    worst_lsb: int = described("Largest difference in the stored code.", default=0)
    top1: float = described("Share of equal largest outputs.", default=1.0)
    p50_us: float = described("Median time of one inference.", default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A detector saw a change."""

    type: Literal["alarm"] = described("Kind of message.", default="alarm")
    position: int = described("Index of the frame.", ge=0)
    signal: str = described("Name of the signal.")
    detector: str = described("Name of the detector.")
    value: float = described("The signal's value, or the detector's statistic.", default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Figures of one full, non-overlapping window of frames."""

    type: Literal["window"] = described("Kind of message.", default="window")
    start: int = described("Index of its first frame.", ge=0)
    position: int = described("Index of its last frame.", ge=0)
    n: int = described("Frames in it.", ge=0)
    seconds: float = described("How long it took.", ge=0)
    rate_hz: float = described("Frames in a second.", ge=0)
    p50_us: float | None = described("Median time from frame to prediction; null when none was run.", ge=0)
    p95_us: float | None = described("95th percentile of it.", ge=0)
    mean_confidence: float | None = described("Mean of the largest probability.", default=None)
    classes: dict[str, int] = described("Predictions by class index.", default_factory=dict)
    sketch: str = described("Encoded sketch of the window.", default="")
    profile: str = described("Id of the profile that the sketch belongs to; empty without a profile.", default="")
    effects: dict[str, float] = described("KS distance of each signal from the profile.", default_factory=dict)
    class_effect: float | None = described("Total variation of the classes from the profile's.", default=None)
    evidence: str = described("Merged sketch since EvidenceOn; empty while off.", default="")
    evidence_n: int = described("Frames in it.", default=0, ge=0)
    refused: int = described("Frames that did not fit the model's input.", default=0, ge=0)
    held: int = described("Of n, frames that gating held.", default=0, ge=0)
    thin: int = described("Of so many frames one counts as independent, as far as known.", default=1, ge=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How far a stretch of independent frames is from the reference; stretches do not overlap."""

    type: Literal["verdict"] = described("Kind of message.", default="verdict")
    start: int = described("Index of its first frame.", ge=0)
    position: int = described("Index of its last frame.", ge=0)
    n: int = described("Frames in it, those that resemble their neighbours included.", ge=0)
    n_effective: int = described("Independent frames in it.", ge=0)
    thin: int = described("One of so many frames counts as independent.", default=1, ge=1)
    profile: str = described("Id of the profile that is the reference.")
    context: str = described("Context of the profile, or learnt here, that explains most of it.", default="")
    effects: dict[str, float] = described("KS distance of each signal from the contexts, best mixed.", ge=0, le=1)
    signature: dict[str, float] = described("Signed shift of each signal's mean rank, -1 to 1.", default_factory=dict)
    attribution: dict[str, float] = described(
        "Signals and classes that drive the trigger, largest first, shares of 1.", default_factory=dict
    )
    class_effect: float | None = described("Total variation of the classes from the reference.", default=None)
    class_n: int = described("Independent frames that it is measured on.", default=0, ge=0)
    class_count: int = described("Classes that it is measured over.", default=0, ge=0)
    accuracy: float | None = described("Estimated accuracy.", default=None)
    accuracy_low: float | None = described("Lower end of its 90 % interval.", default=None)
    accuracy_high: float | None = described("Upper end of it.", default=None)
    accuracy_reference: float | None = described("Accuracy on the reference, estimated the same way.", default=None)
    labelled: int = described("Labels that feedback gave lately.", default=0, ge=0)
    labelled_accuracy: float | None = described("Share of right answers among them.", default=None)
    changed_at: int | None = described("Frame at which the witness saw the first change of late.", default=None)
    is_learning: bool = described("Whether it went into a context that is being learnt.", default=False)
    commissioned: bool = described("Whether commissioning is over.", default=True)
    faults: dict[str, int] = described("Frames by fault: refused, out_of_range, repeated ...", default_factory=dict)
    evidence: str = described("Merged sketch since EvidenceOn; empty while off.", default="")
    evidence_n: int = described("Frames in it.", default=0, ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSaved:
    """The body is what a later worker needs to go on watching."""

    type: Literal["drift_saved"] = described("Kind of message.", default="drift_saved")
    kind: Literal["trigger", "contexts"] = described("State that changes always, or contexts learnt here.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionOut:
    """One prediction for the prediction topic."""

    type: Literal["prediction_out"] = described("Kind of message.", default="prediction_out")
    position: int | None = described("Index of the frame in its source.", default=None)
    seq: int = described("Counts predictions of this worker.", ge=0)
    label: int | None = described("Predicted class.", default=None)
    confidence: float | None = described("Its probability.", default=None)
    latency_us: float | None = described("From frame to prediction; null for a held one.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """Other weights correct predictions from now on; the body is what a later worker needs to go on with them."""

    type: Literal["adapted"] = described("Kind of message.", default="adapted")
    artifact: str = described("The artifact that they correct.")
    rev: int = described("Their revision; 0 for none.", ge=0)
    why: Literal["learnt", "rolled_back", "undone"] = described("What led to it.")
    labels: int = described("Labels taken so far by this worker.", ge=0)
    accuracy: float | None = described("Of these weights, on what decided.", default=None)
    unadapted: float | None = described("Of the artifact alone, on the same.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOut:
    """A frame worth labelling; the body is the array as the source delivered it."""

    type: Literal["sample_out"] = described("Kind of message.", default="sample_out")
    position: int | None = described("Index of the frame in its source.", default=None)
    seq: int = described("Counts predictions of this worker.", ge=0)
    why: SampleReason = described("Why it is worth a label; operator answers a Snapshot.")
    dtype: Dtype = described("Element type of the body.")
    shape: tuple[int, ...] = described("Shape of the body.")
    predicted: int | None = described("Predicted class.", default=None)
    confidence: float | None = described("Its probability.", default=None)
    signal: str | None = described("The signal that made it interesting.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowFrame:
    """A copy of a frame with the active model's answer; the body is the array."""

    type: Literal["shadow_frame"] = described("Kind of message.", default="shadow_frame")
    position: int | None = described("Index of the frame in its source.", default=None)
    label: int | None = described("What the active model said.", default=None)
    dtype: Dtype = described("Element type of the body.")
    shape: tuple[int, ...] = described("Shape of the body.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowVerdict:
    """How the candidate compares so far."""

    type: Literal["shadow_verdict"] = described("Kind of message.", default="shadow_verdict")
    n: int = described("Shadow frames run.", ge=0)
    agree: int = described("Of them, with the active model's label.", ge=0)
    nan: int = described("Of them, with an output that is no finite number.", ge=0)
    p95_us: float = described("95th percentile of the time of one frame.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The worker lives, and this is how far it has come."""

    type: Literal["heartbeat"] = described("Kind of message.", default="heartbeat")
    position: int = described("Index of the next frame to take.", ge=0)
    seq: int = described("Frames answered by this worker.", ge=0)
    refused: int = described("Frames that it could not use, messages that were none included.", default=0, ge=0)
    held: int = described("Of seq, frames that gating held.", default=0, ge=0)
    runtime: str = described("Runtime and version behind the executor; empty for the one of Ready.", default="")
    executor: str = described("How the runtime runs the model at the moment.", default="")
    mean_steps: float | None = described("Time steps that a frame takes, where there are any.", default=None)
    adapted_rev: int | None = described("Weights in use; 0 for none, null where nothing learns.", default=None, ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEnded:
    """The source has no more frames; the worker stays."""

    type: Literal["source_ended"] = described("Kind of message.", default="source_ended")
    position: int = described("Index after the last frame.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The worker cannot go on and exits."""

    type: Literal["failed"] = described("Kind of message.", default="failed")
    code: Literal["bundle", "runtime", "source", "config", "internal"] = described("Whose fault it is.")
    message: str = described("One sentence.", max_length=2000)


ToWorker = (
    Configure | FrameIn | ShadowOn | SamplesOn | DeliverSamples | WipeSamples | EvidenceOn | ResetDrift | RestoreDrift
    | Snapshot | Feedback | RestoreAdaptation | UndoAdaptation | Stop
)  # fmt: skip
FromWorker = (
    Ready | SelfTest | Alarm | Window | Verdict | DriftSaved | PredictionOut | Adapted | SampleOut | ShadowFrame
    | ShadowVerdict | Heartbeat | SourceEnded | Failed
)  # fmt: skip
Message = ToWorker | FromWorker
