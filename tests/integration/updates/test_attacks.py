"""Attacks on the way from registry to device: real signatures, real python-tuf, real HTTP.

Each test ends with the device's own word for what happened, and with nothing of the attacker's on its disk.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from deploy.clock import SystemClock
from deploy.registry import Registry
from edge_models.bundle import Bundle
from edge_models.channel import Channel, choose
from edge_models.fields import decode
from edge_models.wire.update import Desired
from tests.integration.updates.hostile import HostileServer, compressed, endless, trickle
from tests.integration.updates.site import Event, Server, Site
from tests.unit.registry.bundles import make_bundle

pytestmark = pytest.mark.integration

FAR_FUTURE = datetime(2040, 1, 1, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def hostile(site: Site) -> Iterator[Callable[..., HostileServer]]:
    """Put a hostile server between registry and device."""
    servers: list[HostileServer] = []

    def start(is_target: Callable[[str], bool], body: Callable[[], Iterator[bytes]]) -> HostileServer:
        server = HostileServer(site.registry.public, is_target, body)
        servers.append(server)
        site.url = server.url
        return server

    yield start
    for server in servers:
        server.close()


def refused(site: Site, event: Event, code: str, *bundles: Bundle) -> None:
    assert (event["event"], event.get("code")) == ("error", code), event
    for bundle in bundles:
        assert not (site.state / "bundles" / bundle.id).exists()


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document, separators=(",", ":")))


def newest(site: Site, role: str) -> Path:
    found = (site.registry.public / "metadata").glob(f"*.{role}.json")
    return max(found, key=lambda path: int(path.name.split(".")[0]))


class Thief:
    """Holds the registry's online snapshot and timestamp keys, and signs the rest with keys of their own."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.metadata = site.registry.public / "metadata"

    def stolen(self, role: str) -> CryptoSigner:
        place = "offline" if role in ("root", "targets") else "online"
        key = (self._site.registry.directory / "keys" / place / f"{role}.pem").read_bytes()
        private: Any = load_pem_private_key(key, password=None)
        return CryptoSigner(private)

    def forge(self, role: str, change: Callable[[Any], None], signer: CryptoSigner) -> None:
        """Publish a new version of ``role`` that ``change`` made, signed by ``signer``, with all that depends on it."""
        snapshot: Metadata[Snapshot] = Metadata.from_file(str(newest(self._site, "snapshot")))
        timestamp: Metadata[Timestamp] = Metadata.from_file(str(self.metadata / "timestamp.json"))
        forged: Metadata[Any] = Metadata.from_file(str(newest(self._site, role)))
        change(forged.signed)
        forged.signed.version += 1
        forged.sign(signer)
        data = forged.to_bytes()
        (self.metadata / f"{forged.signed.version}.{role}.json").write_bytes(data)
        snapshot.signed.meta[f"{role}.json"] = MetaFile.from_data(forged.signed.version, data, ["sha256"])
        snapshot.signed.version += 1
        snapshot.sign(self.stolen("snapshot"))
        data = snapshot.to_bytes()
        (self.metadata / f"{snapshot.signed.version}.snapshot.json").write_bytes(data)
        timestamp.signed.snapshot_meta = MetaFile.from_data(snapshot.signed.version, data, ["sha256"])
        timestamp.signed.version += 1
        timestamp.sign(self.stolen("timestamp"))
        timestamp.to_file(str(self.metadata / "timestamp.json"))


def with_another_root_key(site: Site) -> Metadata[Root]:
    """Version 2 of the root, whose only root key is a new one, signed by that one."""
    root: Metadata[Root] = Metadata.from_file(str(newest(site, "root")))
    signer = CryptoSigner.generate_ed25519()
    old = root.signed.roles["root"].keyids[0]
    root.signed.add_key(signer.public_key, "root")
    root.signed.revoke_key(old, "root")
    root.signed.version += 1
    root.sign(signer)
    return root


def test_nothing_is_wrong_without_an_attack(site: Site) -> None:
    bundle = site.publish()

    channel = decode(Channel, site.check())
    end = site.fetch(channel.bundle)

    assert (end["event"], end["downloaded"]) == ("done", 21_000)
    assert site.is_installed(bundle)


