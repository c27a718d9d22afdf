"""episode.json: the last episode of drift as a story that can be told to a person, kept through restarts.

The request policy decides, ``EpisodeHistory`` writes this down, and ``driftline-agent explain`` reads it. Steps are the
states that were entered; points are verdicts, thinned evenly to at most ``MAX_POINTS`` so that a year fits as well as
an hour. Positions count frames since the start of the worker's source, which begins anew with a start of the agent.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge_models.fields import described
from edge_models.manifest import SHA256, BundleId
from edge_models.wire.telemetry import DriftLevel, DriftState
from edge_models.wire.values import MESSAGE_ID, Timestamp, time_field

EPISODE_FILE = "episode.json"
MAX_EPISODE_BYTES = 64 * 1024
MAX_POINTS = 64
MAX_STEPS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeStep:
    """The episode entered a state, or something happened to it."""

    sign: str = described("What led to it: a name of the policy's table, such as alarm or confirmed.", max_length=40)
    state: DriftState = described("The state from then on.")
    position: int = described("Index of the frame.", ge=0)
    boot: int = described("Number of the agent's start, within which positions can be compared.", default=0, ge=0)
    ts: Timestamp | None = time_field("When; null while the clock was not synchronised.", default=None)
    up: float = described("Monotonic seconds since the agent started.", default=0.0, ge=0)
    signal: str | None = described("The signal with the largest effect, or the one of the alarm.", default=None)
    detector: str | None = described("The detector that raised the alarm.", default=None)
    severity: float | None = described("The largest effect.", default=None)
    note: str = described("Particulars for people, such as why a request was closed.", default="", max_length=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodePoint:
    """One verdict, in short."""

    position: int = described("Index of its last frame.", ge=0)
    boot: int = described("Number of the agent's start.", default=0, ge=0)
    ts: Timestamp | None = time_field("When; null while the clock was not synchronised.", default=None)
    up: float = described("Monotonic seconds since the agent started.", default=0.0, ge=0)
    state: DriftState = described("The state after it.")
    n_effective: int = described("Independent frames in it.", ge=0)
    effect: float = described("The largest effect.")
    limit: float = described("The effect that counts as over, for so many frames and signals.")
    signal: str = described("The signal with the largest effect.", default="")
    context: str = described("The context that explains most of it.", default="")
    class_effect: float | None = described("Distance of the predicted classes from the reference.", default=None)
    accuracy: float | None = described("Estimated accuracy.", default=None)
    accuracy_low: float | None = described("Lower end of its 90 % interval.", default=None)
    accuracy_high: float | None = described("Upper end of it.", default=None)
    labelled_accuracy: float | None = described("Share of right answers, where labels came.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeRecord:
    """One episode, from the last calm verdicts before it to its end, or to now."""

    v: int = described("Version of the document.", default=1, ge=1, le=1)
    device: str = described("Id of the device.", default="")
    model: str = described("The model slot.", default="")
    bundle: BundleId | None = described("The bundle whose profile is the reference.", default=None, pattern=SHA256)
    artifact: str = described("The artifact that ran.", default="")
    state: DriftState = described("Where it stands.")
    level: DriftLevel | None = described("How much it matters: the worst level that was confirmed.", default=None)
    detector: str | None = described("The detector that began it.", default=None)
    on_arrival: bool = described("Whether the device was never like its reference.", default=False)
    known: str | None = described("Name of the drift seen before that it resembles.", default=None)
    benign: bool = described("Whether an operator said that it is harmless.", default=False)
    waits_for: str | None = described("Why no model is asked for although it is confirmed.", default=None)
    changed_at: int | None = described("Frame at which the input changed, as far as seen.", default=None)
    thin: int = described("Of so many frames one counts as independent.", default=1, ge=1)
    commissioned: bool = described("Whether commissioning was over.", default=True)
    effects: dict[str, float] = described("Distance of each signal at the worst verdict.", default_factory=dict)
    signature: dict[str, float] = described("Signed shift of each signal there, -1 to 1.", default_factory=dict)
    attribution: dict[str, float] = described("Shares of signals and classes there.", default_factory=dict)
    accuracy_reference: float | None = described("Accuracy on the reference, estimated the same way.", default=None)
    faults: dict[str, int] = described("Frames by fault over the episode.", default_factory=dict)
    request: str | None = described("Id of its request for a model.", default=None, pattern=MESSAGE_ID)
    verdicts: int = described("Verdicts that it has had; points are some of them.", default=0, ge=0)
    every: int = described("One of so many verdicts is kept as a point.", default=1, ge=1)
    steps: tuple[EpisodeStep, ...] = described("What happened, oldest first.", default=(), max_length=MAX_STEPS)
    points: tuple[EpisodePoint, ...] = described("Verdicts, oldest first.", default=(), max_length=MAX_POINTS)
