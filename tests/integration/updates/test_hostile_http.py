"""Answers that are no HTTP, or that mislead: each ends in one of our errors, with what runs untouched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.updates.hostile import HostileServer, said
from tests.integration.updates.site import Site

pytestmark = pytest.mark.integration

OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {
    "nothing at all": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "no status": b"HTTP/1.1 abc\r\n\r\n",
    "status of three million": b"HTTP/1.1 3000000 X\r\n\r\n",
    "header without end": OK + b"x: " + b"a" * 100_000,
    "headers without end": OK + b"x: y\r\n" * 1000,
    "header of bytes": OK + b"\xff\xfe: \x00\x01\r\ncontent-length: 0\r\n\r\n",
    "negative length": OK + b"content-length: -1\r\n\r\n",
    "two lengths": OK + b"content-length: 5\r\ncontent-length: 7\r\n\r\nabcde",
    "length that is no number": OK + b"content-length: many\r\n\r\nabc",
    "length beyond the body": OK + b"content-length: 99999999999\r\n\r\nabc",
    "chunk that is no number": OK + b"transfer-encoding: chunked\r\n\r\nxyz\r\n",
    "chunk without end": OK + b"transfer-encoding: chunked\r\n\r\nffffffff\r\nabc",
    "way round in a circle": b"HTTP/1.1 302 F\r\nlocation: /targets/blobs/x\r\ncontent-length: 0\r\n\r\n",
    "way to a file": b"HTTP/1.1 302 F\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\n\r\n",
    "way to nowhere": b"HTTP/1.1 302 F\r\nlocation: http://[::/\r\ncontent-length: 0\r\n\r\n",
    "206 that nobody asked for": b"HTTP/1.1 206 P\r\ncontent-length: 3\r\n\r\nabc",
    "login page": OK + b"content-type: text/html\r\ncontent-length: 6\r\n\r\n<html>",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = Site(tmp_path_factory.mktemp("site"))
    site.publish()
    yield site
    site.close()


def test_way_with_an_endless_body_is_not_read(site: Site, tmp_path: Path) -> None:
    def endless_way() -> Iterator[bytes]:
        yield b"HTTP/1.1 302 F\r\nlocation: /targets/blobs/x\r\n\r\n"
        while True:
            yield bytes(16_384)

    (bundle,) = (row.id for row in site.registry.bundles())
    site.state = tmp_path / "state"
    server = HostileServer(site.registry.public, lambda path: "blobs" in path, endless_way)
    site.url = server.url
    end = site.fetch(bundle, timeout_s=1)
    server.close()

    assert (end["event"], end["code"]) == ("error", "network")
    assert server.sent_bytes < 4 * 8_000_000  # what the sockets of four answers hold


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("what", ["blobs", "timestamp"])
def test_answer_that_is_none_is_an_error_of_ours(site: Site, tmp_path: Path, name: str, what: str) -> None:
    (bundle,) = (row.id for row in site.registry.bundles())
    site.state = tmp_path / "state"
    server = HostileServer(site.registry.public, lambda path: what in path, said(ANSWERS[name]))
    site.url = server.url
    try:
        end = site.fetch(bundle, timeout_s=1)
    finally:
        server.close()
        site.url = site.server.url

    assert end["event"] == "error", end
    assert end["code"] in ("network", "content", "http", "signature", "deadline"), end
    assert "\n" not in end["message"]
    assert not (site.state / "bundles" / bundle).exists()


def test_way_to_where_the_file_is_leads_there(site: Site, tmp_path: Path) -> None:
    (bundle,) = (row.id for row in site.registry.bundles())
    site.state = tmp_path / "state"
    there = site.server.url.encode()
    away = b"HTTP/1.1 302 F\r\nlocation: " + there + b"/metadata/timestamp.json\r\ncontent-length: 0\r\n\r\n"
    server = HostileServer(site.registry.public, lambda path: "timestamp" in path, said(away))
    site.url = server.url
    end = site.fetch(bundle)
    server.close()

    assert end["event"] == "done"
