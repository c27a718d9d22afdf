"""The documents in the state directory that survive a restart; ``Storage`` keeps them, this says what they hold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from edge_models.fields import described
from edge_models.manifest import SHA256, BundleId
from edge_models.wire.update import (
    Desired,
    GroupDesired,
    LastResult,
    ModelVersion,
    UpdateError,
    UpdatePhase,
)
from edge_models.wire.values import CODE, Timestamp

ACTIVE_FILE = "active.json"
UPDATE_FILE = "update.json"
REQUEST_FILE = "request.json"
BUNDLES_DIR = "bundles"
PART_SUFFIX = ".part"
MAX_RECORD_BYTES = 256 * 1024
MAX_BAD = 32
MAX_DECISIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveRecord:
    """active.json: the one pointer that says which model runs."""

    v: int = described("Version of the document.", default=1, ge=1, le=1)
    bundle: BundleId = described("The bundle to run.", pattern=SHA256)
    artifact: str = described("Its artifact.", max_length=40)
    version: str = described("Its version for people.", default="", max_length=64)
    serial: int = described("Its serial.", ge=1)
    previous: ModelVersion | None = described("The last good one, kept for a rollback.", default=None)
    provisional: bool = described("Whether it has yet to prove itself.", default=False)

    def as_version(self) -> ModelVersion:
        """The running bundle as reports name it."""
        return ModelVersion(bundle=self.bundle, version=self.version, artifact=self.artifact, serial=self.serial)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The bundle that an update would install, and whose wish it is."""

    bundle: BundleId = described("The bundle.", pattern=SHA256)
    serial: int | None = described("Serial that the channel lists.", default=None, ge=1)
    rev: int = described("Revision of the channel that named it.", ge=0)
    rollout: str | None = described("Rollout it belongs to.", default=None)
    answers: str | None = described("Model request it answers.", default=None)
    artifact: str | None = described("Artifact that fits this device, once known.", default=None)
    version: str = described("Its version for people, once known.", default="")

    def as_version(self) -> ModelVersion:
        """The target as reports name it."""
        return ModelVersion(bundle=self.bundle, version=self.version, artifact=self.artifact, serial=self.serial)


@dataclass(frozen=True, slots=True, kw_only=True)
class BadBundle:
    """A bundle that failed here; not tried again while the channel stays at the same revision."""

    bundle: BundleId = described("The bundle.", pattern=SHA256)
    rev: int = described("Revision of the channel at the time.", ge=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided on a bundle, and by which figures."""

    ts: Timestamp | None = described("When; null while the clock was not known.", default=None)
    phase: UpdatePhase = described("The state that it led to.")
    bundle: BundleId = described("The bundle.", pattern=SHA256)
    code: str = described("Why, for programs; ok when nothing spoke against it.", pattern=CODE)
    message: str = described("The same for people.", default="", max_length=500)
    evidence: dict[str, float] = described("The figures that it rests on.", default_factory=dict, max_length=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crashes:
    """Deaths of the active model in a row; WorkerSteady and another model end the row."""

    bundle: BundleId = described("The model.", pattern=SHA256)
    deaths: int = described("Of its worker.", default=0, ge=0)
    starts: int = described("Starts of the supervisor after which it never ran steadily.", default=0, ge=0)
    kernel: str | None = described("Boot of the kernel that the last start was in.", default=None, max_length=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodFigures:
    """How the last good model did before the new one took its place."""

    bundle: BundleId = described("That model.", pattern=SHA256)
    p95_us: float | None = described("95th percentile of the time of one frame.", default=None)
    effect: float | None = described("Drift against its own profile.", default=None)
    confidence: float | None = described("Mean of the largest probability.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldEnd:
    """When a hold ends. The clock may be unknown or wrong, so it never lasts longer than ``left_s`` from a start on."""

    left_s: float = described("Seconds of running that were left when this was stored.", ge=0)
    until_utc_s: float | None = described("The end in POSIX seconds; null until the clock is known.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRecord:
    """update.json: where the update machine is, stored before it does what the phase names."""

    v: int = described("Version of the document.", default=1, ge=1, le=1)
    phase: UpdatePhase = described("The state.", default=UpdatePhase.IDLE)
    target: Target | None = described("What is being installed, or was last.", default=None)
    attempt: int = described("Which attempt at the target.", default=0, ge=0)
    superseded: bool = described("Whether a rollback only makes room for a newer target.", default=False)
    bad: tuple[BadBundle, ...] = described("Bundles that failed here.", default=(), max_length=MAX_BAD)
    stores: int = described("Moves since the target was chosen, which bounds a loop.", default=0, ge=0)
    held: bool = described("Whether updates are held.", default=False)
    hold: HoldEnd | None = described("When the hold ends by itself; null for never.", default=None)
    decisions: tuple[Decision, ...] = described(
        "The last decisions, oldest first.", default=(), max_length=MAX_DECISIONS
    )
    crashes: Crashes | None = described("Deaths of the active model in a row.", default=None)
    good: GoodFigures | None = described("The last good model's figures, while the new one is unproven.", default=None)
    own_desired: Desired | None = described("The last hint to this device.", default=None)
    group_desired: dict[str, GroupDesired] = described("The last hint to each group.", default_factory=dict)
    error: UpdateError | None = described("Why the last update did not commit.", default=None)
    last_result: LastResult | None = described("How the last update ended.", default=None)
    metadata: dict[str, int] = described("Versions of the signed metadata.", default_factory=dict)

    def is_bad(self, bundle: BundleId, rev: int) -> bool:
        """Whether the bundle already failed at this revision of the channel."""
        return any(entry.bundle == bundle and entry.rev == rev for entry in self.bad)

    def with_bad(self, target: Target) -> UpdateRecord:
        """The record that also remembers this target as bad; entries of older revisions go first."""
        entry = BadBundle(bundle=target.bundle, rev=target.rev)
        kept = [old for old in self.bad if old != entry and old.rev >= target.rev]
        return replace(self, bad=(*kept, entry)[-MAX_BAD:])

    def with_decision(self, decision: Decision) -> UpdateRecord:
        """The record that also remembers this decision; the oldest goes first."""
        return replace(self, decisions=(*self.decisions, decision)[-MAX_DECISIONS:])

    @property
    def decision(self) -> Decision | None:
        """The last one."""
        return self.decisions[-1] if self.decisions else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """One moment on both clocks, given to every event."""

    monotonic_s: float
    utc_s: float | None = None
    boot: int = field(default=0)