def test_bit_flip_in_a_blob(site: Site) -> None:
    bundle = site.publish()
    blob = site.blob(bundle)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 0x10
    blob.chmod(0o644)
    blob.write_bytes(data)

    refused(site, site.fetch(bundle), "content", bundle)


def test_blob_of_another_bundle_under_this_name(site: Site) -> None:
    first, second = site.publish(), site.publish()
    shutil.copyfile(site.blob(first), site.directory / "copy")
    site.blob(second).unlink()
    shutil.move(site.directory / "copy", site.blob(second))

    refused(site, site.fetch(second), "content", second)


@pytest.mark.parametrize("role", ["bundles", "targets", "snapshot"])
def test_edited_metadata(site: Site, role: str) -> None:
    bundle = site.publish()
    edit(newest(site, role), lambda document: document["signed"].update(expires="2040-01-01T00:00:00Z"))

    refused(site, site.fetch(bundle), "signature", bundle)


def test_edited_timestamp(site: Site) -> None:
    site.publish()
    edit(
        site.registry.public / "metadata/timestamp.json",
        lambda document: document["signed"].update(version=99),
    )

    refused(site, site.check(), "signature")


def test_thief_of_snapshot_and_timestamp_keys_cannot_publish(site: Site) -> None:
    site.publish()
    theirs = site.publish(on_channel=False)

    def name_theirs(signed: Targets) -> None:
        signed.expires = FAR_FUTURE

    Thief(site).forge("bundles", name_theirs, CryptoSigner.generate_ed25519())

    refused(site, site.fetch(theirs), "signature", theirs)


def test_channel_signed_with_the_wrong_key(site: Site) -> None:
    site.publish()
    thief = Thief(site)

    def change(signed: Targets) -> None:
        signed.expires = FAR_FUTURE

    thief.forge("channels", change, thief.stolen("bundles"))

    refused(site, site.check(), "signature")


def test_thief_of_the_channel_key_cannot_make_a_device_run_what_the_publisher_never_signed(
    site: Site, tmp_path: Path
) -> None:
    site.publish()
    stranger = Registry.create(tmp_path / "stranger")
    theirs = make_bundle(tmp_path / "evil", serial=9, seed=666)
    stranger.publish(theirs.directory)
    for blob in (stranger.public / "targets/blobs").iterdir():
        if not (site.registry.public / "targets/blobs" / blob.name).exists():
            shutil.copy(blob, site.registry.public / "targets/blobs")
    shutil.copytree(stranger.public / "targets" / theirs.id, site.registry.public / "targets" / theirs.id)

    refused(site, site.fetch(theirs), "not_published", theirs)


def test_channel_role_cannot_sign_bundles(site: Site, tmp_path: Path) -> None:
    # The story: the thief lists a bundle in the channels role, whose key they stole; its paths do not reach bundles.
    site.publish()
    theirs = make_bundle(tmp_path / "evil", serial=9, seed=666)
    thief = Thief(site)

    def list_theirs(signed: Targets) -> None:
        path = f"{theirs.id}/manifest.json"
        signed.targets[path] = TargetFile.from_file(path, str(theirs.directory / "manifest.json"), ["sha256"])

    thief.forge("channels", list_theirs, thief.stolen("channels"))

    refused(site, site.fetch(theirs), "not_published", theirs)


def test_replay_of_an_old_timestamp(site: Site) -> None:
    site.publish()
    timestamp = site.registry.public / "metadata/timestamp.json"
    old = timestamp.read_bytes()
    newer = site.publish()
    site.check()
    timestamp.write_bytes(old)

    refused(site, site.check(), "rollback")
    refused(site, site.fetch(newer), "rollback", newer)


def test_older_snapshot_behind_a_newer_timestamp(site: Site) -> None:
    # The thief of the timestamp key can point it at an old snapshot, but not past a device that saw the new one.
    site.publish()
    old = newest(site, "snapshot")
    old_data, old_version = old.read_bytes(), int(old.name.split(".")[0])
    site.publish()
    site.check()
    timestamp: Metadata[Timestamp] = Metadata.from_file(str(site.registry.public / "metadata/timestamp.json"))
    timestamp.signed.snapshot_meta = MetaFile.from_data(old_version, old_data, ["sha256"])
    timestamp.signed.version += 1
    timestamp.sign(Thief(site).stolen("timestamp"))
    timestamp.to_file(str(site.registry.public / "metadata/timestamp.json"))

    refused(site, site.check(), "rollback")


