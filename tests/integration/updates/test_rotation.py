"""``registry rotate``: a stolen key counts no longer, and devices that knew it follow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.cli import main
from deploy.registry import Registry
from deploy.registry.errors import RegistryUsageError, SigningKeyError
from tests.integration.updates.site import Site
from tests.integration.updates.thief import Thief

pytestmark = pytest.mark.integration


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.mark.parametrize("role", ["bundles", "channels", "snapshot", "timestamp"])
def test_devices_follow_a_new_key_and_no_longer_the_old_one(site: Site, role: str) -> None:
    site.publish()
    site.check()
    stolen = Thief(site).stolen(role)

    assert main(["registry", "rotate", role, "--registry", str(site.registry.directory)]) == 0

    assert site.check()["event"] == "channel"
    newer = site.publish()
    assert site.fetch(newer)["event"] == "done"
    thief = Thief(site)
    if role == "timestamp":
        thief.sign_timestamp(lambda _: None, stolen)
    elif role == "snapshot":
        thief.sign_snapshot(lambda _: None, stolen)
    else:
        thief.forge(role, lambda _: None, stolen)
    last = site.fetch(newer, state_dir=str(site.directory / "other")) if role == "bundles" else site.check()
    assert last["code"] == "signature"


def test_rotation_that_was_killed_is_finished_by_the_next_one(site: Site) -> None:
    site.publish()
    key = site.registry.directory / "keys/online/timestamp.pem"
    before = key.read_bytes()
    stranger = Registry.create(site.directory / "stranger").directory / "keys/online/timestamp.pem"
    key.write_bytes(stranger.read_bytes())  # the new key is in its place, and nobody has signed for it

    site.registry.rotate("timestamp")

    assert key.read_bytes() == stranger.read_bytes() != before
    assert site.check()["event"] == "channel"


def test_without_the_offline_keys_nothing_is_changed(site: Site) -> None:
    site.publish()
    online = site.registry.directory / "keys/online"
    before = {path.name: path.read_bytes() for path in online.iterdir()}
    (site.registry.directory / "keys/offline/root.pem").unlink()

    with pytest.raises(SigningKeyError, match="bring it to this machine"):
        site.registry.rotate("timestamp")

    assert {path.name: path.read_bytes() for path in online.iterdir()} == before
    assert site.check()["event"] == "channel"


@pytest.mark.parametrize("role", ["root", "targets", "../root", ""])
def test_other_roles_are_refused(site: Site, role: str) -> None:
    with pytest.raises(RegistryUsageError, match="expected one of bundles, channels"):
        site.registry.rotate(role)
