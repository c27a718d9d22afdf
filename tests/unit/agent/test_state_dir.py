"""Records and bundles in the state directory."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.core.records import UpdateRecord
from agent.core.request_record import PolicyRecord, RequestRecord
from agent.core.update_table import State
from agent.errors import StorageError
from agent.state_dir import StateDir
from agent.storage import Operation, Storage
from edge_models.wire.telemetry import DriftState
from edge_models.wire.update import Desired, LastResult, UpdateError
from tests.factories.bundles import make_bundle
from tests.unit.agent.world import bundle, running, target


@pytest.fixture
def state_dir(tmp_path: Path) -> StateDir:
    return StateDir(Storage(tmp_path))


def whole(state_dir: StateDir, serial: int) -> Path:
    """A bundle under the name that its manifest gives it."""
    made = make_bundle(state_dir.root / f"made-{serial}", serial=serial)
    directory = state_dir.bundle_dir(made.id)
    directory.parent.mkdir(exist_ok=True)
    return made.directory.rename(directory)


def test_records_come_back_as_they_were(state_dir: StateDir) -> None:
    update = UpdateRecord(
        phase=State.SHADOW, target=target("b"), attempt=2, held=True, own_desired=Desired(rev=3, bundle=bundle("b")),
        error=UpdateError(code="network", message="no answer"), metadata={"root": 1},
        last_result=LastResult(bundle=bundle("a"), outcome=State.COMMITTED),
    ).with_bad(target("c"))  # fmt: skip
    active = running("a", previous="b", provisional=True)
    request = RequestRecord(state=DriftState.REQUESTED, policy=PolicyRecord(asked=1, signal="mean"))

    state_dir.write_update(update)
    state_dir.write_active(active)
    state_dir.write_request(request)

    assert (state_dir.read_update(), state_dir.read_active(), state_dir.read_request()) == (update, active, request)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"phase":"dancing"}', b"\x00" * 100, b"x" * 300_000])
def test_damaged_record_is_put_aside_and_counts_as_missing(state_dir: StateDir, content: bytes) -> None:
    (state_dir.root / "update.json").write_bytes(content)

    assert state_dir.read_update() is None
    assert (state_dir.root / "update.json.bad").read_bytes() == content
    assert not (state_dir.root / "update.json").exists()


def test_starts_are_counted(state_dir: StateDir) -> None:
    assert [state_dir.next_boot(None), state_dir.next_boot(1.8e9)] == [1, 2]

    (state_dir.root / "boot").write_text("many")
    assert state_dir.next_boot(None) == 1


@pytest.mark.parametrize("damage", [b"", b"many", b"-7", b"9" * 19, b"9" * 30, b"\x00\x00"])
def test_start_after_a_damaged_count_has_a_number_that_no_earlier_one_had(state_dir: StateDir, damage: bytes) -> None:
    # A number for the second time would make new messages look like those that came long ago.
    for _ in range(3):
        state_dir.next_boot(1.8e9)
    (state_dir.root / "boot").write_bytes(damage)

    assert [state_dir.next_boot(1.8e9), state_dir.next_boot(None)] == [1_800_000_000, 1_800_000_001]


def test_only_whole_bundles_of_the_model_are_present(state_dir: StateDir) -> None:
    directory = whole(state_dir, 1)
    renamed, damaged = whole(state_dir, 2), whole(state_dir, 3)
    renamed.rename(state_dir.bundle_dir(bundle("b")))
    (damaged / "manifest.json").write_text("{}")
    state_dir.bundle_dir(bundle("c") + ".part").mkdir()
    state_dir.bundle_dir(bundle("d")).mkdir()

    assert state_dir.present("digits") == {directory.name}
    assert state_dir.present("faces") == frozenset()


def test_cleaning_keeps_what_it_is_told_and_its_partial_download(state_dir: StateDir) -> None:
    kept, gone = whole(state_dir, 1), whole(state_dir, 2)
    part = state_dir.bundle_dir(kept.name + ".part")
    part.mkdir()

    state_dir.keep_bundles({kept.name})

    assert kept.exists()
    assert part.exists()
    assert not gone.exists()


def test_time_floor_is_remembered(state_dir: StateDir) -> None:
    assert state_dir.read_time_floor_s() == 0.0
    state_dir.write_time_floor_s(1.8e9)
    assert state_dir.read_time_floor_s() == 1.8e9


def test_pointer_can_be_taken_away(state_dir: StateDir) -> None:
    state_dir.write_active(running("a"))
    state_dir.write_active(None)

    assert state_dir.read_active() is None


def full(_: Operation) -> None:
    raise StorageError("no space left on device")


def test_start_on_a_full_disk_has_a_number_of_its_own(tmp_path: Path) -> None:
    state_dir = StateDir(Storage(tmp_path))
    state_dir.next_boot(1.8e9)

    stuck = StateDir(Storage(tmp_path, observer=full))

    assert [stuck.next_boot(1.8e9), stuck.next_boot(1.8e9 + 60)] == [1_800_000_000, 1_800_000_060]
    assert state_dir.next_boot(1.8e9) == 2


def test_damaged_record_on_a_disk_that_takes_no_change_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / "active.json").write_text("{")

    assert StateDir(Storage(tmp_path, observer=full)).read_active() is None


def test_directory_that_cannot_be_listed_is_one_of_our_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Path) -> Iterator[Path]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "iterdir", fails)

    with pytest.raises(StorageError, match="bundles: cannot be read: Input/output error"):
        StateDir(Storage(tmp_path)).present()
