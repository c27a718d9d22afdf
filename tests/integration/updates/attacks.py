"""The attacks between registry and device, as a table: what is done, what refuses it, and the code that a device tells.

SECURITY.md has the same rows for people (``rows``). Each is played with real signatures, real python-tuf and real HTTP;
everything that an attacker may have, short of the keys that a row does not name, is given to them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile, Snapshot, TargetFile, Targets, Timestamp

from deploy.clock import SystemClock
from deploy.registry import Registry
from edge_models.bundle import Bundle
from tests.integration.updates.hostile import HostileServer, compressed, endless, trickle
from tests.integration.updates.site import Event, Server, Site
from tests.integration.updates.thief import Thief, edit, gives_root_to, newest, replaces_key
from tests.unit.registry.bundles import make_bundle

FAR_FUTURE = datetime(2040, 1, 1, tzinfo=UTC)
SERIAL_OF_THEIRS = 9


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One row.

    Attributes:
        name: What the attacker does.
        refused_by: What stands in the way.
        code: What the device tells.
        play: Does it, and gives the device's last word.
        days_ago: When the registry last signed anything.
    """

    name: str
    refused_by: str
    code: str
    play: Callable[[Stage], Event]
    days_ago: float = 0.0


class Stage:
    """A registry with one published bundle, a device that has not looked yet, and whatever an attacker puts between."""

    def __init__(self, directory: Path, opened: ExitStack, *, days_ago: float = 0.0) -> None:
        self.directory = directory
        self._opened = opened
        self.site = Site(directory / "site", clock=Late(days_ago=days_ago))
        opened.callback(self.site.close)
        self.bundle = self.site.publish()
        self.thief = Thief(self.site)
        self.hostile: list[HostileServer] = []

    def theirs(self) -> Bundle:
        """A bundle that nobody published."""
        return make_bundle(self.directory / "theirs", serial=SERIAL_OF_THEIRS, seed=666)

    def between(self, is_target: Callable[[str], bool], body: Callable[[], Iterator[bytes]]) -> None:
        """Answer some paths with something else."""
        server = HostileServer(self.site.registry.public, is_target, body)
        self._opened.callback(server.close)
        self.hostile.append(server)
        self.site.url = server.url

    def served_by(self, registry: Registry) -> None:
        """Another registry takes the address."""
        server = Server(registry.public)
        self._opened.callback(server.stop)
        self.site.url = server.url

    def overwrite(self, path: Path, data: bytes) -> None:
        path.chmod(0o644)
        path.write_bytes(data)


class Late(SystemClock):
    """A registry that signed some days ago, and never again."""

    def __init__(self, *, days_ago: float) -> None:
        super().__init__()
        self._late_s = timedelta(days=days_ago).total_seconds()

    def unix_s(self) -> float:
        return super().unix_s() - self._late_s


def _flipped_bit(stage: Stage) -> Event:
    blob = stage.site.blob(stage.bundle)
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 0x10
    stage.overwrite(blob, bytes(data))
    return stage.site.fetch(stage.bundle)


def _other_blob(stage: Stage) -> Event:
    second = stage.site.publish()
    stage.overwrite(stage.site.blob(second), stage.site.blob(stage.bundle).read_bytes())
    return stage.site.fetch(second)


def _edited(role: str) -> Callable[[Stage], Event]:
    def play(stage: Stage) -> Event:
        path = stage.thief.timestamp if role == "timestamp" else newest(stage.site, role)
        edit(path, lambda document: document["signed"].update(expires="2040-01-01T00:00:00Z"))
        return stage.site.fetch(stage.bundle)

    return play


def _smuggled(stage: Stage) -> Event:
    stranger = Registry.create(stage.directory / "stranger")
    theirs = stage.theirs()
    stranger.publish(theirs.directory)
    for blob in (stranger.public / "targets/blobs").iterdir():
        if not (stage.site.registry.public / "targets/blobs" / blob.name).exists():
            shutil.copy(blob, stage.site.registry.public / "targets/blobs")
    shutil.copytree(stranger.public / "targets" / theirs.id, stage.site.registry.public / "targets" / theirs.id)
    return stage.site.fetch(theirs)


