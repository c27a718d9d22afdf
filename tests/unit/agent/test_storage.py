"""Durable writes: what is left after a power cut is the old state or the new one."""

from __future__ import annotations

import contextlib
import errno
from pathlib import Path

import pytest

from agent.errors import StorageError
from agent.storage import Operation, Storage


class PowerCutError(Exception):
    """Not an error of ours, so nothing handles it, as nothing handles a power cut."""


class Disk:
    """Cuts the power before the step of a given number."""

    def __init__(self, cut_at: int | None = None) -> None:
        self.steps: list[Operation] = []
        self._cut_at = cut_at

    def __call__(self, operation: Operation) -> None:
        if self._cut_at is not None and len(self.steps) == self._cut_at:
            raise PowerCutError
        self.steps.append(operation)


def recorded(root: Path) -> tuple[Storage, Disk]:
    disk = Disk()
    return Storage(root, observer=disk), disk


def test_content_is_synced_before_it_gets_its_name(tmp_path: Path) -> None:
    storage, disk = recorded(tmp_path)

    storage.write_atomic("active.json", b"new")

    assert [(step.step, step.path.name) for step in disk.steps] == [
        ("create", "active.json.tmp"), ("write", "active.json.tmp"), ("fsync", "active.json.tmp"),
        ("rename", "active.json.tmp"), ("fsync_dir", tmp_path.name),
    ]  # fmt: skip


@pytest.mark.parametrize("cut_at", range(6))
def test_power_cut_during_a_write_leaves_old_or_new_content(tmp_path: Path, cut_at: int) -> None:
    Storage(tmp_path).write_atomic("active.json", b"old")

    with contextlib.suppress(PowerCutError):
        Storage(tmp_path, observer=Disk(cut_at)).write_atomic("active.json", b"newer")

    assert (tmp_path / "active.json").read_bytes() in (b"old", b"newer")
    Storage(tmp_path).write_atomic("active.json", b"last")  # what is left does not disturb the next write
    assert (tmp_path / "active.json").read_bytes() == b"last"


def test_download_goes_on_where_it_stopped(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    with storage.open_part("blob") as part:
        part.append(b"abc")

    with storage.open_part("blob") as part:
        assert part.size_bytes == 3
        part.append(b"def")
    with storage.open_part("blob", keep_bytes=4) as part:
        part.append(b"!")

    assert (tmp_path / "blob").read_bytes() == b"abcd!"


def test_name_in_another_directory_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.make_dir("a")
    storage.write_atomic("file", b"x")

    with pytest.raises(ValueError, match="link it there"):
        storage.rename("file", "a/file")


def test_file_system_without_links_gets_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    storage = Storage(tmp_path)
    storage.write_atomic("one", b"blob")
    monkeypatch.setattr("os.link", refuse)

    storage.link("one", "two")

    assert (tmp_path / "two").read_bytes() == b"blob"
    assert not (tmp_path / "two").samefile(tmp_path / "one")


def test_what_need_not_be_durable_costs_no_sync(tmp_path: Path) -> None:
    storage, disk = recorded(tmp_path)

    storage.write_atomic("file", b"x", durable=False)
    storage.make_dir("folder", durable=False)
    storage.remove("file", durable=False)
    storage.remove("folder", durable=False)

    assert not [step for step in disk.steps if step.step in ("fsync", "fsync_dir")]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut_at", range(6))
def test_directory_being_removed_keeps_its_name_only_while_it_is_whole(tmp_path: Path, cut_at: int) -> None:
    storage = Storage(tmp_path)
    storage.make_dir("bundle")
    for name in "ab":
        storage.write_atomic(f"bundle/{name}", b"x")

    with contextlib.suppress(PowerCutError):
        Storage(tmp_path, observer=Disk(cut_at)).remove("bundle")

    left = tmp_path / "bundle"
    assert not left.exists() or {path.name for path in left.iterdir()} == {"a", "b"}


def test_link_shares_the_content(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write_atomic("one", b"blob")

    storage.link("one", "two")

    assert (tmp_path / "two").samefile(tmp_path / "one")


def test_missing_file_reads_as_none_and_a_long_one_is_refused(tmp_path: Path) -> None:
    storage = Storage(tmp_path)
    storage.write_atomic("file", b"12345")

    assert storage.read("other", max_bytes=10) is None
    assert storage.read("file", max_bytes=5) == b"12345"
    with pytest.raises(StorageError, match="more than 4 bytes"):
        storage.read("file", max_bytes=4)


def test_path_outside_the_root_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "state")

    with pytest.raises(ValueError, match="outside"):
        storage.write_atomic("../elsewhere", b"")


def test_directory_is_removed_with_all_that_is_in_it_but_not_what_it_links_to(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "state")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    storage.make_dir("bundle/inner/most")
    storage.write_atomic("bundle/inner/file", b"x")
    (storage.root / "bundle/link").symlink_to(outside)
    (storage.root / "bundle/file-link").symlink_to(outside / "precious")

    storage.remove("bundle")

    assert not (storage.root / "bundle").exists()
    assert (outside / "precious").read_text() == "kept"


def test_removing_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    storage, disk = recorded(tmp_path)

    storage.remove("nothing")

    assert disk.steps == []


def test_foreign_errors_are_ours_and_say_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(StorageError, match=str(tmp_path / "file")):
        Storage(tmp_path / "file")
    with pytest.raises(StorageError, match="cannot be renamed"):
        Storage(tmp_path).rename("absent", "other")


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(b"certainly not SQLite, and long enough to be looked at" * 100)

    with pytest.raises(StorageError, match="cannot be opened"):
        Storage(tmp_path).database("box")


def test_failing_disk_costs_no_descriptors(tmp_path: Path) -> None:
    def fail(operation: Operation) -> None:
        if operation.step == "truncate":
            raise StorageError("the card is broken")

    (tmp_path / "active.json.tmp").write_bytes(b"left by a start before")
    storage = Storage(tmp_path, observer=fail)
    before = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(20):
        with pytest.raises(StorageError):
            storage.write_atomic("active.json", b"new")

    assert len(list(Path("/proc/self/fd").iterdir())) == before
