"""What the registry promises to publishers."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deploy.registry import Lifetimes, Registry
from deploy.registry.errors import (
    ChannelError,
    RegistryBusyError,
    RegistryDamagedError,
    RegistryExistsError,
    RegistryMissingError,
    SerialError,
    SigningKeyError,
    UnknownBundleError,
)
from deploy.registry.files import locked
from edge_models.bundle import Bundle, open_bundle
from edge_models.channel import Channel
from edge_models.errors import IntegrityError
from tests.unit.registry.bundles import make_bundle
from tests.unit.registry.fakes import DAY_S, FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def registry(tmp_path: Path, clock: FakeClock) -> Registry:
    return Registry.create(tmp_path / "registry", clock=clock)


def channel_of(bundle: Bundle, *, rev: int = 1, name: str = "stable") -> Channel:
    listed = {bundle.id: bundle.manifest.serial}
    return Channel(model=bundle.manifest.model, channel=name, rev=rev, bundle=bundle.id, listed=listed)


def test_published_bundle_comes_back_byte_for_byte(registry: Registry, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")

    published = registry.publish(bundle.directory)

    copy = registry.bundle_dir(published)
    assert published == bundle.id
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == {
        path.name: path.read_bytes() for path in bundle.directory.iterdir()
    }
    assert registry.bundle_dir(published) == copy


def test_materialised_bundle_that_was_damaged_is_put_together_again(registry: Registry, tmp_path: Path) -> None:
    published = registry.publish(make_bundle(tmp_path / "bundle").directory)
    model = registry.bundle_dir(published) / "model.tflite"
    model.chmod(0o644)
    model.write_bytes(b"rot")

    assert open_bundle(registry.bundle_dir(published)).id == published


def test_blobs_are_stored_once_for_all_bundles(registry: Registry, tmp_path: Path) -> None:
    registry.publish(make_bundle(tmp_path / "one", serial=1).directory)
    registry.publish(make_bundle(tmp_path / "two", serial=2).directory)

    shared = 2  # probe.npz and report.json
    assert len(list((registry.public / "targets" / "blobs").iterdir())) == 5 + 5 - shared


def test_publishing_the_same_bundle_twice_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    registry.publish(bundle.directory)
    before = sorted(registry.public.rglob("*"))

    registry.publish(bundle.directory)

    assert sorted(registry.public.rglob("*")) == before


def test_publishing_again_repairs_a_lost_blob(registry: Registry, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    registry.publish(bundle.directory)
    (registry.public / "targets" / "blobs" / bundle.manifest.files["model.tflite"].sha256).unlink()

    registry.publish(bundle.directory)

    assert registry.bundle_dir(bundle.id).is_dir()


@pytest.mark.parametrize("serial", [3, 2])
def test_serial_that_is_not_above_the_published_ones_is_refused(
    registry: Registry, tmp_path: Path, serial: int
) -> None:
    registry.publish(make_bundle(tmp_path / "three", serial=3).directory)

    with pytest.raises(SerialError, match=f"serial {serial}, but digits has serial 3 published.*--serial 4"):
        registry.publish(make_bundle(tmp_path / "other", serial=serial, seed=1).directory)

    assert [item.serial for item in registry.bundles()] == [3]
    assert registry.next_serial("digits") == 4


def test_serials_of_different_models_do_not_meet(registry: Registry, tmp_path: Path) -> None:
    registry.publish(make_bundle(tmp_path / "three", serial=3).directory)

    registry.publish(make_bundle(tmp_path / "other", serial=1, model="sounds").directory)

    assert [(item.model, item.serial) for item in registry.bundles()] == [("digits", 3), ("sounds", 1)]


def test_bundle_with_a_flipped_bit_is_not_published(registry: Registry, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    data = bytearray((bundle.directory / "model.tflite").read_bytes())
    data[100] ^= 1
    (bundle.directory / "model.tflite").write_bytes(data)

    with pytest.raises(IntegrityError, match=r"model\.tflite"):
        registry.publish(bundle.directory)

    assert registry.bundles() == ()


def test_channel_is_kept_and_replaced_by_a_higher_rev_only(registry: Registry, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    registry.publish(bundle.directory)
    first = channel_of(bundle, rev=4)

    registry.set_channel(first)
    registry.set_channel(first)

    assert registry.channel("digits", "stable") == first
    assert registry.channel("digits", "canary") is None
    with pytest.raises(ChannelError, match="rev 4 is not above the present rev 4"):
        registry.set_channel(replace(first, percent=50))
    assert registry.channels() == (first,)


def test_channel_lists_only_what_is_published_as_it_is(registry: Registry, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")

    with pytest.raises(UnknownBundleError, match="not published"):
        registry.set_channel(channel_of(bundle))

    registry.publish(bundle.directory)
    with pytest.raises(ChannelError, match="with serial 9, but it is digits with serial 1"):
        registry.set_channel(replace(channel_of(bundle), listed={bundle.id: 9}))
    with pytest.raises(ChannelError, match="but it is digits"):
        registry.set_channel(replace(channel_of(bundle), model="sounds"))


@pytest.mark.parametrize("name", ["../../keys", "No Name", ""])
def test_channel_that_devices_could_not_read_is_refused(registry: Registry, tmp_path: Path, name: str) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    registry.publish(bundle.directory)

    with pytest.raises(ChannelError, match="channel: found"):
        registry.set_channel(channel_of(bundle, name=name))


def test_find_takes_the_first_digits_of_an_id(registry: Registry, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    registry.publish(bundle.directory)

    assert registry.find(bundle.id[:8]).id == bundle.id
    with pytest.raises(UnknownBundleError, match="publish` does that"):
        registry.find("x")


def test_unpublished_bundle_is_not_materialised(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UnknownBundleError):
        registry.bundle_dir(make_bundle(tmp_path / "bundle").id)


def test_directory_with_something_in_it_is_no_place_for_a_registry(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(RegistryExistsError):
        Registry.create(tmp_path)
    with pytest.raises(RegistryMissingError, match="registry init"):
        Registry(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_malformed_settings_are_one_clear_error(registry: Registry) -> None:
    (registry.directory / "registry.json").write_text('{"v": 2}')

    with pytest.raises(RegistryDamagedError, match=r"registry\.json: v: found 2"):
        Registry(registry.directory)


def test_only_the_owner_can_read_keys(registry: Registry) -> None:
    keys = list((registry.directory / "keys").rglob("*.pem"))

    assert len(keys) == 6
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in keys} == {0o700}


def test_key_that_others_can_read_is_not_used(registry: Registry, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    (registry.directory / "keys/online/bundles.pem").chmod(0o644)

    with pytest.raises(SigningKeyError, match="chmod 600"):
        registry.publish(bundle.directory)


@pytest.mark.parametrize("content", [b"", b"no key", None])
def test_key_that_is_wrong_or_absent_is_named(registry: Registry, tmp_path: Path, content: bytes | None) -> None:
    key = registry.directory / "keys/online/timestamp.pem"
    key.unlink()
    if content is not None:
        key.touch(mode=0o600)
        key.write_bytes(content)

    with pytest.raises(SigningKeyError, match=r"timestamp\.pem"):
        registry.publish(make_bundle(tmp_path / "bundle").directory)


def test_key_that_devices_do_not_trust_signs_nothing(registry: Registry, tmp_path: Path) -> None:
    stranger = Registry.create(tmp_path / "stranger")
    name = "keys/online/bundles.pem"
    (registry.directory / name).write_bytes((stranger.directory / name).read_bytes())

    with pytest.raises(SigningKeyError, match="not one that devices trust for bundles"):
        registry.publish(make_bundle(tmp_path / "bundle").directory)


def test_publishing_needs_no_offline_key(registry: Registry, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    for key in (registry.directory / "keys/offline").iterdir():
        key.unlink()

    registry.publish(bundle.directory)
    registry.set_channel(channel_of(bundle))
    registry.renew()

    with pytest.raises(SigningKeyError, match=r"root\.pem|targets\.pem"):
        registry.renew(offline=True)


def test_publisher_waits_for_another_one_and_gives_up(registry: Registry, clock: FakeClock, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")

    with locked(registry.directory / "lock", clock), pytest.raises(RegistryBusyError, match="for 30 s"):
        registry.publish(bundle.directory)

    registry.publish(bundle.directory)


def test_expiry_follows_the_settings(tmp_path: Path, clock: FakeClock) -> None:
    registry = Registry.create(tmp_path / "registry", lifetimes=Lifetimes(timestamp=1), clock=clock)

    now = datetime.fromtimestamp(clock.unix_s(), UTC)
    assert registry.expiries() == {
        "root": now + timedelta(days=365),
        "targets": now + timedelta(days=365),
        "bundles": now + timedelta(days=90),
        "channels": now + timedelta(days=7),
        "snapshot": now + timedelta(days=7),
        "timestamp": now + timedelta(days=1),
    }


def test_registry_that_is_kept_fresh_renews_at_half_of_a_lifetime(registry: Registry, clock: FakeClock) -> None:
    first = registry.expiries()
    clock.sleep(3 * DAY_S)
    registry.keep_fresh()
    assert registry.expiries() == first

    clock.sleep(DAY_S)
    registry.keep_fresh()

    renewed = registry.expiries()
    assert renewed["timestamp"] == first["timestamp"] + timedelta(days=4)
    assert (renewed["root"], renewed["targets"]) == (first["root"], first["targets"])


def test_offline_signatures_that_run_out_are_told_of_in_time(
    registry: Registry, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    clock.sleep(330 * DAY_S)
    registry.keep_fresh()
    assert "renew --offline" not in caplog.text

    clock.sleep(10 * DAY_S)
    registry.keep_fresh()

    assert "root and targets expire in 25 days" in caplog.text
    assert "registry renew --offline" in caplog.text


def test_renewal_with_offline_keys_makes_a_new_root(registry: Registry, clock: FakeClock, tmp_path: Path) -> None:
    trusted = registry.trusted_root.read_bytes()
    clock.sleep(300 * DAY_S)

    registry.renew(offline=True)
    registry.publish(make_bundle(tmp_path / "bundle").directory)

    assert registry.expiries()["root"] > datetime.fromtimestamp(clock.unix_s(), UTC) + timedelta(days=364)
    assert registry.trusted_root.read_bytes() == trusted


def test_old_metadata_is_removed_after_a_while(registry: Registry) -> None:
    for _ in range(30):
        registry.renew()

    kept = {path.name for path in (registry.public / "metadata").glob("*.snapshot.json")}
    assert kept == {f"{version}.snapshot.json" for version in range(16, 32)}
    assert (registry.public / "metadata/1.root.json").exists()


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "bundles", "channels", "timestamp"])
def test_metadata_edited_on_the_web_server_is_not_signed_anew(registry: Registry, tmp_path: Path, role: str) -> None:
    name = "timestamp.json" if role == "timestamp" else f"1.{role}.json"
    path = registry.directory / "root.json" if role == "root" else registry.public / "metadata" / name
    document = json.loads(path.read_bytes())
    document["signed"]["expires"] = "2090-01-01T00:00:00Z"
    path.write_text(json.dumps(document))

    with pytest.raises(RegistryDamagedError, match="not what the registry's keys signed"):
        registry.publish(make_bundle(tmp_path / "bundle").directory)


def test_older_list_in_the_place_of_a_newer_one_is_noticed(registry: Registry, tmp_path: Path) -> None:
    registry.publish(make_bundle(tmp_path / "bundle").directory)
    metadata = registry.public / "metadata"
    (metadata / "2.bundles.json").write_bytes((metadata / "1.bundles.json").read_bytes())

    with pytest.raises(RegistryDamagedError, match=r"2\.bundles\.json"):
        registry.publish(make_bundle(tmp_path / "next", serial=2).directory)


@pytest.mark.parametrize("content", [b"", b"{}", b'{"signed": {"_type": "root"}}', b"\xff" * 100])
def test_garbage_metadata_is_one_clear_error(registry: Registry, content: bytes) -> None:
    (registry.public / "metadata/timestamp.json").write_bytes(content)

    with pytest.raises(RegistryDamagedError, match=r"timestamp\.json"):
        registry.bundles()


def test_damaged_target_is_not_handed_out(registry: Registry, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    registry.publish(bundle.directory)
    manifest = registry.public / "targets" / bundle.id / f"{bundle.id}.manifest.json"
    manifest.chmod(0o644)
    manifest.write_bytes(b"{}")

    with pytest.raises(RegistryDamagedError, match=r"manifest\.json"):
        registry.bundle_dir(bundle.id)


def test_left_overs_of_a_killed_publish_do_no_harm(registry: Registry, tmp_path: Path) -> None:
    # The story: a publish wrote its metadata and was killed before timestamp.json; another bundle is published then.
    timestamp = registry.public / "metadata/timestamp.json"
    before = timestamp.read_bytes()
    lost = make_bundle(tmp_path / "lost", seed=1)
    registry.publish(lost.directory)
    timestamp.write_bytes(before)
    assert registry.bundles() == ()

    bundle = make_bundle(tmp_path / "bundle", seed=2)
    registry.publish(bundle.directory)

    assert [item.id for item in registry.bundles()] == [bundle.id]