def _lists(bundle: Bundle) -> Callable[[Targets], None]:
    def change(signed: Targets) -> None:
        path = f"{bundle.id}/manifest.json"
        signed.targets[path] = TargetFile.from_file(path, str(bundle.directory / "manifest.json"), ["sha256"])

    return change


def _own_key(stage: Stage) -> Event:
    theirs = stage.theirs()
    stage.thief.forge("bundles", _lists(theirs), CryptoSigner.generate_ed25519())
    return stage.site.fetch(theirs)


def _key_of_another_role(stage: Stage) -> Event:
    def change(signed: Targets) -> None:
        signed.expires = FAR_FUTURE

    stage.thief.forge("channels", change, stage.thief.stolen("bundles"))
    return stage.site.check()


def _role_beyond_its_paths(stage: Stage) -> Event:
    theirs = stage.theirs()
    stage.thief.forge("channels", _lists(theirs), stage.thief.stolen("channels"))
    return stage.site.fetch(theirs)


def _old_timestamp(stage: Stage) -> Event:
    old = stage.thief.timestamp.read_bytes()
    newer = stage.site.publish()
    stage.site.check()
    stage.thief.timestamp.write_bytes(old)
    assert stage.site.check()["code"] == "rollback"
    return stage.site.fetch(newer)


def _old_snapshot(stage: Stage) -> Event:
    old = newest(stage.site, "snapshot")
    old_data, old_version = old.read_bytes(), int(old.name.split(".")[0])
    stage.site.publish()
    stage.site.check()

    def refer(timestamp: Timestamp) -> None:
        timestamp.snapshot_meta = MetaFile.from_data(old_version, old_data, ["sha256"])

    stage.thief.sign_timestamp(refer, stage.thief.stolen("timestamp"))
    return stage.site.check()


def _old_list(stage: Stage) -> Event:
    """The snapshot names an older version of the list of bundles than the device has seen."""
    old = newest(stage.site, "bundles")
    old_data, old_version = old.read_bytes(), int(old.name.split(".")[0])
    second = stage.site.publish()
    stage.site.fetch(second)

    def refer(snapshot: Snapshot) -> None:
        snapshot.meta["bundles.json"] = MetaFile.from_data(old_version, old_data, ["sha256"])

    stage.thief.sign_snapshot(refer, stage.thief.stolen("snapshot"))
    return stage.site.fetch(second)


def _mix_and_match(stage: Stage) -> Event:
    old = newest(stage.site, "bundles").read_bytes()
    second = stage.site.publish()
    newest(stage.site, "bundles").write_bytes(old)
    return stage.site.fetch(second)


def _dropped_role(stage: Stage) -> Event:
    stage.site.check()

    def change(snapshot: Snapshot) -> None:
        del snapshot.meta["channels.json"]

    stage.thief.sign_snapshot(change, stage.thief.stolen("snapshot"))
    return stage.site.check()


def _frozen(stage: Stage) -> Event:
    return stage.site.check()


def _frozen_with_the_clock_in_the_past(stage: Stage) -> Event:
    later = (datetime.now(UTC) + timedelta(days=8)).timestamp()
    assert stage.site.check(now_floor=later)["code"] == "expired"
    return stage.site.fetch(stage.bundle, now_floor=later)


def _old_root(stage: Stage) -> Event:
    return stage.site.check(now_floor=(datetime.now(UTC) + timedelta(days=366)).timestamp())


def _endless(what: str) -> Callable[[Stage], Event]:
    def play(stage: Stage) -> Event:
        stage.between(lambda path: path.endswith(what) or ("/" in what and what in path), endless)
        return stage.site.fetch(stage.bundle)

    return play


def _slow(what: str) -> Callable[[Stage], Event]:
    def play(stage: Stage) -> Event:
        stage.between(lambda path: what in path, trickle)
        return stage.site.fetch(stage.bundle, timeout_s=1)

    return play


