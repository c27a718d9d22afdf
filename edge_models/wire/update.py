"""How a device gets another model: what it runs, what it asks for, what it is told to run.

``Desired`` is a hint only. What may run is said by the signed channel document (``edge_models.channel``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from edge_models.fields import described
from edge_models.manifest import MODEL_NAME, BundleId
from edge_models.wire.drift import MAX_ATTRIBUTED
from edge_models.wire.results import Outcome, remedy
from edge_models.wire.telemetry import MAX_SIGNALS, DriftLevel
from edge_models.wire.values import (
    CODE,
    MAX_INT,
    PROFILE_ID,
    Timestamp,
    bundle_field,
    check_times,
    count_field,
    id_field,
    received_field,
    sent_field,
    share_field,
    shares_field,
    text_field,
    time_field,
    up_field,
    version_field,
)

MAX_EVIDENCE_CHARS = 4096  # half of a request's 8 KiB; a sketch of 12 signals over many windows has some 1,600
HTTP_URL = r"https?://[^\s/]+\S*"


class UpdatePhase(StrEnum):
    """The states of the update machine; only ``committed`` counts for a rollout."""

    IDLE = "idle"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    SELF_TEST = "self_test"
    SHADOW = "shadow"
    PROVISIONAL = "provisional"
    COMMITTED = "committed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    REJECTED = "rejected"
    FAILED = "failed"


class RequestReason(StrEnum):
    """Why a device asks for another model."""

    DRIFT = "drift"
    OPERATOR = "operator"
    UNFIT = "unfit"  # no bundle it has, or was offered, works on it


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateEntity:
    """Home Assistant's ``update`` payload: these eight keys and no others, or it drops the whole message.

    Keys that are None are left out, because Home Assistant takes no null there; only ``update_percentage`` stays,
    where null means that no progress is known.
    """

    LEFT_OUT: ClassVar[frozenset[str]] = frozenset(
        {
            "installed_version",
            "latest_version",
            "title",
            "release_summary",
            "release_url",
            "entity_picture",
            "in_progress",
        }
    )
    """Keys that are left out rather than sent as null; a class with this takes no unknown keys either."""

    installed_version: str | None = text_field("Version that runs.", default=None, max_length=255)
    latest_version: str | None = text_field("Version that the channel names.", default=None, max_length=255)
    title: str | None = text_field("Name of the model.", default=None)
    release_summary: str | None = text_field("What is new.", default=None, max_length=255)
    release_url: str | None = described("Page about it.", default=None, max_length=1000, pattern=HTTP_URL)
    entity_picture: str | None = described("Picture of it.", default=None, max_length=1000, pattern=HTTP_URL)
    in_progress: bool | None = described("Whether an update runs.", default=None)
    update_percentage: float | None = described("Progress of the download.", default=None, ge=0, le=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One bundle as people and rollouts name it."""

    bundle: BundleId = bundle_field("Its digest.")
    version: str = text_field("Its version for people.", default="", max_length=64)
    artifact: str | None = text_field("The artifact that runs.", default=None, max_length=40)
    serial: int | None = described("Its serial.", default=None, ge=1, le=MAX_INT)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateError:
    """Why an update did not go on."""

    code: str = described("What failed, for programs.", pattern=CODE)
    message: str = text_field("What failed, for people.", default="", max_length=500)
    remedy: str = text_field("What to do about it, one sentence.", default="", max_length=300)

    @classmethod
    def of(cls, code: str, message: str) -> UpdateError:
        """The error with its remedy, and as much of the message as may be sent."""
        return cls(code=code, message=message[:500], remedy=remedy(code))


