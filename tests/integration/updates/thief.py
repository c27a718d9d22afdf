"""What somebody with some of a registry's keys, or with keys of their own, can sign."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Timestamp

from tests.integration.updates.site import Site

Change = Callable[[Any], None]


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a document without signing it again."""
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document, separators=(",", ":")))


def newest(site: Site, role: str) -> Path:
    """The file with the highest version of a role."""
    found = (site.registry.public / "metadata").glob(f"*.{role}.json")
    return max(found, key=lambda path: int(path.name.split(".")[0]))


class Thief:
    """Signs with the registry's keys and with others; what else depends on the result is signed as it has to be."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.metadata = site.registry.public / "metadata"
        self.timestamp = self.metadata / "timestamp.json"

    def stolen(self, role: str) -> CryptoSigner:
        place = "offline" if role in ("root", "targets") else "online"
        key = (self._site.registry.directory / "keys" / place / f"{role}.pem").read_bytes()
        private: Any = load_pem_private_key(key, password=None)
        return CryptoSigner(private)

    def forge(self, role: str, change: Change, *signers: CryptoSigner) -> None:
        """Publish a new version of a role that ``change`` made, signed by these, with all that depends on it."""
        forged: Metadata[Any] = Metadata.from_file(str(newest(self._site, role)))
        change(forged.signed)
        forged.signed.version += 1
        self.publish(role, forged, *signers)

    def publish(self, role: str, forged: Metadata[Any], *signers: CryptoSigner) -> None:
        """Put a version of a targets role in place, with snapshot and timestamp."""
        forged.signatures.clear()
        for signer in signers:
            forged.sign(signer, append=True)
        data = forged.to_bytes()
        version = forged.signed.version
        (self.metadata / f"{version}.{role}.json").write_bytes(data)

        def refer(snapshot: Snapshot) -> None:
            snapshot.meta[f"{role}.json"] = MetaFile.from_data(version, data, ["sha256"])

        self.sign_snapshot(refer, self.stolen("snapshot"))

    def sign_snapshot(self, change: Change, signer: CryptoSigner) -> None:
        """A new snapshot and its timestamp."""
        snapshot: Metadata[Snapshot] = Metadata.from_file(str(newest(self._site, "snapshot")))
        change(snapshot.signed)
        snapshot.signed.version += 1
        snapshot.sign(signer)
        data = snapshot.to_bytes()
        (self.metadata / f"{snapshot.signed.version}.snapshot.json").write_bytes(data)

        def refer(timestamp: Timestamp) -> None:
            timestamp.snapshot_meta = MetaFile.from_data(snapshot.signed.version, data, ["sha256"])

        self.sign_timestamp(refer, self.stolen("timestamp"))

    def sign_timestamp(self, change: Change, signer: CryptoSigner) -> None:
        """A new timestamp."""
        timestamp: Metadata[Timestamp] = Metadata.from_file(str(self.timestamp))
        change(timestamp.signed)
        timestamp.signed.version += 1
        timestamp.sign(signer)
        timestamp.to_file(str(self.timestamp))

    def versions(self) -> tuple[bytes, bytes]:
        """Snapshot and timestamp as they are served now."""
        return newest(self._site, "snapshot").read_bytes(), self.timestamp.read_bytes()

    def sign_again(
        self, snapshot: bytes, snapshot_signer: CryptoSigner, timestamp: bytes, timestamp_signer: CryptoSigner
    ) -> None:
        """Serve these again, one version on, signed by new keys."""
        one: Metadata[Snapshot] = Metadata.from_bytes(snapshot)
        one.signed.version += 1
        one.sign(snapshot_signer)
        data = one.to_bytes()
        (self.metadata / f"{one.signed.version}.snapshot.json").write_bytes(data)
        two: Metadata[Timestamp] = Metadata.from_bytes(timestamp)
        two.signed.version += 1
        two.signed.snapshot_meta = MetaFile.from_data(one.signed.version, data, ["sha256"])
        two.sign(timestamp_signer)
        two.to_file(str(self.timestamp))

    def next_root(self, change: Change, *signers: CryptoSigner) -> None:
        """The next version of the root, signed by these."""
        root: Metadata[Root] = Metadata.from_file(str(newest(self._site, "root")))
        change(root.signed)
        root.signed.version += 1
        root.signatures.clear()
        for signer in signers:
            root.sign(signer, append=True)
        root.to_file(str(self.metadata / f"{root.signed.version}.root.json"))


def gives_root_to(*signers: CryptoSigner, threshold: int = 1) -> Change:
    """Only these keys, so many of them together, decide on the root from now on."""

    def change(root: Root) -> None:
        for old in list(root.roles["root"].keyids):
            root.revoke_key(old, "root")
        for signer in signers:
            root.add_key(signer.public_key, "root")
        root.roles["root"].threshold = threshold

    return change


def replaces_key(role: str, signer: CryptoSigner) -> Change:
    """A role of the root has another key from now on."""

    def change(root: Root) -> None:
        for old in list(root.roles[role].keyids):
            root.revoke_key(old, role)
        root.add_key(signer.public_key, role)

    return change
