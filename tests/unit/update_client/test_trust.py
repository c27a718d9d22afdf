"""Which signed documents a device accepts, against a real registry and a network in memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import StorageError
from agent.storage import Operation, Storage
from agent.update_client.errors import (
    ClientError,
    ContentError,
    ExpiredError,
    NotPublishedError,
    RefusedError,
    RollbackError,
    ServerError,
    TrustError,
)
from agent.update_client.pacing import Deadline
from agent.update_client.trust import METADATA_DIR, TrustedRepository
from deploy.registry import Lifetimes, Registry
from edge_models.bundle import Bundle
from edge_models.channel import Channel, channel_target, manifest_target
from tests.unit.registry.bundles import make_bundle
from tests.unit.update_client.fakes import BASE, FakeTime, Fault, MemoryTransport

CHANNEL = channel_target("digits", "stable")


class Site:
    """A registry with one bundle on one channel, and a device that looks at it."""

    def __init__(self, registry: Registry, bundle: Bundle, state: Path) -> None:
        self.registry = registry
        self.bundle = bundle
        self.state = state
        self.transport = MemoryTransport(self._file)
        self.metadata = registry.public / "metadata"
        self.versions: dict[str, int] = {}

    def _file(self, path: str) -> bytes | None:
        file = self.registry.public / path.lstrip("/")
        return file.read_bytes() if file.is_file() else None

    def look(
        self, path: str = CHANNEL, *, now_s: float = 0.0, max_bytes: int = 100_000, storage: Storage | None = None
    ) -> bytes:
        repository = TrustedRepository(
            storage or Storage(self.state),
            self.transport,
            Deadline(FakeTime(), 60.0),
            metadata_url=f"{BASE}/metadata",
            targets_url=f"{BASE}/targets/",
            root=self.registry.trusted_root.read_bytes(),
            now_s=now_s,
        )
        data = repository.target(path, max_bytes=max_bytes)
        self.versions = repository.versions
        return data

    def stored(self, name: str) -> Path:
        return self.state / METADATA_DIR / name

    def set_channel(self, rev: int) -> Channel:
        listed = {self.bundle.id: 1}
        channel = Channel(model="digits", channel="stable", rev=rev, bundle=self.bundle.id, listed=listed)
        self.registry.set_channel(channel)
        return channel

    def snapshot_of_registry(self) -> Callable[[], None]:
        """Remember what is served, and return what restores it."""
        saved = self.registry.public.with_name("saved")
        shutil.copytree(self.registry.public, saved)

        def restore() -> None:
            shutil.rmtree(self.registry.public)
            shutil.copytree(saved, self.registry.public)

        return restore


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    directory = tmp_path_factory.mktemp("built")
    bundle = make_bundle(directory / "bundle")
    Registry.create(directory / "registry").publish(bundle.directory)
    return directory / "registry", bundle


@pytest.fixture
def site(tmp_path: Path, built: tuple[Path, Bundle]) -> Site:
    shutil.copytree(built[0], tmp_path / "registry")
    site = Site(Registry(tmp_path / "registry"), built[1], tmp_path / "state")
    site.set_channel(1)
    return site


def test_channel_and_manifest_arrive_as_they_were_published(site: Site) -> None:
    assert Channel.from_bytes(site.look()).rev == 1
    assert site.look(manifest_target(site.bundle.id)) == (site.bundle.directory / "manifest.json").read_bytes()


def test_versions_of_all_metadata_on_the_way_are_told(site: Site) -> None:
    site.look()

    assert site.versions == {"root": 1, "timestamp": 3, "snapshot": 3, "targets": 1, "channels": 2}


def test_second_look_asks_only_for_what_may_have_changed(site: Site) -> None:
    site.look()
    site.transport.requests.clear()

    site.look()

    paths = [request.path for request in site.transport.requests]
    assert paths[:2] == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert len(paths) == 3  # and the channel itself


def test_second_look_at_the_same_state_syncs_nothing(site: Site) -> None:
    operations: list[Operation] = []
    site.look(storage=Storage(site.state, observer=operations.append))
    assert any(operation.step == "fsync" for operation in operations)
    operations.clear()

    site.look(storage=Storage(site.state, observer=operations.append))

    assert operations == []


def test_metadata_is_synced_before_the_target_is_fetched(site: Site) -> None:
    story: list[str] = []
    site.transport.on_chunk = lambda: story.append(site.transport.requests[-1].path.split("/")[1])
    storage = Storage(site.state, observer=lambda operation: story.append(f"{operation.step} {operation.path.name}"))

    site.look(storage=storage)

    assert story[-1] == "targets"
    last_metadata = max(place for place, what in enumerate(story) if what == "metadata")
    for name in ("timestamp.json", "snapshot.json", "targets.json", "channels.json", "1.root.json", "seen.json.tmp"):
        assert f"fsync {name}" in story[last_metadata:]


def test_new_root_is_followed_from_version_one(site: Site) -> None:
    for _ in range(3):
        site.registry.renew(offline=True)

    site.look()

    assert site.versions["root"] == 4


@pytest.mark.parametrize("path", [channel_target("digits", "beta"), manifest_target("0" * 64), "nonsense", "a/b/c/d"])
def test_what_nobody_signed_is_not_published(site: Site, path: str) -> None:
    with pytest.raises(NotPublishedError, match="not in the registry's signed lists"):
        site.look(path)


def test_registry_of_somebody_else_is_not_trusted(site: Site, tmp_path: Path) -> None:
    stranger = Registry.create(tmp_path / "stranger")
    shutil.rmtree(site.registry.public)
    shutil.copytree(stranger.public, site.registry.public)

    with pytest.raises(TrustError):
        site.look()


def test_replayed_timestamp_is_a_rollback(site: Site) -> None:
    restore = site.snapshot_of_registry()
    site.set_channel(2)
    site.look()
    restore()

    with pytest.raises(RollbackError):
        site.look()


def test_replay_is_noticed_even_when_a_power_cut_tore_the_stored_metadata(site: Site) -> None:
    restore = site.snapshot_of_registry()
    site.set_channel(2)
    site.look()
    for name in ("timestamp.json", "snapshot.json"):
        site.stored(name).write_bytes(b"")
    restore()

    with pytest.raises(RollbackError, match="version 3, this device has seen 4"):
        site.look()


def test_withheld_root_rotation_is_noticed_when_the_stored_root_is_lost(site: Site) -> None:
    restore = site.snapshot_of_registry()
    site.registry.renew(offline=True)
    site.look()
    shutil.rmtree(site.stored("root_history"))
    restore()

    with pytest.raises(RollbackError):
        site.look()


@pytest.mark.parametrize("name", ["timestamp.json", "snapshot.json", "targets.json", "channels.json", "root.json"])
@pytest.mark.parametrize("content", [b"", b"\x00" * 400, b'{"signed": {}}', None])
def test_damaged_store_heals_from_the_registry(site: Site, name: str, content: bytes | None) -> None:
    site.look()
    site.stored(name).unlink()
    if content is not None:
        site.stored(name).write_bytes(content)

    assert Channel.from_bytes(site.look()).rev == 1


@pytest.mark.parametrize("content", [b"", b"{}", b'{"v": 1, "roles": {"timestamp": {"version": "x", "keys": []}}}'])
def test_damaged_record_of_seen_versions_counts_as_none(site: Site, content: bytes) -> None:
    site.look()
    (site.state / "tuf/seen.json").write_bytes(content)

    site.look()

    assert b'"version":3' in (site.state / "tuf/seen.json").read_bytes()


def test_temporary_files_of_a_killed_refresh_are_removed(site: Site) -> None:
    site.look()
    site.stored("tmpabc123").write_bytes(b"left over")

    site.look()

    assert not site.stored("tmpabc123").exists()


def test_metadata_older_than_a_time_this_device_was_sure_of_is_a_freeze(site: Site) -> None:
    expires_s = min(expires.timestamp() for expires in site.registry.expiries().values())
    site.look(now_s=expires_s - 1)

    with pytest.raises(ExpiredError, match=r"registry renew"):
        site.look(now_s=expires_s + 1)


def test_only_lists_on_the_way_to_the_target_must_be_fresh(site: Site, tmp_path: Path) -> None:
    site.registry = Registry.create(tmp_path / "other", lifetimes=Lifetimes(channels=1))
    site.registry.publish(site.bundle.directory)
    site.set_channel(1)
    in_two_days_s = site.registry.expiries()["channels"].timestamp() + 86400

    site.look(manifest_target(site.bundle.id), now_s=in_two_days_s)

    with pytest.raises(ExpiredError, match="channels metadata expired"):
        site.look(now_s=in_two_days_s)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(is_down=True), ServerError),
        (Fault(break_after=50), ServerError),
        (Fault(status=500), ServerError),
        (Fault(status=403), RefusedError),
        (Fault(status=404), RefusedError),
        (Fault(endless=True), ContentError),
        (Fault(content=b""), TrustError),
        (Fault(content=b"<html>log in to the hotel's network</html>"), TrustError),
        (Fault(content=b"[" * 10_000), TrustError),
        (Fault(content=b'{"signed":{"_type":"timestamp"},"signatures":[]}'), TrustError),
    ],
)
def test_each_failure_of_the_timestamp_has_its_class(site: Site, fault: Fault, error: type[Exception]) -> None:
    site.transport.fail("/metadata/timestamp.json", Fault(**vars(fault)))

    with pytest.raises(error) as caught:
        site.look()

    assert type(caught.value) is error
    site.transport.faults.clear()
    site.look()


@pytest.mark.parametrize("content", [b"", b"x" * 300, b"{}"])
def test_target_that_is_not_what_was_signed_is_refused(site: Site, content: bytes) -> None:
    target = next((site.registry.public / "targets/channels/digits").iterdir())
    target.write_bytes(content)

    with pytest.raises(ContentError):
        site.look()


def test_target_larger_than_a_device_wants_is_not_fetched(site: Site) -> None:
    with pytest.raises(ContentError, match="at most 10 are accepted"):
        site.look(max_bytes=10)

    assert not any(request.path.startswith("/targets") for request in site.transport.requests)


def test_disk_that_cannot_be_written_is_a_storage_error(site: Site) -> None:
    site.look()
    site.stored("timestamp.json").unlink()
    site.stored("timestamp.json").mkdir()

    with pytest.raises(StorageError, match="metadata cannot be stored"):
        site.look()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_the_network_does_to_a_file_it_is_right_or_one_of_our_errors(
    site: Site, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    public = site.registry.public
    files = [path for path in sorted(public.rglob("*.json")) if "channel" in path.name or "metadata" in str(path)]
    victim = data.draw(st.sampled_from(files))
    content = victim.read_bytes()
    start = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 40))
    changed = content[:start] + data.draw(st.binary(max_size=40)) + content[start + length :]
    site.transport.fail(f"/{victim.relative_to(public)}", Fault(content=changed, times=100))
    site.state = tmp_path_factory.mktemp("state")

    try:
        assert Channel.from_bytes(site.look()).rev == 1
    except ClientError:
        pass
    finally:
        site.transport.faults.clear()