@dataclass(frozen=True, slots=True, kw_only=True)
class LastResult:
    """How the last update ended."""

    bundle: BundleId = bundle_field("The bundle that was tried.")
    outcome: UpdatePhase = described("The state in which it ended.")
    rollout: str | None = id_field("The rollout that it belonged to.", default=None)
    attempt: int = count_field("Attempts it took.", default=1)
    result: Outcome | None = described("What that has changed; null from older agents.", default=None)
    code: str | None = described("Code of what went wrong; null when nothing did.", default=None, pattern=CODE)
    remedy: str = text_field("What to do about it.", default="", max_length=300)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """The update machine of a device, retained."""

    v: int = version_field()
    ts: Timestamp | None = sent_field()
    up: float = up_field()
    phase: UpdatePhase = described("Where the update stands.")
    installed: ModelVersion | None = described("What runs; null when nothing does.", default=None)
    previous: ModelVersion | None = described("What a rollback would go back to.", default=None)
    target: ModelVersion | None = described("What the update would install.", default=None)
    bytes: int | None = count_field("Bytes of the target already here.", default=None)
    total: int | None = count_field("Bytes of the target.", default=None)
    attempt: int = count_field("Which attempt at this target.", default=0)
    rollout: str | None = id_field("The rollout that the target belongs to.", default=None)
    held: bool = described("Whether cmd/hold keeps updates from starting.", default=False)
    held_until: Timestamp | None = time_field(
        "When the hold ends by itself; null for never, and while the clock is unknown.", default=None
    )
    error: UpdateError | None = described("Why the last update did not commit.", default=None)
    last_result: LastResult | None = described("How the last update ended.", default=None)
    metadata: dict[str, int] = described(
        "Versions of the signed metadata last seen; a fleet notices a device that lost them.",
        default_factory=dict,
        max_length=16,
        ge=0,
        le=MAX_INT,
    )

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        check_times(self.ts, self.held_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the device saw: enough to look for a corruption of the training data that would look the same."""

    profile: str = described("First 16 hex digits of the sha256 of the profile compared with.", pattern=PROFILE_ID)
    sketch: str = text_field("Histograms of the drifted input, zlib + base64.", max_length=MAX_EVIDENCE_CHARS)
    n: int = count_field("Frames in the sketch.")
    effects: dict[str, float] = shares_field("Distance of each signal from the profile.", max_length=MAX_SIGNALS)
    since: Timestamp | None = time_field("When the drift was first suspected.", default=None)
    severity: float | None = share_field("Largest effect.", default=None)
    level: DriftLevel | None = described("How much it matters.", default=None)
    context: str | None = text_field("Context of the profile that the input is nearest to.", default=None)
    attribution: dict[str, float] = shares_field(
        "Shares of signals and classes in what raised the alarm, the largest of them.", max_length=MAX_ATTRIBUTED
    )
    n_effective: int | None = count_field("Independent frames in the last verdict before it.", default=None)
    estimated_accuracy: float | None = share_field("Estimated accuracy, without any label.", default=None)
    estimated_impact: float | None = share_field("Estimated loss of accuracy.", default=None)
    estimated_impact_low: float | None = share_field("Lower end of its 90 % interval.", default=None)
    estimated_impact_high: float | None = share_field("Upper end of it.", default=None)
    labelled: int = count_field("Labels that feedback gave lately.", default=0)
    labelled_accuracy: float | None = share_field("Share of right answers among them.", default=None)
    on_arrival: bool = described("Whether the device was never like the profile.", default=False)

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        check_times(self.since)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRequest:
    """A device's open request for another model; retained until answered, and the same id for the whole episode."""

    v: int = version_field()
    ts: Timestamp | None = sent_field()
    up: float = up_field()
    id: str = id_field("Identity of the request; a bundle and a desired model name it as what they answer.")
    reason: RequestReason = described("Why it asks.")
    model: str = described("The model slot.", pattern=MODEL_NAME)
    bundle: BundleId | None = bundle_field("The bundle it holds; null when none works.", default=None)
    artifact: str | None = text_field("The artifact it runs.", default=None, max_length=40)
    position: int | None = count_field("Index of the frame at which it decided to ask.", default=None)
    signal: str | None = text_field("The signal with the largest effect.", default=None, max_length=60)
    evidence: Evidence | None = described("What it saw; always there for drift.", default=None)
    capabilities: dict[str, str] = described("What it can run, by name.", default_factory=dict, max_length=32)
    samples_on_offer: int = count_field("Inputs it could still send for labelling.", default=0)

    def __post_init__(self) -> None:
        """Refuse a request for which nobody could train."""
        check_times(self.ts)
        if self.reason is RequestReason.DRIFT and (self.evidence is None or self.bundle is None):
            raise ValueError("bundle and evidence with reason drift")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """The bundle that the fleet side would like a device to run; obeyed only if the signed channel lists it."""

    v: int = version_field()
    ts: Timestamp | None = received_field()
    rev: int = count_field("Rises with every change; of two the higher wins.")
    bundle: BundleId = bundle_field("The bundle to run.")
    rollout: str | None = id_field("The rollout that this belongs to.", default=None)
    answers: str | None = id_field("The model request that this answers.", default=None)
    deadline: Timestamp | None = time_field("Not to be started after this.", default=None)

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        check_times(self.ts, self.deadline)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDesired(Desired):
    """As ``Desired``, for the share of a group that ``edge_models.channel.takes_part`` selects."""

    percent: int = described("Share of the group's devices.", default=100, ge=0, le=100)
    seed: str = text_field("Which devices are the first ones.", default="", max_length=64)
