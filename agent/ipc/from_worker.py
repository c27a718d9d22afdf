"""What a worker tells of itself, of its frames and of what it learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_models.fields import described
from edge_models.tensors import Dtype
from edge_models.wire.predictions import SampleReason
from edge_models.wire.values import MAX_INT

MAX_NOTE_CHARS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The model is loaded."""

    type: Literal["ready"] = described("Kind of message.", default="ready")
    runtime: str = described("Runtime and version.")
    artifact: str = described("Artifact that runs.")
    executor: str = described("How the runtime runs it.", default="")
    note: str = described("Why it is slower than it could be here.", default="", max_length=MAX_NOTE_CHARS)
    unadaptable: str = described("Why nothing can be learnt here.", default="", max_length=MAX_NOTE_CHARS)
    rss_kb: int = described("Resident memory of the worker.", ge=0, le=MAX_INT)


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
class PredictionOut:
    """One prediction for the prediction topic."""

    type: Literal["prediction_out"] = described("Kind of message.", default="prediction_out")
    position: int | None = described("Index of the frame in its source.", default=None)
    seq: int = described("Counts predictions of this worker.", ge=0, le=MAX_INT)
    label: int | None = described("Predicted class.", default=None)
    confidence: float | None = described("Its probability.", default=None)
    latency_us: float | None = described("From frame to prediction; null for a held one.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """Other weights correct predictions from now on; the body is what a later worker needs to go on with them."""

    type: Literal["adapted"] = described("Kind of message.", default="adapted")
    artifact: str = described("The artifact that they correct.")
    rev: int = described("Their revision; 0 for none.", ge=0, le=MAX_INT)
    why: Literal["learnt", "rolled_back", "undone"] = described("What led to it.")
    labels: int = described("Labels taken so far by this worker.", ge=0, le=MAX_INT)
    accuracy: float | None = described("Of these weights, on what decided.", default=None)
    unadapted: float | None = described("Of the artifact alone, on the same.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOut:
    """A frame worth labelling; the body is the array as the source delivered it."""

    type: Literal["sample_out"] = described("Kind of message.", default="sample_out")
    position: int | None = described("Index of the frame in its source.", default=None)
    seq: int = described("Counts predictions of this worker.", ge=0, le=MAX_INT)
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
    seq: int | None = described("Of the prediction, as feedback names it.", default=None)
    effect: float | None = described(
        "Drift of the active model against its own profile over the frames copied so far; null without a profile.",
        default=None,
        ge=0,
    )
    p95_us: float | None = described("Processor time of the active model over the same frames.", default=None, ge=0)
    dtype: Dtype = described("Element type of the body.")
    shape: tuple[int, ...] = described("Shape of the body.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowVerdict:
    """How the candidate compares so far."""

    type: Literal["shadow_verdict"] = described("Kind of message.", default="shadow_verdict")
    n: int = described("Shadow frames run.", ge=0, le=MAX_INT)
    agree: int = described("Of them, with the active model's label.", ge=0, le=MAX_INT)
    nan: int = described("Of them, with an output that is no finite number.", ge=0, le=MAX_INT)
    p95_us: float = described("95th percentile of the processor time of one frame.", ge=0)
    constant: bool = described("Whether it gave the same output to every one of many unlike frames.", default=False)
    confidence: float | None = described("Mean of the largest probability.", default=None)
    effect: float | None = described(
        "Drift against its own profile over the same frames; null without a profile.", default=None, ge=0
    )
    active_effect: float | None = described("The active model's, as the last frame told it.", default=None, ge=0)
    active_p95_us: float | None = described("The active model's, likewise.", default=None, ge=0)
    labelled: int = described("Frames among them whose true class feedback told.", default=0, ge=0, le=MAX_INT)
    right: int = described("Of those, answered rightly by the candidate.", default=0, ge=0, le=MAX_INT)
    active_right: int = described("Of those, by the active model.", default=0, ge=0, le=MAX_INT)
    rss_kb: int = described("Resident memory of the candidate.", default=0, ge=0, le=MAX_INT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHealth:
    """How the model does on the last frames of this worker."""

    n: int = described("Frames that it is taken over.", ge=0, le=MAX_INT)
    not_finite: int = described("Of them, with an output that is no finite number.", default=0, ge=0, le=MAX_INT)
    constant: bool = described("Whether many unlike frames had the same output.", default=False)
    confidence: float | None = described("Mean of the largest probability.", default=None)
    reference_confidence: float | None = described("The same on the profile's reference.", default=None)
    p95_us: float | None = described("95th percentile of the processor time of one frame.", default=None, ge=0)
    effect: float | None = described("Drift against the artifact's own profile; null without one.", default=None, ge=0)
    golden_ok: bool | None = described("Whether the golden inputs gave the golden outputs; null before.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The worker lives, and this is how far it has come."""

    type: Literal["heartbeat"] = described("Kind of message.", default="heartbeat")
    position: int = described("Index of the next frame to take.", ge=0, le=MAX_INT)
    mark: str = described("What its source needs to go on there beside the position.", default="", max_length=400)
    seq: int = described("Frames answered by this worker.", ge=0, le=MAX_INT)
    refused: int = described(
        "Frames that it could not use, messages that were none included.", default=0, ge=0, le=MAX_INT
    )
    held: int = described("Of seq, frames that gating held.", default=0, ge=0, le=MAX_INT)
    runtime: str = described("Runtime and version behind the executor; empty for the one of Ready.", default="")
    executor: str = described("How the runtime runs the model at the moment.", default="")
    mean_steps: float | None = described("Time steps that a frame takes, where there are any.", default=None)
    adapted_rev: int | None = described(
        "Weights in use; 0 for none, null where nothing learns.", default=None, ge=0, le=MAX_INT
    )
    rss_kb: int = described("Resident memory of the worker; 0 where it cannot be read.", default=0, ge=0, le=MAX_INT)
    health: ModelHealth | None = described("How the model does; null before there is enough.", default=None)
    stages: dict[str, str] = described(
        "Latency histograms by stage since the worker started, encoded as edge_models.latency has it.",
        default_factory=dict,
        max_length=16,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDown:
    """The source failed; the worker stays and opens it again after a while."""

    type: Literal["source_down"] = described("Kind of message.", default="source_down")
    reason: str = described("One sentence.", max_length=MAX_NOTE_CHARS)
    failures: int = described("Failures in a row, this one included.", ge=1, le=MAX_INT)
    retry_s: float = described("Seconds until it is opened again.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceUp:
    """The source that had failed delivers again."""

    type: Literal["source_up"] = described("Kind of message.", default="source_up")
    down_s: float = described("Seconds without it.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEnded:
    """The source has no more frames; the worker stays."""

    type: Literal["source_ended"] = described("Kind of message.", default="source_ended")
    position: int = described("Index after the last frame.", ge=0, le=MAX_INT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The worker cannot go on and exits."""

    type: Literal["failed"] = described("Kind of message.", default="failed")
    code: Literal["bundle", "runtime", "source", "config", "internal"] = described("Whose fault it is.")
    message: str = described("One sentence.", max_length=2000)
