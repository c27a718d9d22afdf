"""A registry, a network in memory and a device, whose jobs are given as the supervisor gives them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from agent.storage import Observer, Storage
from agent.update_client.job import read_job
from agent.update_client.run import Tools, run
from deploy.registry import Registry
from edge_models.bundle import Bundle
from edge_models.channel import Channel
from tests.unit.registry.bundles import make_bundle
from tests.unit.update_client.fakes import BASE, Events, FakeTime, MemoryTransport


class Site:
    """A registry, a network and a device; jobs are given as the supervisor gives them."""

    def __init__(self, directory: Path, registry: Registry, bundle: Bundle) -> None:
        self.directory = directory
        self.registry = registry
        self.bundle = bundle
        self.time = FakeTime()
        self.transport = MemoryTransport(self._file)
        self.observer: Observer | None = None

    def _file(self, path: str) -> bytes | None:
        file = self.registry.public / path.lstrip("/")
        return file.read_bytes() if file.is_file() else None

    def job(self, op: str, **fields: object) -> dict[str, object]:
        job: dict[str, object] = {
            "op": op,
            "state_dir": str(self.directory / "state"),
            "metadata_url": f"{BASE}/metadata",
            "targets_url": f"{BASE}/targets",
            "root": str(self.registry.trusted_root),
            "model": "digits",
            "now_floor": 0,
        }
        own = {"channel": "stable"} if op == "check" else {"bundle": self.bundle.id, "runtimes": ["ai-edge-litert"]}
        return job | own | fields

    def run(self, op: str, **fields: object) -> list[dict[str, Any]]:
        events = Events(self.time)
        tools = Tools(
            storage=lambda path: Storage(path, observer=self.observer),
            transport=self.transport,
            time=self.time,
            rng=random.Random(1),
            free_bytes=lambda _: 1 << 30,
        )
        run(read_job(json.dumps(self.job(op, **fields)).encode()), tools, events.report)
        return events.lines


def built_registry(directory: Path) -> tuple[Path, Bundle]:
    """A registry with one bundle on the channel stable."""
    bundle = make_bundle(directory / "bundle")
    registry = Registry.create(directory / "registry")
    registry.publish(bundle.directory)
    registry.set_channel(Channel(model="digits", channel="stable", rev=1, bundle=bundle.id, listed={bundle.id: 1}))
    return directory / "registry", bundle


def assert_error(events: list[dict[str, Any]], code: str, *, transient: bool = False) -> None:
    last = events[-1]
    assert (last["event"], last["code"], last["transient"]) == ("error", code, transient), last
    assert "\n" not in last["message"]