def _compressed(stage: Stage) -> Event:
    stage.between(lambda path: "blobs" in path, compressed)
    return stage.site.fetch(stage.bundle)


def _garbage(content: bytes) -> Callable[[Stage], Event]:
    def play(stage: Stage) -> Event:
        bundle = stage.bundle.id
        stage.overwrite(stage.site.registry.public / "targets" / bundle / f"{bundle}.manifest.json", content)
        return stage.site.fetch(stage.bundle)

    return play


def _root_of_strangers(stage: Stage) -> Event:
    stage.site.check()
    stranger = CryptoSigner.generate_ed25519()
    stage.thief.next_root(gives_root_to(stranger), stranger)
    return stage.site.check()


def _root_below_the_threshold(stage: Stage) -> Event:
    old, first, second = stage.thief.stolen("root"), CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    stage.thief.next_root(gives_root_to(old, first, second, threshold=2), old, first)
    assert stage.site.check()["metadata_versions"]["root"] == 2
    stage.thief.next_root(gives_root_to(CryptoSigner.generate_ed25519()), old)
    return stage.site.check()


def _root_signed_twice_by_one(stage: Stage) -> Event:
    old, first = stage.thief.stolen("root"), CryptoSigner.generate_ed25519()
    stage.thief.next_root(gives_root_to(old, first, threshold=2), old, first)
    stage.site.check()
    stage.thief.next_root(lambda _: None, old)
    path = newest(stage.site, "root")
    edit(path, lambda document: document["signatures"].append(dict(document["signatures"][0])))
    return stage.site.check()


def _root_of_an_old_version(stage: Stage) -> Event:
    first = newest(stage.site, "root").read_bytes()
    (stage.thief.metadata / "2.root.json").write_bytes(first)
    return stage.site.check()


def _key_that_was_replaced(stage: Stage) -> Event:
    stage.site.check()
    new = CryptoSigner.generate_ed25519()
    stage.thief.next_root(replaces_key("timestamp", new), stage.thief.stolen("root"))
    stage.thief.sign_timestamp(lambda _: None, stage.thief.stolen("timestamp"))
    return stage.site.check()


def _other_registry(stage: Stage) -> Event:
    stage.site.check()
    stage.served_by(Registry.create(stage.directory / "stranger"))
    return stage.site.check()


def _too_large(stage: Stage) -> Event:
    return stage.site.fetch(stage.bundle, max_bytes=1000)


def _other_model(stage: Stage) -> Event:
    return stage.site.fetch(stage.bundle, model="hum")


_BY_DIGEST = "size and SHA-256 of the file in the signed manifest"
_BY_TARGET = "length and SHA-256 of the manifest in the signed list"
_BY_SIGNATURE = "the role's signature"
_BY_DELEGATION = "the keys and paths that the root's delegations give to a role"
_BY_VERSION = "versions that this device has seen, which never go back"
_BY_SNAPSHOT = "version, length and hash of each list in the signed snapshot"
_BY_EXPIRY = "expiry of the signatures: the timestamp's is a week"
_BY_BOUND = "a bound on every answer, from the signature or from the configuration"
_BY_DEADLINE = "the job's deadline, looked at with every piece that comes"
_BY_ROOT = "a new root counts only with a threshold of the old root's keys and of its own"

