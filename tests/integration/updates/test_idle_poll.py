"""What a look costs at a registry where nothing has changed, counted on the wire: the real child, the real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.updates.proxy import Proxy
from tests.integration.updates.site import Child, Site

pytestmark = pytest.mark.integration

MAX_REQUESTS = 2
MAX_BYTES = 5_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture
def proxy(site: Site) -> Iterator[Proxy]:
    proxy = Proxy(site.server.port)
    site.url = proxy.url
    yield proxy
    proxy.close()


def forget(proxy: Proxy) -> None:
    proxy.requests.clear()
    proxy.passed_bytes = 0


def test_idle_look_is_two_small_requests(site: Site, proxy: Proxy) -> None:
    bundle = site.publish()
    site.fetch(bundle)
    first = site.check()
    forget(proxy)

    *_, second = Child(site.job("check")).finish()

    assert second == first
    assert [seen.path for seen in proxy.requests] == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert len(proxy.requests) <= MAX_REQUESTS
    assert proxy.passed_bytes <= MAX_BYTES


def test_channel_that_was_damaged_on_the_disk_is_fetched_again(site: Site, proxy: Proxy) -> None:
    site.publish()
    first = site.check()
    kept = site.state / "tuf/channel.json"
    kept.write_bytes(kept.read_bytes().replace(b"stable", b"forged"))
    forget(proxy)

    assert site.check() == first

    assert len(proxy.requests) == MAX_REQUESTS + 1


@pytest.mark.parametrize("damage", [b"", b"\x00" * 300, b"{", b'{"model": "digits"', None])
def test_channel_that_a_power_cut_tore_or_took_is_fetched_again(site: Site, damage: bytes | None) -> None:
    site.publish()
    first = site.check()
    kept = site.state / "tuf/channel.json"
    kept.unlink()
    if damage is not None:
        kept.write_bytes(damage)

    assert site.check() == first

    assert json.loads(kept.read_bytes())["channel"] == "stable"


def test_files_that_did_not_change_are_not_fetched_again(site: Site, proxy: Proxy) -> None:
    first = site.publish()
    site.fetch(first)
    second = site.publish()
    forget(proxy)

    end = site.fetch(second)

    here = {entry.sha256 for entry in first.manifest.files.values()}
    changed = [name for name, entry in second.manifest.files.items() if entry.sha256 not in here]
    asked = {seen.path.rpartition("/")[2] for seen in proxy.requests if "/blobs/" in seen.path}
    assert changed
    assert len(changed) < len(second.manifest.files)
    assert asked <= {second.manifest.files[name].sha256 for name in changed}
    assert end["reused"] > 0