def test_freeze_ends_when_the_timestamp_expires(tmp_path: Path) -> None:
    # The story: what the attacker shows forever was right eight days ago.
    class EightDaysAgo(SystemClock):
        def unix_s(self) -> float:
            return super().unix_s() - timedelta(days=8).total_seconds()

    frozen = Site(tmp_path, clock=EightDaysAgo())
    frozen.publish()

    refused(frozen, frozen.check(), "expired")
    frozen.close()


def test_clock_in_the_past_does_not_help_a_freeze(site: Site) -> None:
    # A Pi woke up in the past, where the metadata looks fresh; it remembers a later time that it was once sure of.
    bundle = site.publish()
    later = (datetime.now(UTC) + timedelta(days=8)).timestamp()

    refused(site, site.check(now_floor=later), "expired")
    refused(site, site.fetch(bundle, now_floor=later), "expired", bundle)


@pytest.mark.parametrize("name", ["timestamp.json", "snapshot.json", "bundles.json"])
def test_endless_metadata(site: Site, hostile: Callable[..., HostileServer], name: str) -> None:
    bundle = site.publish()
    server = hostile(lambda path: path.endswith(name), endless)

    refused(site, site.fetch(bundle), "content", bundle)
    assert server.sent_bytes < 8_000_000  # buffers of both sockets and a bounded read; the signed length is far less


@pytest.mark.parametrize("what", ["blobs", "manifest"])
def test_endless_target(site: Site, hostile: Callable[..., HostileServer], what: str) -> None:
    bundle = site.publish()
    server = hostile(lambda path: what in path and "targets" in path, endless)

    refused(site, site.fetch(bundle), "content", bundle)
    assert server.sent_bytes < 8_000_000
    assert sum(path.stat().st_size for path in site.state.rglob("*") if path.is_file()) < 20_000


@pytest.mark.parametrize("what", ["timestamp", "blobs"])
def test_slow_retrieval_ends_at_the_deadline(site: Site, hostile: Callable[..., HostileServer], what: str) -> None:
    bundle = site.publish()
    hostile(lambda path: what in path, trickle)

    refused(site, site.fetch(bundle, timeout_s=1), "deadline", bundle)


def test_coding_that_nobody_asked_for(site: Site, hostile: Callable[..., HostileServer]) -> None:
    bundle = site.publish()
    hostile(lambda path: "blobs" in path, compressed)

    refused(site, site.fetch(bundle), "http", bundle)


@pytest.mark.parametrize("content", [b"", b"{", b'{"format_version":1}', b"\x00" * 1800])
def test_truncated_or_garbage_manifest(site: Site, content: bytes) -> None:
    bundle = site.publish()
    manifest = site.registry.public / "targets" / bundle.id / f"{bundle.id}.manifest.json"
    manifest.chmod(0o644)
    manifest.write_bytes(content)

    refused(site, site.fetch(bundle), "content", bundle)


def test_root_that_the_old_root_did_not_sign(site: Site) -> None:
    site.publish()
    site.check()
    root = with_another_root_key(site)
    root.to_file(str(site.registry.public / "metadata/2.root.json"))

    refused(site, site.check(), "signature")


def test_root_rotation_that_the_old_root_signed_is_followed(site: Site) -> None:
    bundle = site.publish()
    site.check()
    root = with_another_root_key(site)
    root.sign(Thief(site).stolen("root"), append=True)
    root.to_file(str(site.registry.public / "metadata/2.root.json"))

    assert site.check()["metadata_versions"]["root"] == 2
    assert site.fetch(bundle)["event"] == "done"


def test_forged_hint_to_an_older_signed_bundle(site: Site) -> None:
    # MQTT carries no signature: a forged `desired` may name any bundle, here an old one with a known weakness.
    old = site.publish()
    new = site.publish()
    channel = decode(Channel, site.check())

    choice = choose(channel, "pi7-cam", Desired(rev=99, bundle=old.id), current_serial=2)

    assert choice.bundle == new.id
    assert choice.refused is not None


def test_other_registry_on_the_same_address(site: Site, tmp_path: Path) -> None:
    site.publish()
    site.check()
    stranger = Registry.create(tmp_path / "stranger")
    server = Server(stranger.public)
    site.url = server.url

    event = site.check()

    server.stop()
    refused(site, event, "signature")
