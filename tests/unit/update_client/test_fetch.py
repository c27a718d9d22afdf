"""How a bundle comes to lie on the disk of a device, whatever lies there already and whenever it is killed."""

from __future__ import annotations

import errno
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import StorageError
from agent.storage import Operation, Storage
from agent.update_client.blobs import BlobDownloader
from agent.update_client.errors import ContentError, NoSpaceError, RefusedError, TooLargeError, UnfitError
from agent.update_client.fetch import BundleFetcher, choose_files
from agent.update_client.pacing import Deadline, Retries
from edge_models.bundle import Bundle, open_bundle
from edge_models.manifest import MANIFEST_NAME, Manifest, bundle_id
from tests.unit.registry.bundles import make_bundle
from tests.unit.update_client.fakes import BASE, Events, FakeTime, Fault, MemoryTransport
from tests.unit.update_client.memory import memory_directory

INT8_FILES = {"manifest.json", "model.tflite", "probe.npz", "profile.npz"}


class Device:
    """A state directory and a registry that serves the blobs of ``bundles``."""

    def __init__(self, directory: Path, *bundles: Bundle) -> None:
        self.state = directory
        self.time = FakeTime()
        self.events = Events(self.time)
        self.free = 1 << 30
        blobs = {
            f"/targets/blobs/{entry.sha256}": bundle.path(name).read_bytes()
            for bundle in bundles
            for name, entry in bundle.manifest.files.items()
        }
        self.transport = MemoryTransport(blobs.get, chunk_bytes=800)

    def fetch(self, bundle: Bundle, artifact: str = "tflite-int8", *, storage: Storage | None = None) -> Path:
        storage = storage or Storage(self.state)
        deadline = Deadline(self.time, 1000.0)
        retries = Retries(deadline, self.time, random.Random(1))
        fetcher = BundleFetcher(
            storage,
            lambda grown: BlobDownloader(storage, self.transport, deadline=deadline, retries=retries, grown=grown),
            targets_url=f"{BASE}/targets",
            report=self.events.report,
            free_bytes=lambda: self.free,
        )
        return fetcher.fetch(manifest_bytes(bundle), bundle.manifest, artifact)

    def path_of(self, bundle: Bundle) -> Path:
        return self.state / "bundles" / bundle.id


def check(directory: Path, bundle: Bundle) -> None:
    """The directory is this bundle, every byte of it."""
    open_bundle(directory, expected_id=bundle.id, files=INT8_FILES - {MANIFEST_NAME})


def manifest_bytes(bundle: Bundle) -> bytes:
    return (bundle.directory / MANIFEST_NAME).read_bytes()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("built") / "one", serial=1)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("built") / "two", serial=2)


@pytest.fixture
def device(tmp_path: Path, bundle: Bundle, other: Bundle) -> Device:
    return Device(tmp_path / "state", bundle, other)


def test_only_the_files_of_the_chosen_artifact_are_fetched(device: Device, bundle: Bundle) -> None:
    directory = device.fetch(bundle)

    assert directory == device.path_of(bundle)
    assert {path.name for path in directory.iterdir()} == INT8_FILES
    check(directory, bundle)
    assert len(device.transport.requests) == 3
    assert {path.name for path in directory.parent.iterdir()} == {bundle.id}


def test_events_tell_size_progress_and_end(device: Device, bundle: Bundle) -> None:
    directory = device.fetch(bundle)

    assert device.events.lines[0] == {"event": "manifest", "artifact": "tflite-int8", "total": 3000}
    assert device.events.named("progress")[-1] == {"event": "progress", "bytes": 3000, "total": 3000}
    assert device.events.last == {
        "event": "done",
        "bundle": bundle.id,
        "artifact": "tflite-int8",
        "directory": str(directory),
        "downloaded": 3000,
        "reused": 0,
    }


def test_bundle_that_is_there_is_not_fetched_again(device: Device, bundle: Bundle) -> None:
    device.fetch(bundle)
    device.transport.requests.clear()

    device.fetch(bundle)

    assert device.transport.requests == []
    assert (device.events.last["downloaded"], device.events.last["reused"]) == (0, 3000)


def test_blob_of_another_bundle_is_linked_not_downloaded(device: Device, bundle: Bundle, other: Bundle) -> None:
    device.fetch(bundle)
    device.transport.requests.clear()

    device.fetch(other)

    shared = bundle.manifest.files["probe.npz"]
    assert device.transport.asked(f"/targets/blobs/{shared.sha256}") == []
    assert (device.path_of(other) / "probe.npz").samefile(device.path_of(bundle) / "probe.npz")
    assert device.events.last["reused"] == shared.size


def test_damaged_blob_of_another_bundle_is_not_reused(device: Device, bundle: Bundle, other: Bundle) -> None:
    device.fetch(bundle)
    (device.path_of(bundle) / "probe.npz").write_bytes(b"rot" * 100)

    device.fetch(other)

    assert device.events.last["reused"] == 0
    check(device.path_of(other), other)


