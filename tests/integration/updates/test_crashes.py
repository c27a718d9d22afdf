"""Both ends killed at every point that matters: a job of the device, and a publisher."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from agent.storage import Operation, Storage
from agent.update_client.job import read_job
from agent.update_client.run import Tools, run
from deploy.registry import Registry
from edge_models.bundle import Bundle
from edge_models.channel import Channel
from tests.integration.updates.site import stream_of
from tests.unit.registry.bundles import make_bundle
from tests.unit.update_client.fakes import BASE, Events, FakeTime, MemoryTransport
from tests.unit.update_client.memory import memory_directory

pytestmark = pytest.mark.integration


class PowerCut(BaseException):
    """Nothing in the product may catch this."""


class Device:
    """Runs whole jobs, TUF and all, over a registry's folder."""

    def __init__(self, registry: Registry, state: Path) -> None:
        self.registry = registry
        self.state = state
        self.transport = MemoryTransport(self._file)

    def _file(self, path: str) -> bytes | None:
        file = self.registry.public / path.lstrip("/")
        return file.read_bytes() if file.is_file() else None

    def run(self, op: str, own: Mapping[str, object], *, kill_before: int | None = None) -> dict[str, object] | None:
        """The last event; None if it was killed before that operation of the storage."""
        count = 0

        def observe(_: Operation) -> None:
            nonlocal count
            if count == kill_before:
                raise PowerCut
            count += 1

        job = {
            "op": op,
            "state_dir": str(self.state),
            "metadata_url": f"{BASE}/metadata",
            "targets_url": f"{BASE}/targets",
            "root": str(self.registry.trusted_root),
            "model": "digits",
            **own,
        }
        events = Events()
        tools = Tools(
            storage=lambda path: Storage(path, observer=observe),
            transport=self.transport,
            time=FakeTime(),
            rng=random.Random(1),
            free_bytes=lambda _: 1 << 30,
        )
        try:
            run(read_job(json.dumps(job).encode()), tools, events.report)
        except PowerCut:
            return None
        return events.last


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    with memory_directory(tmp_path) as directory:
        yield directory


@pytest.mark.parametrize("op", ["check", "fetch"])
def test_whole_job_survives_being_killed_before_each_storage_operation(memory_path: Path, op: str) -> None:
    # The device runs bundle 1 and has seen the metadata of that time; the job is about bundle 2.
    registry = Registry.create(memory_path / "registry")
    old, new = (make_bundle(memory_path / f"bundle-{serial}", serial=serial) for serial in (1, 2))
    publish(registry, old, rev=1)
    prepared = Device(registry, memory_path / "prepared")
    prepared.run("check", {"channel": "stable"})
    prepared.run("fetch", {"bundle": old.id, "runtimes": ["ai-edge-litert"]})
    publish(registry, new, rev=2)
    own: dict[str, object] = {"channel": "stable"}
    if op == "fetch":
        own = {"bundle": new.id, "runtimes": ["ai-edge-litert"]}
    killed, point = True, 0
    while killed:
        shutil.rmtree(memory_path / "state", ignore_errors=True)
        shutil.copytree(prepared.state, memory_path / "state", symlinks=True)
        device = Device(registry, memory_path / "state")
        killed = device.run(op, own, kill_before=point) is None

        last = device.run(op, own)

        assert last is not None
        assert last["event"] in ("channel", "done"), f"killed before operation {point}: {last}"
        point += 1
    assert point > 8


def publish(registry: Registry, bundle: Bundle, *, rev: int) -> None:
    registry.publish(bundle.directory)
    listed = {bundle.id: bundle.manifest.serial}
    registry.set_channel(Channel(model="digits", channel="stable", rev=rev, bundle=bundle.id, listed=listed))


PUBLISH = """
import sys
from pathlib import Path
from deploy.registry import Registry
registry = Registry(Path(sys.argv[1]))
print("go", flush=True)
sys.stdin.readline()
registry.publish(Path(sys.argv[2]))
"""


def publisher(registry: Registry, bundle: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PUBLISH, str(registry.directory), str(bundle)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert stream_of(process.stdout).readline() == "go\n"
    return process


def let_go(process: subprocess.Popen[str]) -> None:
    stream_of(process.stdin).write("\n")
    stream_of(process.stdin).flush()


def test_publishers_at_the_same_time_do_not_lose_each_others_bundles(tmp_path: Path) -> None:
    registry = Registry.create(tmp_path / "registry")
    models = ["cat", "digits", "fan", "sounds"]
    bundles = [make_bundle(tmp_path / model, model=model) for model in models]
    publishers = [publisher(registry, bundle.directory) for bundle in bundles]

    for process in publishers:
        let_go(process)

    for process in publishers:
        with process:
            assert process.wait(30) == 0
    assert [item.model for item in registry.bundles()] == models


@pytest.mark.parametrize("delay_ms", [0, 3, 6, 10, 15, 25])
def test_publisher_killed_on_the_way_leaves_a_registry_that_goes_on(tmp_path: Path, delay_ms: int) -> None:
    registry = Registry.create(tmp_path / "registry")
    first = make_bundle(tmp_path / "first", serial=1)
    registry.publish(first.directory)
    second = make_bundle(tmp_path / "second", serial=2, model_bytes=300_000)
    process = publisher(registry, second.directory)

    let_go(process)
    with process:
        try:
            process.wait(delay_ms / 1000)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait(20)

    published = [item.serial for item in registry.bundles()]
    assert published in ([1], [1, 2])
    device = Device(registry, tmp_path / "state")
    fetched = device.run("fetch", {"bundle": first.id, "runtimes": ["ai-edge-litert"]})
    assert fetched is not None
    assert fetched["event"] == "done"
    registry.publish(second.directory)
    assert registry.bundle_dir(second.id).is_dir()
