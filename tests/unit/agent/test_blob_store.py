"""Blobs under their digests, bundles made of them, and what is cleared away."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.blob_store import BlobStore
from agent.core.records import ActiveRecord
from agent.errors import StorageError
from agent.state_dir import StateDir
from agent.storage import Storage
from edge_models.bundle import Bundle
from edge_models.wire.update import ModelVersion
from tests.unit.agent.pi import ARTIFACT, RUNTIMES, Shop
from tests.unit.registry.bundles import make_bundle
from tests.unit.update_client.memory import SHARED_MEMORY

COUNT = 4


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    directory = tmp_path_factory.mktemp("bundles")
    return Shop(tuple(make_bundle(directory / str(serial), serial=serial) for serial in range(1, COUNT + 1)))


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)


def some() -> st.SearchStrategy[frozenset[int]]:
    return st.frozensets(st.integers(0, COUNT - 1))


def pointer(active: Bundle, previous: Bundle) -> ActiveRecord:
    back = ModelVersion(bundle=previous.id, artifact=ARTIFACT, serial=1)
    return ActiveRecord(bundle=active.id, artifact=ARTIFACT, serial=2, previous=back)


def digests(bundles: list[Bundle]) -> set[str]:
    return {entry.sha256 for bundle in bundles for entry in bundle.manifest.files.values()}


@settings(max_examples=20)
@given(installed=some(), kept=some(), pinned=st.sampled_from([None, (0, 1), (2, 3), (3, 3)]))
def test_clearing_away_keeps_what_is_wanted_or_pinned_whole_and_leaves_nothing_else(
    shop: Shop, installed: frozenset[int], kept: frozenset[int], pinned: tuple[int, int] | None
) -> None:
    installed |= set(pinned or ())
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as directory:
        state_dir = StateDir(Storage(Path(directory)))
        for index in installed:
            state_dir.install(shop.bundles[index], ARTIFACT, RUNTIMES)
        if pinned is not None:
            state_dir.write_active(pointer(shop.bundles[pinned[0]], shop.bundles[pinned[1]]))
        before = {path.name for path in (state_dir.root / "blobs").iterdir()} if installed else set()

        state_dir.keep_bundles([shop.bundles[index].id for index in kept])

        wanted = {*kept, *(pinned or ())}
        left = [shop.bundles[index] for index in installed & wanted]
        assert state_dir.present() == {bundle.id for bundle in left}
        assert all(shop.is_whole(state_dir.bundle_dir(bundle.id)) for bundle in left)
        blobs = {path.name for path in (state_dir.root / "blobs").iterdir()} if installed else set()
        assert blobs >= before & digests(left)
        if wanted <= installed:  # else one is about to be downloaded, and may need any of them
            assert blobs <= digests(left)


def test_parts_stay_while_a_bundle_is_about_to_be_downloaded_and_go_at_rest(tmp_path: Path, shop: Shop) -> None:
    state_dir = StateDir(Storage(tmp_path))
    state_dir.install(shop.bundles[0], ARTIFACT, RUNTIMES)
    part = BlobStore(state_dir.storage).part("1" * 64)
    part.write_bytes(b"half")

    state_dir.keep_bundles([shop.bundles[0].id, shop.bundles[1].id])
    assert part.exists()
    state_dir.keep_bundles([shop.bundles[0].id])
    assert not part.exists()


def test_harmed_blob_is_not_held(tmp_path: Path, shop: Shop) -> None:
    state_dir = StateDir(Storage(tmp_path))
    state_dir.install(shop.bundles[0], ARTIFACT, RUNTIMES)
    entry = shop.bundles[0].manifest.files["model.tflite"]
    blobs = BlobStore(state_dir.storage)
    assert blobs.holds(entry)
    blobs.path(entry.sha256).write_bytes(b"rot")

    assert not blobs.holds(entry)
    assert not blobs.path(entry.sha256).exists()


def test_bundles_share_their_blobs_on_the_disk(tmp_path: Path, shop: Shop) -> None:
    state_dir = StateDir(Storage(tmp_path))
    for bundle in shop.bundles[:2]:
        state_dir.install(bundle, ARTIFACT, RUNTIMES)

    one, two = (state_dir.bundle_dir(bundle.id) / "probe.npz" for bundle in shop.bundles[:2])

    assert one.samefile(two)
    assert one.stat().st_nlink == 3


def test_file_that_vanishes_while_it_is_copied_is_an_error_of_ours(tmp_path: Path, shop: Shop) -> None:
    blobs = BlobStore(Storage(tmp_path))
    blobs.make()

    with pytest.raises(StorageError, match="cannot be copied: No such file"):
        blobs.copy_from(tmp_path / "gone", shop.bundles[0].manifest.files["model.tflite"])
