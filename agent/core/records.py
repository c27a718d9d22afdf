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

ACTIVE_FILE = "active.json"
UPDATE_FILE = "update.json"
REQUEST_FILE = "request.json"
BUNDLES_DIR = "bundles"
PART_SUFFIX = ".part"
MAX_RECORD_BYTES = 256 * 1024
MAX_BAD = 32


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
class UpdateRecord:
    """update.json: where the update machine is, stored before it does what the phase names."""

    v: int = described("Version of the document.", default=1, ge=1, le=1)
    phase: UpdatePhase = described("The state.", default=UpdatePhase.IDLE)
    target: Target | None = described("What is being installed, or was last.", default=None)
    attempt: int = described("Which attempt at the target.", default=0, ge=0)
    superseded: bool = described("Whether a rollback only makes room for a newer target.", default=False)
    bad: tuple[BadBundle, ...] = described("Bundles that failed here.", default=(), max_length=MAX_BAD)
    held: bool = described("Whether updates are held.", default=False)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """One moment on both clocks, given to every event."""

    monotonic_s: float
    utc_s: float | None = None
    boot: int = field(default=0)
