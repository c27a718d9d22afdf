"""What the registry's web server answers, and what it must never answer."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from deploy.registry import Registry
from deploy.registry.server import application
from tests.unit.registry.bundles import make_bundle

PRIVATE = ("keys/online/timestamp.pem", "keys/offline/root.pem", "registry.json", "root.json", "lock")


def get(registry: Registry, path: str) -> tuple[int, bytes]:
    """Status and body of one GET, handed to the application as a server would."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.Event().wait()  # the client stays for as long as it takes
        raise AssertionError("never set")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "server": ("registry", 80),
    }
    asyncio.run(application(registry.public)(scope, receive, send))
    return int(sent[0]["status"]), b"".join(message.get("body", b"") for message in sent[1:])


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry.create(tmp_path / "registry")
    made.publish(make_bundle(tmp_path / "bundle").directory)
    return made


def test_metadata_manifests_and_blobs_are_served(registry: Registry) -> None:
    served = [path for path in registry.public.rglob("*") if path.is_file()]

    answers = {path: get(registry, f"/{path.relative_to(registry.public)}") for path in served}

    assert len(served) > 8
    assert all(answer == (200, path.read_bytes()) for path, answer in answers.items())


@pytest.mark.parametrize("prefix", ["/", "/../", "/metadata/../../", "/targets/../../", "/targets/blobs/../../../"])
@pytest.mark.parametrize("slash", ["/", "%2f"])
@pytest.mark.parametrize("name", PRIVATE)
def test_nothing_outside_the_served_folder_is_answered(registry: Registry, prefix: str, slash: str, name: str) -> None:
    assert (registry.directory / name).exists() or name == "lock"

    status, _ = get(registry, prefix + name.replace("/", slash))

    assert status == 404


def test_a_link_to_a_key_under_the_name_of_a_blob_is_not_followed(registry: Registry) -> None:
    link = registry.public / "targets" / "blobs" / ("0" * 64)
    link.symlink_to(registry.directory / "keys" / "online" / "timestamp.pem")

    assert get(registry, f"/targets/blobs/{link.name}")[0] == 404
