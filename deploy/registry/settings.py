"""Where the parts of a registry lie, and how long its signatures hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_models.fields import canonical_json, decode_json, described

MAX_SETTINGS_BYTES = 64 * 1024
_MAX_DAYS = 3650


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifetimes:
    """Days until each role's metadata expires; a device refuses expired metadata, which ends a freeze attack.

    The roles that only an offline key can renew last a year. Channels, snapshot and timestamp are what an attacker
    between registry and device could hold back, so they are short and ``renew`` (or ``serve``) keeps them fresh.
    """

    root: int = described("Trust in all other keys.", default=365, ge=1, le=_MAX_DAYS)
    targets: int = described("Delegation to bundles and channels.", default=365, ge=1, le=_MAX_DAYS)
    bundles: int = described("List of published bundles.", default=90, ge=1, le=_MAX_DAYS)
    channels: int = described("What devices should run.", default=7, ge=1, le=_MAX_DAYS)
    snapshot: int = described("Which versions of the lists belong together.", default=7, ge=1, le=_MAX_DAYS)
    timestamp: int = described("Which snapshot is the newest.", default=7, ge=1, le=_MAX_DAYS)

    def days(self, role: str) -> int:
        """Lifetime of the metadata of ``role``."""
        days: int = getattr(self, role)
        return days


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """registry.json: marks a directory as a registry."""

    v: Literal[1] = described("Version of the registry's layout.", default=1)
    expiry_days: Lifetimes = described("Lifetimes of signatures.", default_factory=Lifetimes)

    def to_bytes(self) -> bytes:
        """The stored form."""
        return canonical_json(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Settings:
        """Read the stored form; FieldError if it is not one."""
        return decode_json(cls, data, max_bytes=MAX_SETTINGS_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Paths inside a registry's directory; only ``public`` may ever be served."""

    directory: Path

    @property
    def settings(self) -> Path:
        """The file that makes the directory a registry."""
        return self.directory / "registry.json"

    @property
    def trusted_root(self) -> Path:
        """Version 1 of the root metadata: what a device is given once, over a channel that the operator trusts."""
        return self.directory / "root.json"

    @property
    def lock(self) -> Path:
        """Held while anything is written."""
        return self.directory / "lock"

    @property
    def public(self) -> Path:
        """Document root of the HTTP server."""
        return self.directory / "public"

    @property
    def metadata(self) -> Path:
        """TUF metadata."""
        return self.public / "metadata"

    @property
    def targets(self) -> Path:
        """TUF targets and, beside them, blobs."""
        return self.public / "targets"

    def blob(self, sha256: str) -> Path:
        """A file of a bundle, by its digest."""
        return self.targets / "blobs" / sha256

    def target(self, path: str, sha256: str) -> Path:
        """A TUF target under its consistent-snapshot name."""
        head, _, name = path.rpartition("/")
        return self.targets / head / f"{sha256}.{name}"

    def key(self, role: str) -> Path:
        """The private key of ``role``."""
        return self.directory / "keys" / ("offline" if role in OFFLINE_ROLES else "online") / f"{role}.pem"

    def materialised(self, bundle: str) -> Path:
        """Where a published bundle is put together again."""
        return self.directory / "bundles" / bundle


OFFLINE_ROLES = ("root", "targets")
ONLINE_ROLES = ("bundles", "channels", "snapshot", "timestamp")
