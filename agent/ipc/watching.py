"""What a worker tells of its stream: alarms, windows, verdicts, and what a later worker needs to go on watching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_models.fields import described
from edge_models.wire.values import MAX_INT

MAX_NAME_CHARS = 100
MAX_WINDOW_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A detector saw a change."""

    type: Literal["alarm"] = described("Kind of message.", default="alarm")
    position: int = described("Index of the frame.", ge=0, le=MAX_INT)
    signal: str = described("Name of the signal.", max_length=MAX_NAME_CHARS)
    detector: str = described("Name of the detector.", max_length=MAX_NAME_CHARS)
    value: float = described("The signal's value, or the detector's statistic.", default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Figures of one full, non-overlapping window of frames."""

    type: Literal["window"] = described("Kind of message.", default="window")
    start: int = described("Index of its first frame.", ge=0, le=MAX_INT)
    position: int = described("Index of its last frame.", ge=0, le=MAX_INT)
    n: int = described("Frames in it.", ge=0, le=MAX_INT)
    seconds: float = described("How long it took.", ge=0, le=MAX_WINDOW_S)
    rate_hz: float = described("Frames in a second.", ge=0)
    p50_us: float | None = described("Median time from frame to prediction; null when none was run.", ge=0)
    p95_us: float | None = described("95th percentile of it.", ge=0)
    mean_confidence: float | None = described("Mean of the largest probability.", default=None)
    classes: dict[str, int] = described("Predictions by class index.", default_factory=dict)
    sketch: str = described("Encoded sketch of the window.", default="")
    profile: str = described("Id of the profile that the sketch belongs to; empty without a profile.", default="")
    refused: int = described("Frames that did not fit the model's input.", default=0, ge=0, le=MAX_INT)
    held: int = described("Of n, frames that gating held.", default=0, ge=0, le=MAX_INT)
    thin: int = described("Of so many frames one counts as independent, as far as known.", default=1, ge=1, le=MAX_INT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How far a stretch of independent frames is from the reference; stretches do not overlap."""

    type: Literal["verdict"] = described("Kind of message.", default="verdict")
    start: int = described("Index of its first frame.", ge=0, le=MAX_INT)
    position: int = described("Index of its last frame.", ge=0, le=MAX_INT)
    n: int = described("Frames in it, those that resemble their neighbours included.", ge=0, le=MAX_INT)
    n_effective: int = described("Independent frames in it.", ge=0, le=MAX_INT)
    thin: int = described("One of so many frames counts as independent.", default=1, ge=1, le=MAX_INT)
    profile: str = described("Id of the profile that is the reference.")
    context: str = described("Context of the profile, or learnt here, that explains most of it.", default="")
    effects: dict[str, float] = described("KS distance of each signal from the contexts, best mixed.", ge=0, le=1)
    signature: dict[str, float] = described("Signed shift of each signal's mean rank, -1 to 1.", default_factory=dict)
    attribution: dict[str, float] = described(
        "Signals and classes that drive the trigger, largest first, shares of 1.", default_factory=dict
    )
    class_effect: float | None = described("Total variation of the classes from the reference.", default=None)
    class_n: int = described("Independent frames that it is measured on.", default=0, ge=0, le=MAX_INT)
    class_count: int = described("Classes that it is measured over.", default=0, ge=0, le=MAX_INT)
    accuracy: float | None = described("Estimated accuracy.", default=None)
    accuracy_low: float | None = described("Lower end of its 90 % interval.", default=None)
    accuracy_high: float | None = described("Upper end of it.", default=None)
    accuracy_reference: float | None = described("Accuracy on the reference, estimated the same way.", default=None)
    labelled: int = described("Labels that feedback gave lately.", default=0, ge=0, le=MAX_INT)
    labelled_accuracy: float | None = described("Share of right answers among them.", default=None)
    changed_at: int | None = described("Frame at which the witness saw the first change of late.", default=None)
    is_learning: bool = described("Whether it went into a context that is being learnt.", default=False)
    commissioned: bool = described("Whether commissioning is over.", default=True)
    faults: dict[str, int] = described("Frames by fault: refused, out_of_range, repeated ...", default_factory=dict)
    evidence: str = described("Merged sketch since EvidenceOn; empty while off.", default="")
    evidence_n: int = described("Frames in it.", default=0, ge=0, le=MAX_INT)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSaved:
    """The body is what a later worker needs to go on watching."""

    type: Literal["drift_saved"] = described("Kind of message.", default="drift_saved")
    kind: Literal["trigger", "contexts"] = described("State that changes always, or contexts learnt here.")
