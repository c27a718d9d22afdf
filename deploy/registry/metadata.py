"""The TUF metadata of the registry: read verified, change, sign, write so that timestamp.json is the commit.

    state = store.load()                      everything that timestamp.json points at, every signature checked
    state.list_file("bundles", path, SignedFile(...))
    store.commit(state, changed=("bundles",)) new versions of the role, snapshot and timestamp

What lies in the metadata directory without being reached from timestamp.json does not exist: a publish that was killed
leaves such files, and the next one overwrites them. Own metadata is verified before it is signed anew, so that somebody
who can write the served files but holds no key cannot have their edits signed by the next publish.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Role,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization import DeserializationError

from deploy.clock import Clock
from deploy.registry.errors import RegistryDamagedError
from deploy.registry.files import write_durable
from deploy.registry.keys import create_key, load_key
from deploy.registry.settings import OFFLINE_ROLES, ONLINE_ROLES, Layout, Lifetimes

S = TypeVar("S", bound=Signed)

DELEGATED = {"bundles": "*/manifest.json", "channels": "channels/*/*"}
_KEPT_VERSIONS = 16  # a device that began to refresh before a publish still finds the versions it was told about
_MAX_METADATA_BYTES = 5_000_000  # what python-tuf's client accepts as targets metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedFile:
    """What a role says about one target."""

    size: int
    sha256: str
    custom: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class State:
    """The signed content of every role as it is published."""

    root: Root
    targets: Targets
    delegated: dict[str, Targets]
    snapshot: Snapshot
    timestamp: Timestamp

    def role(self, name: str) -> Targets:
        """The content of a targets role."""
        return self.targets if name == "targets" else self.delegated[name]

    def files(self, role: str) -> dict[str, SignedFile]:
        """The targets of a role by path."""
        return {
            path: SignedFile(size=target.length, sha256=target.hashes["sha256"], custom=target.custom or {})
            for path, target in self.role(role).targets.items()
        }

    def list_file(self, role: str, path: str, file: SignedFile) -> None:
        """Add a target to a role, or replace it; ``commit`` signs it."""
        custom = {"custom": file.custom} if file.custom else None
        self.role(role).targets[path] = TargetFile(file.size, {"sha256": file.sha256}, path, custom)

    def expiries(self) -> dict[str, datetime]:
        """When the metadata of each role expires."""
        roles: dict[str, Signed] = {
            "root": self.root,
            "targets": self.targets,
            **self.delegated,
            "snapshot": self.snapshot,
            "timestamp": self.timestamp,
        }
        return {name: signed.expires for name, signed in roles.items()}


class MetadataStore:
    """The metadata directory of one registry; callers hold the registry's lock while they write."""

    def __init__(self, layout: Layout, lifetimes: Lifetimes, clock: Clock) -> None:
        """Keep where, how long and what time it is; nothing is read yet."""
        self._layout = layout
        self._lifetimes = lifetimes
        self._clock = clock

    def create(self) -> None:
        """Make all keys and version 1 of every role."""
        keys = {role: create_key(self._layout.key(role)) for role in (*OFFLINE_ROLES, *ONLINE_ROLES)}
        state = _first_state(keys)
        self._write_root(state.root)
        write_durable(self._layout.trusted_root, self._path("root", 1).read_bytes())
        self._write(state, ("targets", *DELEGATED))

    def load(self) -> State:
        """Everything that timestamp.json points at.

        Raises:
            RegistryDamagedError: A file is missing, malformed, or not signed by the keys that devices trust.
        """
        root = self._load_root()
        timestamp = self._load(Timestamp, "timestamp", self._layout.metadata / "timestamp.json", root)
        snapshot = self._load(Snapshot, "snapshot", timestamp.snapshot_meta, root)
        targets = self._load(Targets, "targets", snapshot.meta["targets.json"], root)
        delegated = {role: self._load(Targets, role, snapshot.meta[f"{role}.json"], targets) for role in DELEGATED}
        return State(root=root, targets=targets, delegated=delegated, snapshot=snapshot, timestamp=timestamp)

    def commit(self, state: State, *, changed: Collection[str] = (), root: bool = False) -> None:
        """Sign new versions of the ``changed`` targets roles and of what depends on them, and publish them at once.

        Args:
            state: As loaded under the lock, and edited.
            changed: ``targets``, ``bundles`` or ``channels``.
            root: Also sign a new version of the root, which needs its offline key.
        """
        if root:
            state.root.version += 1
            self._write_root(state.root)
        for role in changed:
            state.role(role).version += 1
        state.snapshot.version += 1
        state.timestamp.version += 1
        self._write(state, changed)
        self._prune(state)

    def due(self, state: State, role: str) -> bool:
        """Whether less than half of the role's lifetime is left."""
        left = state.expiries()[role] - self._now()
        return left < timedelta(days=self._lifetimes.days(role)) / 2

    def _now(self) -> datetime:
        return datetime.fromtimestamp(int(self._clock.unix_s()), UTC)

    def _write(self, state: State, changed: Collection[str]) -> None:
        for role in changed:
            delegator = state.root if role == "targets" else state.targets
            data = self._signed(role, state.role(role), delegator)
            write_durable(self._path(role, state.role(role).version), data)
            state.snapshot.meta[f"{role}.json"] = MetaFile.from_data(state.role(role).version, data, ["sha256"])
        data = self._signed("snapshot", state.snapshot, state.root)
        write_durable(self._path("snapshot", state.snapshot.version), data)
        state.timestamp.snapshot_meta = MetaFile.from_data(state.snapshot.version, data, ["sha256"])
        data = self._signed("timestamp", state.timestamp, state.root)
        write_durable(self._layout.metadata / "timestamp.json", data)

    def _write_root(self, root: Root) -> None:
        write_durable(self._path("root", root.version), self._signed("root", root, root))

    def _signed(self, role: str, signed: Signed, delegator: Root | Targets) -> bytes:
        signed.expires = self._now() + timedelta(days=self._lifetimes.days(role))
        trusted = delegator.get_delegated_role(role).keyids
        metadata: Metadata[Any] = Metadata(signed)
        metadata.sign(load_key(self._layout.key(role), role=role, trusted=trusted))
        return metadata.to_bytes()

    def _load_root(self) -> Root:
        # As a device does: from the trusted version 1, each next one signed by the one before it and by itself.
        root = self._load(Root, "root", self._layout.trusted_root, None)
        while (path := self._path("root", root.version + 1)).exists():
            self._load(Root, "root", path, root)
            root = self._load(Root, "root", path, None)
        return root

    def _load(self, kind: type[S], role: str, where: Path | MetaFile, delegator: Root | Targets | None) -> S:
        path = self._path(role, where.version) if isinstance(where, MetaFile) else where
        try:
            data = _read(path)
            if isinstance(where, MetaFile):
                where.verify_length_and_hashes(data)
            metadata = Metadata[Any].from_bytes(data)
            signed = metadata.signed
            if not isinstance(signed, kind):
                raise RegistryDamagedError(f"{path}: {signed.type} metadata, expected {kind.type}")
            trusted = delegator or cast("Root", signed)
            trusted.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
        except (OSError, RepositoryError, DeserializationError) as exc:
            raise RegistryDamagedError(
                f"{path}: not what the registry's keys signed ({exc}); restore the registry from a backup"
            ) from exc
        return signed

    def _path(self, role: str, version: int) -> Path:
        return self._layout.metadata / f"{version}.{role}.json"

    def _prune(self, state: State) -> None:
        current = {"snapshot": state.snapshot.version, **{role: state.role(role).version for role in DELEGATED}}
        for path in self._layout.metadata.iterdir():
            match = re.fullmatch(r"(\d+)\.(\w+)\.json", path.name)
            if match and int(match[1]) <= current.get(match[2], 0) - _KEPT_VERSIONS:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(_MAX_METADATA_BYTES)


def _first_state(keys: dict[str, CryptoSigner]) -> State:
    top_level = ("root", "targets", "snapshot", "timestamp")
    return State(
        root=Root(
            keys={keys[role].public_key.keyid: keys[role].public_key for role in top_level},
            roles={role: Role([keys[role].public_key.keyid], 1) for role in top_level},
            consistent_snapshot=True,
        ),
        targets=Targets(
            delegations=Delegations(
                keys={keys[role].public_key.keyid: keys[role].public_key for role in DELEGATED},
                roles={
                    role: DelegatedRole(role, [keys[role].public_key.keyid], 1, terminating=True, paths=[pattern])
                    for role, pattern in DELEGATED.items()
                },
            )
        ),
        delegated={role: Targets() for role in DELEGATED},
        snapshot=Snapshot(),
        timestamp=Timestamp(),
    )
