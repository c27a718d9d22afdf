"""Jobs from their JSON to their last event."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from agent.errors import StorageError
from agent.storage import Operation
from agent.update_client.errors import JobError
from agent.update_client.job import CheckJob, read_job
from deploy.registry import Registry
from deploy.registry.metadata import SignedFile
from edge_models.bundle import Bundle
from edge_models.channel import Channel, channel_target
from edge_models.fields import decode
from tests.unit.update_client.fakes import Fault
from tests.unit.update_client.run_site import Site, assert_error, built_registry


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    return built_registry(tmp_path_factory.mktemp("built"))


@pytest.fixture
def site(tmp_path: Path, built: tuple[Path, Bundle]) -> Site:
    shutil.copytree(built[0], tmp_path / "registry")
    return Site(tmp_path, Registry(tmp_path / "registry"), built[1])


def test_check_reports_the_channel_and_the_metadata_it_rests_on(site: Site) -> None:
    [event] = site.run("check")

    assert event["event"] == "channel"
    assert decode(Channel, event) == site.registry.channel("digits", "stable")
    assert event["metadata_versions"]["timestamp"] == 3


def test_fetch_ends_with_the_directory(site: Site) -> None:
    events = site.run("fetch")

    assert [event["event"] for event in events if event["event"] != "progress"] == ["manifest", "done"]
    assert Path(events[-1]["directory"]) == site.directory / "state/bundles" / site.bundle.id


def test_registry_that_was_restarted_during_a_check_is_asked_again(site: Site) -> None:
    site.transport.fail("/metadata/timestamp.json", Fault(is_down=True, times=2))

    events = site.run("check")

    assert events[-1]["event"] == "channel"
    assert len(site.time.waits) == 2


def test_registry_that_is_down_is_a_transient_error(site: Site) -> None:
    site.transport.fail("/metadata/timestamp.json", Fault(is_down=True, times=100))

    assert_error(site.run("check"), "network", transient=True)


def test_time_that_runs_out_is_a_transient_error(site: Site) -> None:
    def slowly() -> None:
        site.time.now_s += 11

    site.transport.on_chunk = slowly

    assert_error(site.run("check", timeout_s=20), "deadline", transient=True)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"channel": "beta"}, "not_published"),
        ({"root": "/nowhere/root.json"}, "signature"),
        ({"root": __file__}, "signature"),
        ({"now_floor": 4_000_000_000}, "expired"),
    ],
)
def test_check_that_cannot_be_done_has_its_code(site: Site, fields: Mapping[str, object], code: str) -> None:
    assert_error(site.run("check", **fields), code)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"bundle": "0" * 64}, "not_published"),
        ({"model": "sounds"}, "unfit"),
        ({"artifact": "spiking"}, "unfit"),
        ({"runtimes": []}, "unfit"),
        ({"max_bytes": 100}, "too_large"),
    ],
)
def test_fetch_that_cannot_be_done_has_its_code(site: Site, fields: Mapping[str, object], code: str) -> None:
    assert_error(site.run("fetch", **fields), code)


def test_missing_blob_is_the_servers_refusal(site: Site) -> None:
    entry = site.bundle.manifest.files["model.tflite"]
    site.transport.fail(f"/targets/blobs/{entry.sha256}", Fault(status=404))

    assert_error(site.run("fetch"), "http")


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, "no_space"), (errno.EROFS, "storage")])
def test_disk_that_fails_has_its_code(site: Site, number: int, code: str) -> None:
    def failing(operation: Operation) -> None:
        if operation.step == "write" and "bundles" in str(operation.path):
            raise StorageError("cannot be written") from OSError(number, os.strerror(number))

    site.observer = failing

    assert_error(site.run("fetch"), code)


def test_state_directory_that_cannot_be_made_is_an_event(site: Site) -> None:
    (site.directory / "state").write_text("a file")

    assert_error(site.run("check"), "storage")


def test_signed_channel_that_this_agent_cannot_read_is_an_event(site: Site) -> None:
    # The story: a newer registry signs a document that this agent does not know.
    sign_channel(site.registry, b'{"v":2,"model":"digits","channel":"stable","rev":9}\n')

    assert_error(site.run("check"), "unfit")


def test_signed_document_of_another_channel_is_refused(site: Site) -> None:
    present = site.registry.channel("digits", "stable")
    assert present is not None
    sign_channel(site.registry, replace(present, channel="beta").to_bytes())

    assert_error(site.run("check"), "content")


def sign_channel(registry: Registry, document: bytes) -> None:
    """Sign what the registry's own checks would refuse."""
    path = channel_target("digits", "stable")
    file = SignedFile(size=len(document), sha256=hashlib.sha256(document).hexdigest())
    registry._layout.target(path, file.sha256).write_bytes(document)
    state = registry._metadata.load()
    state.list_file("channels", path, file)
    registry._metadata.commit(state, changed=("channels",))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b'{"op":"erase"}', b'{"op":"check"}', b'{"op":"fetch","bundle":"x"}', b"\xff", b"{}{}"],
)
def test_document_that_is_no_job_is_refused(data: bytes) -> None:
    with pytest.raises(JobError, match="update job"):
        read_job(data)


def test_job_from_a_newer_supervisor_may_hold_unknown_fields(site: Site) -> None:
    job = read_job(json.dumps(site.job("check", colour="blue")).encode() + b"\n")

    assert isinstance(job, CheckJob)