ATTACKS: tuple[Attack, ...] = (
    Attack(name="a bit of a file is flipped", refused_by=_BY_DIGEST, code="content", play=_flipped_bit),
    Attack(name="a file of another bundle under this name", refused_by=_BY_DIGEST, code="content", play=_other_blob),
    *(
        Attack(name=f"{role} metadata edited", refused_by=_BY_SIGNATURE, code="signature", play=_edited(role))
        for role in ("timestamp", "snapshot", "targets", "bundles")
    ),
    Attack(
        name="a bundle of a stranger beside ours", refused_by=_BY_DELEGATION, code="not_published", play=_smuggled
    ),
    Attack(
        name="thief of the snapshot and timestamp keys signs a bundle with a wrong key",
        refused_by=_BY_DELEGATION, code="signature", play=_own_key,
    ),
    Attack(
        name="thief of the bundles key signs a channel",
        refused_by=_BY_DELEGATION, code="signature", play=_key_of_another_role,
    ),
    Attack(
        name="thief of the channels key lists a bundle",
        refused_by=_BY_DELEGATION, code="not_published", play=_role_beyond_its_paths,
    ),
    Attack(name="rollback: an old timestamp again", refused_by=_BY_VERSION, code="rollback", play=_old_timestamp),
    Attack(
        name="rollback: thief of the timestamp key points at an old snapshot",
        refused_by=_BY_VERSION, code="rollback", play=_old_snapshot,
    ),
    Attack(
        name="rollback: thief of the snapshot and timestamp keys points at an old list",
        refused_by=_BY_VERSION, code="rollback", play=_old_list,
    ),
    Attack(
        name="mix and match: an old list under the name of the new one",
        refused_by=_BY_SNAPSHOT, code="signature", play=_mix_and_match,
    ),
    Attack(
        name="mix and match: a snapshot that no longer names a list",
        refused_by=_BY_VERSION, code="signature", play=_dropped_role,
    ),
    Attack(
        name="freeze: the same old answers for ever", refused_by=_BY_EXPIRY, code="expired", play=_frozen,
        days_ago=8,
    ),
    Attack(
        name="freeze, and the device's clock is in the past",
        refused_by="the latest time of which the device was sure", code="expired",
        play=_frozen_with_the_clock_in_the_past,
    ),
    Attack(name="freeze: a root of more than a year ago", refused_by=_BY_EXPIRY, code="expired", play=_old_root),
    *(
        Attack(name=f"endless data: {name}", refused_by=_BY_BOUND, code="content", play=_endless(what))
        for name, what in (
            ("a root", "2.root.json"), ("the timestamp", "timestamp.json"), ("the snapshot", "snapshot.json"),
            ("a list", "bundles.json"), ("a manifest", "manifest.json"), ("a file", "targets/blobs/"),
        )
    ),
    Attack(name="a byte now and then: metadata", refused_by=_BY_DEADLINE, code="deadline", play=_slow("timestamp")),
    Attack(name="a byte now and then: a file", refused_by=_BY_DEADLINE, code="deadline", play=_slow("blobs")),
    Attack(
        name="a compressed answer that nobody asked for",
        refused_by="no coding is ever undone", code="http", play=_compressed,
    ),
    *(
        Attack(name=f"a manifest that is {name}", refused_by=_BY_TARGET, code="content", play=_garbage(content))
        for name, content in (
            ("empty", b""), ("cut off", b"{"), ("another one", b'{"format_version":1}'), ("zeros", bytes(1800)),
        )
    ),
    Attack(
        name="a new root that the old one did not sign",
        refused_by=_BY_ROOT, code="signature", play=_root_of_strangers,
    ),
    Attack(
        name="threshold: one of two needed keys signs a new root",
        refused_by=_BY_ROOT, code="signature", play=_root_below_the_threshold,
    ),
    Attack(
        name="threshold: one key signs twice", refused_by=_BY_ROOT, code="signature", play=_root_signed_twice_by_one
    ),
    Attack(
        name="an old root under the name of the next one",
        refused_by="a new root has the next version", code="rollback", play=_root_of_an_old_version,
    ),
    Attack(
        name="a key that was replaced signs a timestamp",
        refused_by="the root's present keys", code="signature", play=_key_that_was_replaced,
    ),
    Attack(
        name="another registry at the same address",
        refused_by="the root.json of the device", code="signature", play=_other_registry,
    ),
    Attack(name="a signed bundle that fills the disk", refused_by=_BY_BOUND, code="too_large", play=_too_large),
    Attack(
        name="a signed bundle of another model",
        refused_by="the model in the signed manifest", code="unfit", play=_other_model,
    ),
)  # fmt: skip


def rows() -> list[str]:
    """The table as Markdown."""
    head = ["| attack | what refuses it | code |", "|---|---|---|"]
    return head + [f"| {attack.name} | {attack.refused_by} | `{attack.code}` |" for attack in ATTACKS]
