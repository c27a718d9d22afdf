"""A disk that is full or takes no change, from any step of an update on: the running model is untouched, and once the
disk is well again the update goes on."""

from __future__ import annotations

import errno
import functools
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.core.update_table import RESTING
from agent.errors import StorageError
from agent.storage import Operation, Storage
from edge_models.bundle import Bundle
from edge_models.manifest import Manifest
from tests.integration.crash_states.scenarios import bundles_of
from tests.unit.agent.pi import Pi, Shop
from tests.unit.update_client.memory import memory_directory

pytestmark = pytest.mark.integration
GROWING = ("mkdir", "create", "write", "link", "rename")


class Faulty:
    """A disk that fails at one step, or from there on until it is mended."""

    def __init__(self, number: int, *, at: int, once: bool) -> None:
        self.number, self.at, self.once = number, at, once
        self.steps = 0
        self.is_mended = False

    def __call__(self, operation: Operation) -> None:
        if self.number == errno.ENOSPC and operation.step not in GROWING:
            return
        self.steps += 1
        due = self.steps == self.at if self.once else self.steps >= self.at
        if due and not self.is_mended:
            error = OSError(self.number, os.strerror(self.number))
            raise StorageError(f"{operation.path}: {error.strerror}") from error


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, ...]:
    return bundles_of(tmp_path_factory.mktemp("bundles"))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)
    monkeypatch.setattr(Manifest, "from_bytes", functools.cache(Manifest.from_bytes))  # half of all work, and pure


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    with memory_directory(tmp_path) as directory:
        yield directory


def a_model_runs(pi: Pi) -> bool:
    """The model in memory and the one that the next start would find are whole."""
    on_disk = pi.state_dir.read_active()
    assert on_disk is not None
    assert pi.active is not None
    return all(pi.shop.is_whole(pi.state_dir.bundle_dir(bundle)) for bundle in (on_disk.bundle, pi.active))


@pytest.mark.parametrize("is_good", [True, False], ids=["good", "bad"])
@pytest.mark.parametrize("once", [True, False], ids=["once", "for good"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS], ids=["full", "read-only"])
def test_failing_disk_leaves_the_model_alone_and_the_update_to_a_better_day(
    memory_path: Path, bundles: tuple[Bundle, ...], number: int, *, once: bool, is_good: bool
) -> None:
    old, new, *_ = bundles
    shop = Shop(bundles, first=old, bad=frozenset() if is_good else frozenset({new.id}))
    Pi(Storage(memory_path / "prepared"), shop).run()
    at, has_failed = 0, True
    while has_failed:
        at += 1
        root = memory_path / f"{at}"
        shutil.copytree(memory_path / "prepared", root)
        disk = Faulty(number, at=10_000, once=once)
        pi = Pi(Storage(root, observer=disk), shop)
        disk.steps, disk.at = 0, at

        pi.wish(new)
        pi.run()

        has_failed = disk.steps >= at
        assert pi.machine.state in RESTING
        assert a_model_runs(pi), f"step {at}"
        disk.is_mended = True
        pi.run(new)
        assert pi.active == (new.id if is_good else old.id), f"step {at}: {pi.machine.state}"
        again = Pi(Storage(root), shop)
        again.run(new)
        assert (again.active, a_model_runs(again)) == (new.id if is_good else old.id, True)
    assert at > 15


@contextmanager
def small_disk(directory: Path, size_kb: int) -> Iterator[Path]:
    """A real file system of that size."""
    directory.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "driftline-test", str(directory)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine does not let the test mount a tmpfs (needs root)")
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


@pytest.mark.parametrize("free_kb", [0, 4, 8, 16, 24, 32])
def test_update_on_a_full_file_system_is_tried_again_when_there_is_space(
    tmp_path: Path, bundles: tuple[Bundle, ...], free_kb: int
) -> None:
    shop = Shop(bundles, first=bundles[0])
    with small_disk(tmp_path / "disk", 256) as disk:
        pi = Pi(Storage(disk / "state"), shop)
        pi.run()
        left = os.statvfs(disk)
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(max(left.f_bavail * left.f_bsize - free_kb * 1024, 0)))

        pi.wish(bundles[1])
        pi.run()

        assert pi.active == bundles[0].id or free_kb > 8
        assert a_model_runs(pi)
        ballast.unlink()
        pi.run(bundles[1])
        assert pi.active == bundles[1].id


def test_update_on_a_read_only_file_system_waits_until_it_can_be_written(
    tmp_path: Path, bundles: tuple[Bundle, ...]
) -> None:
    shop = Shop(bundles, first=bundles[0])
    with small_disk(tmp_path / "disk", 256) as disk:
        pi = Pi(Storage(disk / "state"), shop)
        pi.run()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)

        pi.wish(bundles[1])
        pi.run()

        assert (pi.active, a_model_runs(pi)) == (bundles[0].id, True)
        assert pi.storage_failures > 0
        assert Pi(Storage(disk / "state"), shop).active == bundles[0].id  # a start there runs it, too
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        pi.run(bundles[1])
        assert pi.active == bundles[1].id