def test_second_artifact_is_added_to_a_bundle_that_is_there(device: Device, bundle: Bundle) -> None:
    device.fetch(bundle)
    device.transport.requests.clear()

    directory = device.fetch(bundle, "tflite-float")

    assert {path.name for path in directory.iterdir()} == INT8_FILES | {"float.tflite"}
    assert len(device.transport.requests) == 1
    assert {path.name for path in directory.parent.iterdir()} == {bundle.id}


@pytest.mark.parametrize("name", sorted(INT8_FILES))
def test_installed_bundle_with_a_damaged_file_is_mended(device: Device, bundle: Bundle, name: str) -> None:
    damaged = device.fetch(bundle) / name
    damaged.write_bytes(b"rot")

    device.fetch(bundle)

    check(device.path_of(bundle), bundle)


def test_left_overs_in_the_staging_directory_do_not_come_along(device: Device, bundle: Bundle) -> None:
    staging = device.state / "bundles" / f"{bundle.id}.part"
    staging.mkdir(parents=True)
    (staging / ".stale").write_bytes(b"x")
    (staging / "float.tflite").write_bytes(b"x")
    (staging / "model.tflite").write_bytes(b"half")
    (staging / "manifest.json").write_bytes(b"torn")

    directory = device.fetch(bundle)

    assert {path.name for path in directory.iterdir()} == INT8_FILES


def test_staged_files_survive_a_failure_and_are_not_fetched_twice(device: Device, bundle: Bundle) -> None:
    last = f"/targets/blobs/{bundle.manifest.files['probe.npz'].sha256}"
    device.transport.fail(last, Fault(status=404))
    with pytest.raises(RefusedError):
        device.fetch(bundle)
    device.transport.requests.clear()

    device.fetch(bundle)

    assert [request.path for request in device.transport.requests] == [last]


def test_full_disk_is_noticed_before_the_download(device: Device, bundle: Bundle) -> None:
    device.free = 1 << 20

    with pytest.raises(NoSpaceError, match="1048576 bytes are free, 1051576 are needed"):
        device.fetch(bundle)

    assert device.transport.requests == []


def test_disk_that_fills_up_during_the_download_keeps_what_arrived(device: Device, bundle: Bundle) -> None:
    written = 0

    def full_after_a_while(operation: Operation) -> None:
        nonlocal written
        written += len(operation.data)
        if operation.step == "write" and operation.path.suffix == ".part" and written > 2500:
            raise StorageError("no space") from OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(StorageError):
        device.fetch(bundle, storage=Storage(device.state, observer=full_after_a_while))

    device.fetch(bundle)
    assert device.transport.sent_bytes < 3000 + 800 + 1


def test_bundle_is_links_to_blobs(device: Device, bundle: Bundle) -> None:
    directory = device.fetch(bundle)

    for name in INT8_FILES - {MANIFEST_NAME}:
        blob = device.state / "blobs" / bundle.manifest.files[name].sha256
        assert blob.samefile(directory / name)
    assert len(list((device.state / "blobs").iterdir())) == 3


