"""What statuses mean, for files and for metadata alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.update_client.errors import RefusedError, ServerError
from agent.update_client.status import failure, retry_after_s
from agent.update_client.transport import Reply
from deploy.registry import Registry
from edge_models.bundle import Bundle
from tests.unit.update_client.fakes import Fault
from tests.unit.update_client.run_site import Site, assert_error, built_registry


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    return built_registry(tmp_path_factory.mktemp("built"))


@pytest.fixture
def site(tmp_path: Path, built: tuple[Path, Bundle]) -> Site:
    return Site(tmp_path, Registry(built[0]), built[1])


def reply(status: int, **headers: str) -> Reply:
    return Reply(status=status, headers=headers, chunks=iter(()))


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_busy_or_broken_server_may_be_asked_again(status: int) -> None:
    assert isinstance(failure("http://x", reply(status)), ServerError)


@pytest.mark.parametrize("status", [300, 400, 401, 403, 404, 410, 451])
def test_other_statuses_are_the_last_word(status: int) -> None:
    assert isinstance(failure("http://x", reply(status)), RefusedError)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "90"}, 90.0),
        ({"retry-after": "9" * 400}, 3600.0),
        ({"retry-after": "\N{SUPERSCRIPT TWO}"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:01:00 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:01:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 60.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:01:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2099 10:01:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 3600.0),
        ({"retry-after": "Sun, 22 Nov 2026 10:01:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00"}, None),
    ],
)
def test_wait_that_the_server_asks_for(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers) == wait_s


@pytest.mark.parametrize("path", ["/metadata/timestamp.json", "/metadata/2.root.json"])
def test_registry_that_asks_for_a_pause_gets_it_for_metadata_too(site: Site, path: str) -> None:
    site.transport.fail(path, Fault(status=429, headers={"retry-after": "25"}))

    events = site.run("check")

    assert events[-1]["event"] == "channel"
    assert site.time.waits == [25.0]


def test_pause_beyond_the_end_of_the_job_is_told(site: Site) -> None:
    site.transport.fail("/metadata/timestamp.json", Fault(status=503, headers={"retry-after": "600"}))

    events = site.run("check", timeout_s=60)

    assert_error(events, "network", transient=True)
    assert events[-1]["retry_after"] == 600.0
    assert site.time.waits == []
