"""The verdict on drift, as a device publishes it. What leads to a request for a model is in ``update``."""

from __future__ import annotations

from dataclasses import dataclass

from edge_models.fields import described
from edge_models.manifest import BundleId
from edge_models.wire.telemetry import MAX_SIGNALS, DriftLevel, DriftState
from edge_models.wire.values import (
    CODE,
    MAX_INT,
    Timestamp,
    bundle_field,
    check_times,
    count_field,
    id_field,
    sent_field,
    share_field,
    shares_field,
    text_field,
    time_field,
    up_field,
    version_field,
)

MAX_NAME_CHARS = 40  # of a context or of a drift that an operator has named
MAX_ATTRIBUTED = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftReport:
    """The verdict on drift, retained; effects are measured, the impact is an estimate and named so."""

    v: int = version_field()
    ts: Timestamp | None = sent_field()
    up: float = up_field()
    state: DriftState = described("How far the episode has come.")
    since: Timestamp | None = time_field("When this state was entered.", default=None)
    position: int | None = count_field("Index of the frame at which it was entered.", default=None)
    changed_at: int | None = count_field("Index of the frame at which the input changed, as far as seen.", default=None)
    bundle: BundleId | None = bundle_field("The bundle whose profile is the reference.", default=None)
    artifact: str | None = text_field("The artifact whose profile is the reference.", default=None, max_length=40)
    context: str | None = text_field(
        "Context of the reference that the input is nearest to, such as day.", default=None, max_length=MAX_NAME_CHARS
    )
    level: DriftLevel | None = described("How much it matters; null while nothing was measured.", default=None)
    severity: float | None = share_field("Largest effect.", default=None)
    signal: str | None = text_field("The signal with the largest effect.", default=None, max_length=60)
    detector: str | None = text_field(
        "The detector that raised the alarm; arrival for a device that never was like its reference.",
        default=None,
        max_length=60,
    )
    attribution: dict[str, float] = shares_field(
        "Shares of signals and classes in what raised the alarm, the largest of them.", max_length=MAX_ATTRIBUTED
    )
    effects: dict[str, float] = shares_field("Distance of each signal from its reference.", max_length=MAX_SIGNALS)
    class_effect: float | None = share_field("Distance of the predicted classes from the reference.", default=None)
    n: int = count_field("Frames that the effects are measured on.", default=0)
    n_effective: int = count_field("Independent frames among them.", default=0)
    thin: int = described("Of so many frames one counts as independent.", default=1, ge=1, le=MAX_INT)
    estimated_accuracy: float | None = share_field("Estimated accuracy, without any label.", default=None)
    estimated_accuracy_low: float | None = share_field("Lower end of its 90 % interval.", default=None)
    estimated_accuracy_high: float | None = share_field("Upper end of its 90 % interval.", default=None)
    estimated_impact: float | None = share_field("Estimated loss of accuracy.", default=None)
    estimated_impact_low: float | None = share_field("Lower end of its interval.", default=None)
    estimated_impact_high: float | None = share_field("Upper end of its interval.", default=None)
    labelled: int = count_field("Labels that feedback gave lately.", default=0)
    labelled_accuracy: float | None = share_field("Share of right answers among them.", default=None)
    faults: dict[str, int] = described(
        "Frames by fault: refused, out_of_range, repeated.", default_factory=dict, max_length=16, ge=0, le=MAX_INT
    )
    commissioned: bool | None = described(
        "Whether the first time on this site is over, for which requests wait; null while not known.", default=None
    )
    on_arrival: bool = described("Whether the device was never like its reference.", default=False)
    learning: str | None = text_field(
        "Name of the context that the present input is being learnt as.", default=None, max_length=MAX_NAME_CHARS
    )
    known: str | None = text_field(
        "Name of the drift seen before that this one resembles.", default=None, max_length=MAX_NAME_CHARS
    )
    benign: bool = described("Whether an operator said that the known drift is harmless.", default=False)
    waits_for: str | None = described(
        "Why no model is asked for although drift is confirmed: commissioning, cooldown, benign, known or faults.",
        default=None,
        pattern=CODE,
    )
    request: str | None = id_field("The open request of this episode.", default=None)

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        check_times(self.ts, self.since)