def test_bundle_is_whole_where_the_file_system_has_no_links(
    device: Device, bundle: Bundle, other: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("os.link", refuse)

    device.fetch(bundle)
    check(device.fetch(other), other)

    assert device.events.last["reused"] == bundle.manifest.files["probe.npz"].size


def test_bundle_of_an_older_layout_gives_its_files(device: Device, bundle: Bundle, other: Bundle) -> None:
    shutil.copytree(bundle.directory, device.path_of(bundle))  # no blobs/ beside it

    check(device.fetch(other), other)

    assert device.events.last["reused"] == bundle.manifest.files["probe.npz"].size


def test_parts_of_a_superseded_target_go_but_for_what_the_new_one_needs(
    device: Device, bundle: Bundle, other: Bundle
) -> None:
    last = bundle.manifest.files["profile.npz"]
    device.transport.fail(f"/targets/blobs/{last.sha256}", Fault(status=404, times=9))
    with pytest.raises(RefusedError):
        device.fetch(bundle)
    device.transport.requests.clear()

    device.fetch(other)

    wanted = {other.manifest.files[name].sha256 for name in INT8_FILES - {MANIFEST_NAME}}
    assert {path.name for path in (device.state / "blobs").iterdir()} == wanted


def test_deployment_writes_hardly_more_than_its_changed_blobs(device: Device, bundle: Bundle, other: Bundle) -> None:
    device.fetch(bundle)
    steps: list[Operation] = []

    device.fetch(other, storage=Storage(device.state, observer=steps.append))

    written = sum(len(step.data) for step in steps)
    changed = sum(other.manifest.files[name].size for name in ("model.tflite", "profile.npz"))
    records = len(manifest_bytes(other)) + 2 * 200  # the manifest, and what two parts are a part of
    assert changed <= written <= changed + records


class PowerCut(BaseException):
    """Nothing in the product may catch this."""


class Killer:
    """Lets so many storage operations happen, then ends the world; knows what was not synced by then."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.synced: dict[Path, int] = {}
        self.written: dict[Path, int] = {}

    def __call__(self, operation: Operation) -> None:
        if self.left == 0:
            raise PowerCut
        self.left -= 1
        path = operation.path
        match operation.step:
            case "create":
                self.synced[path] = self.written[path] = 0
            case "write":
                before = path.stat().st_size if path.exists() else 0
                self.synced.setdefault(path, before)
                self.written[path] = before + len(operation.data)
            case "fsync":
                self.synced[path] = self.written.get(path, 0)

    def lose_what_was_not_synced(self, *, filled_with_zeros: bool) -> None:
        for path, size in self.written.items():
            kept = self.synced.get(path, 0)
            if path.is_file() and kept < size:
                os.truncate(path, kept)
                if filled_with_zeros:  # some file systems keep the new length without the data
                    os.truncate(path, size)


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    with memory_directory(tmp_path) as directory:
        yield directory


def killed_before_each_operation(
    prepared: Device, directory: Path, wanted: Bundle, *bundles: Bundle
) -> Iterator[tuple[Device, Killer]]:
    """Yield devices killed before the first, second, ... operation of fetching ``wanted``; the last one was not."""
    killed, after = True, -1
    while killed:
        after += 1
        shutil.rmtree(directory, ignore_errors=True)
        shutil.copytree(prepared.state, directory)
        device = Device(directory, *bundles)
        killer = Killer(after)
        killed = False
        try:
            device.fetch(wanted, storage=Storage(directory, observer=killer))
        except PowerCut:
            killed = True
        yield device, killer


@pytest.mark.parametrize("loss", ["process killed", "power cut", "power cut, zeros"])
def test_fetch_survives_being_killed_before_every_single_storage_operation(
    memory_path: Path, bundle: Bundle, other: Bundle, loss: str
) -> None:
    prepared = Device(memory_path / "prepared", bundle)
    prepared.fetch(bundle, "tflite-float")
    count = 0
    for device, killer in killed_before_each_operation(prepared, memory_path / "state", other, bundle, other):
        count += 1
        if loss != "process killed":
            killer.lose_what_was_not_synced(filled_with_zeros=loss.endswith("zeros"))
        if device.path_of(other).exists():
            check(device.path_of(other), other)

        device.fetch(other)

        directory = device.path_of(other)
        assert {path.name: path.read_bytes() for path in directory.iterdir()} == {
            name: (other.directory / name).read_bytes() for name in INT8_FILES
        }, f"killed before operation {count}"
        assert {path.name for path in directory.parent.iterdir()} == {bundle.id, other.id}
    assert count > 25


def test_killed_repair_of_an_installed_bundle_is_finished_by_the_next_run(memory_path: Path, bundle: Bundle) -> None:
    prepared = Device(memory_path / "prepared", bundle)
    for name in ("model.tflite", "manifest.json"):
        (prepared.fetch(bundle) / name).write_bytes(b"rot")
    (prepared.path_of(bundle) / "model.tflite").write_bytes(b"rot")

    for device, _ in killed_before_each_operation(prepared, memory_path / "state", bundle, bundle):
        device.fetch(bundle)

        check(device.path_of(bundle), bundle)
        assert {path.name for path in device.path_of(bundle).parent.iterdir()} == {bundle.id}


def choose(built: Bundle, **changed: object) -> tuple[Manifest, str]:
    arguments: dict[str, object] = {
        "data": manifest_bytes(built),
        "bundle": built.id,
        "model": "digits",
        "artifact": None,
        "runtimes": ("ai-edge-litert",),
        "max_bytes": 10_000,
    }
    return choose_files(**(arguments | changed))  # type: ignore[arg-type]


def test_artifact_that_runs_here_is_chosen(bundle: Bundle) -> None:
    assert choose(bundle)[1] == "tflite-int8"
    assert choose(bundle, artifact="tflite-float")[1] == "tflite-float"


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"model": "sounds"}, UnfitError, "is for model digits, this device runs sounds"),
        ({"artifact": "spiking"}, UnfitError, "no artifact spiking"),
        ({"runtimes": ()}, UnfitError, "ai-edge-litert"),
        ({"max_bytes": 2999}, TooLargeError, "has 3000 bytes, update.max_bundle_bytes allows 2999"),
        ({"bundle": "0" * 64}, ContentError, "000000000000"),
        ({"data": b""}, ContentError, "signed manifest is that of"),
    ],
)
def test_bundle_that_does_not_fit_is_refused(
    bundle: Bundle, changed: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        choose(bundle, **changed)


@pytest.mark.parametrize("data", [b"{}", b"\x00" * 50, b'{"format_version": 99}'])
def test_signed_manifest_that_cannot_be_read_is_unfit(bundle: Bundle, data: bytes) -> None:
    with pytest.raises(UnfitError, match="manifest"):
        choose(bundle, data=data, bundle=bundle_id(data))
