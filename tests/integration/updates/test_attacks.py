"""Attacks on the way from registry to device, and the rotations of keys that are none.

Each attack of the table (``attacks``) ends with the device's own word for what happened, and with nothing of the
attacker's on its disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Snapshot, Timestamp

from deploy.registry import Registry
from edge_models.bundle import open_bundle
from edge_models.channel import Channel, choose
from edge_models.fields import decode
from edge_models.wire.update import Desired
from tests.integration.updates.attacks import ATTACKS, Attack, Late, Stage, rows
from tests.integration.updates.site import INT8_FILES, Site
from tests.integration.updates.thief import Thief, gives_root_to, replaces_key

pytestmark = pytest.mark.integration

SECURITY = Path(__file__).parents[3] / "SECURITY.md"
ENOUGH_BYTES = 8_000_000  # buffers of both sockets and a bounded read; what was signed is far less


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_is_refused(tmp_path: Path, attack: Attack) -> None:
    with ExitStack() as opened:
        stage = Stage(tmp_path, opened, days_ago=attack.days_ago)

        event = attack.play(stage)

        assert (event["event"], event.get("code")) == ("error", attack.code), event
        assert "\n" not in event["message"]
        assert_only_honest_bundles(stage.site)
        assert sum(server.sent_bytes for server in stage.hostile) < ENOUGH_BYTES


def assert_only_honest_bundles(site: Site) -> None:
    published = {open_bundle(path).id for path in site.directory.glob("bundle-*")}
    for directory in (site.state / "bundles").glob("*"):
        if not directory.name.endswith(".part"):
            assert directory.name in published
            open_bundle(directory, expected_id=directory.name, files=INT8_FILES)


def test_security_document_has_the_table() -> None:
    assert "\n".join(rows()) in SECURITY.read_text(encoding="utf-8")


def test_nothing_is_wrong_without_an_attack(site: Site) -> None:
    bundle = site.publish()

    channel = decode(Channel, site.check())
    end = site.fetch(channel.bundle)

    assert (end["event"], end["downloaded"]) == ("done", 21_000)
    assert site.is_installed(bundle)


def test_root_rotation_that_the_old_root_signed_is_followed(site: Site) -> None:
    bundle = site.publish()
    site.check()
    new = CryptoSigner.generate_ed25519()
    thief = Thief(site)

    thief.next_root(gives_root_to(new), thief.stolen("root"), new)

    assert site.check()["metadata_versions"]["root"] == 2
    assert site.fetch(bundle)["event"] == "done"


def test_device_that_slept_through_many_rotations_follows_them_all(site: Site) -> None:
    site.publish()
    site.check()
    thief = Thief(site)
    old = thief.stolen("root")
    for _ in range(5):
        new = CryptoSigner.generate_ed25519()
        thief.next_root(gives_root_to(new), old, new)
        old = new

    assert site.check()["metadata_versions"]["root"] == 6


def test_root_with_a_threshold_of_two_is_followed_when_two_sign(site: Site) -> None:
    site.publish()
    site.check()
    thief = Thief(site)
    old, first, second = thief.stolen("root"), CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    thief.next_root(gives_root_to(first, second, threshold=2), old, first, second)
    assert site.check()["metadata_versions"]["root"] == 2

    third = CryptoSigner.generate_ed25519()
    thief.next_root(gives_root_to(second, third, threshold=2), first, second, third)

    assert site.check()["metadata_versions"]["root"] == 3


def test_fast_forward_by_a_thief_ends_with_new_keys(site: Site) -> None:
    # The story: versions of two thousand million would make a device refuse all honest ones, for ever.
    site.publish()
    thief = Thief(site)
    honest_snapshot, honest_timestamp = thief.versions()

    def far(signed: Snapshot | Timestamp) -> None:
        signed.version = 2_000_000_000

    thief.sign_snapshot(far, thief.stolen("snapshot"))
    thief.sign_timestamp(far, thief.stolen("timestamp"))
    assert site.check()["metadata_versions"]["timestamp"] == 2_000_000_001

    snapshot, timestamp = CryptoSigner.generate_ed25519(), CryptoSigner.generate_ed25519()
    thief.next_root(replaces_key("snapshot", snapshot), thief.stolen("root"))
    thief.next_root(replaces_key("timestamp", timestamp), thief.stolen("root"))
    thief.sign_again(honest_snapshot, snapshot, honest_timestamp, timestamp)

    event = site.check()
    assert event["event"] == "channel", event
    assert event["metadata_versions"]["timestamp"] < 100


def test_device_whose_clock_ran_ahead_takes_what_is_signed_once_it_is_right_again(tmp_path: Path) -> None:
    site = Site(tmp_path, clock=Late(days_ago=3))
    bundle = site.publish()
    year_2036 = datetime(2036, 11, 22, tzinfo=UTC).timestamp()
    first = site.check()

    refused = site.check(now_floor=year_2036)  # the clock says so; the floor on the disk does not follow
    floor = min(year_2036, refused["fresh_until"])

    assert refused["code"] == "expired"
    assert refused["fresh_until"] == first["fresh_until"]
    assert floor <= (datetime.now(UTC) + timedelta(days=4, minutes=5)).timestamp()
    assert site.check(now_floor=floor)["code"] == "expired"  # until the registry signs again, at half of the week
    Registry(site.registry.directory).renew()
    assert site.check(now_floor=floor)["event"] == "channel"
    assert site.fetch(bundle, now_floor=floor)["event"] == "done"
    site.close()


def test_forged_hint_to_an_older_signed_bundle(site: Site) -> None:
    # MQTT carries no signature: a forged `desired` may name any bundle, here an old one with a known weakness.
    old = site.publish()
    new = site.publish()
    channel = decode(Channel, site.check())

    choice = choose(channel, "pi7-cam", Desired(rev=99, bundle=old.id), current_serial=2)

    assert choice.bundle == new.id
    assert choice.refused is not None
