"""Signed metadata, which python-tuf writes without a sync, is on the disk before anything rests on it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.storage import Operation, Storage
from agent.update_client.job import read_job
from agent.update_client.run import Tools, run
from deploy.registry import Registry
from edge_models.channel import Channel
from tests.unit.registry.bundles import make_bundle
from tests.unit.update_client.fakes import BASE, Events, FakeTime, MemoryTransport
from tests.unit.update_client.memory import memory_directory

pytestmark = pytest.mark.integration


@dataclass
class Synced:
    """Remembers what a file held, and what a directory named, when it was synced last."""

    contents: dict[Path, bytes] = field(default_factory=dict)
    names: dict[Path, set[str]] = field(default_factory=dict)

    def __call__(self, operation: Operation) -> None:
        if operation.step == "fsync":
            self.contents[operation.path] = operation.path.read_bytes()
        elif operation.step == "rename" and operation.target is not None and operation.path in self.contents:
            self.contents[operation.target] = self.contents.pop(operation.path)
        elif operation.step == "fsync_dir":
            self.names[operation.path] = {path.name for path in operation.path.iterdir()}


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    with memory_directory(tmp_path) as directory:
        yield directory


def test_metadata_of_a_look_at_the_channel_survives_a_power_cut_right_after_it(memory_path: Path) -> None:
    registry = Registry.create(memory_path / "registry")
    synced, state = Synced(), memory_path / "state"
    for serial in (1, 2):
        bundle = make_bundle(memory_path / f"bundle-{serial}", serial=serial)
        registry.publish(bundle.directory)
        registry.set_channel(
            Channel(model="digits", channel="stable", rev=serial, bundle=bundle.id, listed={bundle.id: serial})
        )
        assert look(registry, state, synced)["event"] == "channel"

    files = [path for path in (state / "tuf").rglob("*") if path.is_file() and not path.is_symlink()]

    assert len(files) >= 5
    for file in files:
        assert synced.contents.get(file) == file.read_bytes(), f"{file.name} may be torn"
    for path in (state / "tuf").rglob("*"):
        assert path.name in synced.names.get(path.parent, set()), f"the name of {path.name} may be lost"


def look(registry: Registry, state: Path, observer: Synced) -> dict[str, object]:
    job = {
        "op": "check",
        "channel": "stable",
        "state_dir": str(state),
        "metadata_url": f"{BASE}/metadata",
        "targets_url": f"{BASE}/targets",
        "root": str(registry.trusted_root),
        "model": "digits",
    }
    events = Events()

    def content(path: str) -> bytes | None:
        file = registry.public / path.lstrip("/")
        return file.read_bytes() if file.is_file() else None

    tools = Tools(
        storage=lambda path: Storage(path, observer=observer),
        transport=MemoryTransport(content),
        time=FakeTime(),
        rng=random.Random(1),
        free_bytes=lambda _: 1 << 30,
    )
    run(read_job(json.dumps(job).encode()), tools, events.report)
    return events.last
