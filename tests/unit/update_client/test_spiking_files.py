"""A device that runs a spiking artifact also gets the collapsed form where a runtime of its own loads that."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from agent.state_dir import StateDir
from agent.storage import Storage
from agent.update_client.blobs import BlobDownloader
from agent.update_client.errors import TooLargeError
from agent.update_client.fetch import BundleFetcher, choose_files
from agent.update_client.pacing import Deadline, Retries
from agent.verify import verified
from edge_models.bundle import Bundle
from edge_models.manifest import MANIFEST_NAME
from tests.assets.make_graphs import FOLDER, fixture_networks
from tests.factories.spiking import COLLAPSED_FILE, SPIKING, make_spiking_bundle
from tests.unit.update_client.fakes import BASE, Events, FakeTime, MemoryTransport

ALONE = {MANIFEST_NAME, "model.spiking.npz", "spiking-probe.npz"}
NUMPY, LITERT = "numpy==2.4.6", "ai-edge-litert==2.3.0"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    name = "spikes-conv.tflite"
    return make_spiking_bundle(tmp_path / "built", fixture_networks()[name], graph=(FOLDER / name).read_bytes())


def fetched(state: Path, bundle: Bundle, runtimes: list[str]) -> set[str]:
    blobs = {
        f"/targets/blobs/{entry.sha256}": bundle.path(name).read_bytes()
        for name, entry in bundle.manifest.files.items()
    }
    time, storage = FakeTime(), Storage(state)
    deadline = Deadline(time, 1000.0)
    retries = Retries(deadline, time, random.Random(1))
    transport = MemoryTransport(blobs.get, chunk_bytes=800)
    fetcher = BundleFetcher(
        storage,
        lambda grown: BlobDownloader(storage, transport, deadline=deadline, retries=retries, grown=grown),
        targets_url=f"{BASE}/targets",
        report=Events(time).report,
        free_bytes=lambda: 1 << 30,
        runtimes=runtimes,
    )
    directory = fetcher.fetch((bundle.directory / MANIFEST_NAME).read_bytes(), bundle.manifest, SPIKING)
    return {path.name for path in directory.iterdir()}


def test_the_collapsed_form_is_fetched_with_a_tflite_runtime(tmp_path: Path, bundle: Bundle) -> None:
    assert fetched(tmp_path / "state", bundle, [NUMPY, LITERT]) == ALONE | {COLLAPSED_FILE}


def test_it_is_not_fetched_without_one(tmp_path: Path, bundle: Bundle) -> None:
    assert fetched(tmp_path / "state", bundle, [NUMPY]) == ALONE


def test_its_bytes_count_where_it_is_fetched(bundle: Bundle) -> None:
    alone = sum(bundle.manifest.files[name].size for name in ALONE - {MANIFEST_NAME})
    data = (bundle.directory / MANIFEST_NAME).read_bytes()

    def choose(runtimes: list[str]) -> str:
        return choose_files(data, bundle=bundle.id, model="spikes", artifact=None, runtimes=runtimes, max_bytes=alone)[
            1
        ]

    assert choose([NUMPY]) == SPIKING
    with pytest.raises(TooLargeError):
        choose([NUMPY, LITERT])


def test_a_device_checks_the_collapsed_form_exactly_where_it_fetches_it(bundle: Bundle) -> None:
    (bundle.directory / COLLAPSED_FILE).write_bytes(b"rot")

    def event(runtimes: list[str]) -> object:
        line = verified(bundle.directory, bundle.id, "spikes", SPIKING, runtimes)
        assert isinstance(line, dict)
        return line["event"]

    assert event([NUMPY]) == "verified"
    assert event([NUMPY, LITERT]) == "error"


def test_a_first_bundle_is_installed_with_the_files_that_the_device_needs(tmp_path: Path, bundle: Bundle) -> None:
    for runtimes, files in (([NUMPY], ALONE), ([NUMPY, LITERT], ALONE | {COLLAPSED_FILE})):
        state_dir = StateDir(Storage(tmp_path / str(len(files))))

        state_dir.install(bundle, SPIKING, runtimes)

        assert {path.name for path in state_dir.bundle_dir(bundle.id).iterdir()} == files
