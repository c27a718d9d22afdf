"""How a file arrives over a bad network."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import UpdateError
from agent.storage import Storage
from agent.update_client.blobs import BlobDownloader, record_of
from agent.update_client.errors import ContentError, DeadlineError, RefusedError, ServerError
from agent.update_client.pacing import MAX_TRIES, Deadline, Retries
from edge_models.bundle import file_entries
from tests.unit.update_client.fakes import BASE, FakeTime, Fault, MemoryTransport

CONTENT = random.Random(7).randbytes(10_000)
ENTRY = file_entries({"model.tflite": CONTENT})["model.tflite"]
PATH = "/targets/blobs/model"
PART = Path("bundles/x.part/.blob")


class Scene:
    """A state directory, a network and as many runs of the client as a test wants."""

    def __init__(self, directory: Path) -> None:
        self.storage = Storage(directory)
        self.storage.make_dir("bundles/x.part")
        self.content = CONTENT
        self.transport = MemoryTransport(lambda path: self.content if path == PATH else None)
        self.time = FakeTime()
        self.grown: list[int] = []

    def client(self, *, timeout_s: float = 1000.0) -> BlobDownloader:
        deadline = Deadline(self.time, timeout_s)
        retries = Retries(deadline, self.time, random.Random(1))
        return BlobDownloader(self.storage, self.transport, deadline=deadline, retries=retries, grown=self.grown.append)

    def fetch(self, *, timeout_s: float = 1000.0) -> None:
        self.client(timeout_s=timeout_s).fetch(BASE + PATH, ENTRY, PART)

    def fail(self, **fault: object) -> None:
        self.transport.fail(PATH, Fault(**fault))  # type: ignore[arg-type]

    @property
    def part(self) -> Path:
        return self.storage.path(PART)

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("range") for headers in self.transport.asked(PATH)]

    def is_complete(self) -> bool:
        return self.part.read_bytes() == CONTENT


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_file_arrives_in_one_piece(scene: Scene) -> None:
    scene.fetch()

    assert scene.is_complete()
    assert scene.ranges == [None]
    assert scene.grown[-1] == len(CONTENT)


def test_broken_download_goes_on_with_a_range(scene: Scene) -> None:
    scene.fail(break_after=3500)

    scene.fetch()

    assert scene.is_complete()
    assert scene.ranges == [None, "bytes=3500-"]
    assert scene.transport.asked(PATH)[1]["if-range"].strip('"') == ENTRY.sha256
    assert scene.transport.sent_bytes == len(CONTENT)


def test_body_that_ends_early_without_an_error_goes_on_too(scene: Scene) -> None:
    scene.fail(end_after=4000)

    scene.fetch()

    assert scene.ranges == [None, "bytes=4000-"]
    assert scene.is_complete()


def test_next_process_goes_on_where_the_last_one_stopped(scene: Scene) -> None:
    scene.fail(break_after=6000)
    scene.fail(is_down=True, times=100)
    with pytest.raises(ServerError, match="no answer"):
        scene.fetch()
    scene.transport.faults.clear()
    scene.transport.requests.clear()

    scene.fetch()

    assert scene.ranges == ["bytes=6000-"]
    assert scene.is_complete()


def test_complete_part_needs_no_network(scene: Scene) -> None:
    scene.fetch()
    scene.transport.requests.clear()

    scene.fetch()

    assert scene.ranges == []


def test_answer_200_starts_again(scene: Scene) -> None:
    scene.fail(break_after=3500)
    scene.fail(ignore_range=True)

    scene.fetch()

    assert scene.is_complete()
    assert scene.transport.sent_bytes == 3500 + len(CONTENT)


def test_changed_etag_starts_again(scene: Scene) -> None:
    scene.content = b"other" + CONTENT
    scene.fail(break_after=3500)
    scene.fail(is_down=True, times=100)
    with pytest.raises(ServerError):
        scene.fetch()
    scene.transport.faults.clear()
    scene.content = CONTENT

    scene.fetch()

    assert scene.is_complete()
    assert json.loads(record_of(scene.part).read_bytes())["etag"].strip('"') == ENTRY.sha256


def test_answer_416_drops_the_part(scene: Scene) -> None:
    scene.fail(break_after=3500)
    scene.fail(status=416)

    scene.fetch()

    assert scene.ranges == [None, "bytes=3500-", None]
    assert scene.is_complete()


@pytest.mark.parametrize("span", ["bytes 0-9999/10000", "bytes 3500-9999/20000", "bytes */10000", "", "nonsense"])
def test_other_range_than_asked_for_drops_the_part(scene: Scene, span: str) -> None:
    scene.fail(break_after=3500)
    scene.fail(headers={"content-range": span})

    scene.fetch()

    assert scene.ranges == [None, "bytes=3500-", None]
    assert scene.is_complete()


def test_ranges_that_a_server_cuts_short_add_up(scene: Scene) -> None:
    scene.fail(break_after=1000)
    scene.fail(at_most=4000)

    scene.fetch()

    assert scene.ranges == [None, "bytes=1000-", "bytes=5000-"]
    assert scene.is_complete()


@pytest.mark.parametrize("record", [None, b"", b"{torn", b'{"digest":"' + b"0" * 64 + b'","size":10000,"etag":null}'])
def test_part_of_something_else_is_dropped(scene: Scene, record: bytes | None) -> None:
    scene.part.write_bytes(b"x" * 500)
    if record is not None:
        record_of(scene.part).write_bytes(record)

    scene.fetch()

    assert scene.ranges == [None]
    assert scene.is_complete()


def test_part_longer_than_the_file_is_dropped(scene: Scene) -> None:
    scene.fetch()
    scene.part.write_bytes(CONTENT + b"more")

    scene.fetch()

    assert scene.is_complete()


def test_flipped_bit_on_the_way_costs_one_more_download(scene: Scene) -> None:
    scene.fail(content=bytes([CONTENT[0] ^ 1]) + CONTENT[1:])

    scene.fetch()

    assert scene.ranges == [None, None]
    assert scene.is_complete()


def test_flipped_bit_in_the_registry_is_refused_and_leaves_nothing(scene: Scene) -> None:
    scene.content = bytes([CONTENT[0] ^ 1]) + CONTENT[1:]

    with pytest.raises(ContentError, match="differs from manifest"):
        scene.fetch()

    assert scene.ranges == [None, None]
    assert list(scene.part.parent.iterdir()) == []


def test_part_that_rotted_between_two_runs_is_fetched_again(scene: Scene) -> None:
    scene.fail(break_after=3500)
    scene.fail(is_down=True, times=100)
    with pytest.raises(ServerError):
        scene.fetch()
    scene.transport.faults.clear()
    scene.part.write_bytes(bytes(3500))

    scene.fetch()

    assert scene.is_complete()


def test_endless_data_stops_at_the_signed_size(scene: Scene) -> None:
    scene.fail(endless=True)

    with pytest.raises(ContentError, match="more than the 10000 bytes"):
        scene.fetch()

    assert scene.transport.sent_bytes <= len(CONTENT) + 1000
    assert list(scene.part.parent.iterdir()) == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 301])
def test_refusal_ends_the_download_at_once(scene: Scene, status: int) -> None:
    scene.fail(status=status, times=100)

    with pytest.raises(RefusedError, match=f"HTTP status {status}"):
        scene.fetch()

    assert len(scene.ranges) == 1


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_busy_server_is_asked_again(scene: Scene, status: int) -> None:
    scene.fail(status=status)

    scene.fetch()

    assert len(scene.time.waits) == 1
    assert scene.is_complete()


def test_server_says_how_long_to_wait(scene: Scene) -> None:
    scene.fail(status=503, headers={"retry-after": "40"})

    scene.fetch()

    assert scene.time.waits == [40.0]


def test_server_that_stays_down_is_given_up_after_growing_waits(scene: Scene) -> None:
    scene.fail(is_down=True, times=100)

    with pytest.raises(ServerError, match="no answer"):
        scene.fetch()

    assert len(scene.ranges) == MAX_TRIES
    assert scene.time.waits == sorted(scene.time.waits)
    assert sum(scene.time.waits) < 20


def test_server_without_ranges_that_always_breaks_is_given_up(scene: Scene) -> None:
    scene.fail(break_after=9000, ignore_range=True, times=1000)

    with pytest.raises(ServerError):
        scene.fetch()

    assert scene.transport.sent_bytes <= 9000 * (MAX_TRIES + 1)


def test_each_progress_earns_new_tries(scene: Scene) -> None:
    for _ in range(9):
        scene.fail(break_after=1000)
        scene.fail(is_down=True, times=MAX_TRIES - 2)

    scene.fetch()

    assert scene.is_complete()


def test_deadline_ends_a_trickle_and_keeps_what_arrived(scene: Scene) -> None:
    def slowly() -> None:
        scene.time.now_s += 10

    scene.transport.on_chunk = slowly

    with pytest.raises(DeadlineError, match="not finished in 35 s"):
        scene.fetch(timeout_s=35.0)

    assert scene.part.stat().st_size == 4000


def test_wait_that_would_pass_the_deadline_is_not_begun(scene: Scene) -> None:
    scene.fail(status=503, headers={"retry-after": "500"})

    with pytest.raises(ServerError, match="503"):
        scene.fetch(timeout_s=60.0)

    assert scene.time.waits == []


def test_compressed_answer_is_refused(scene: Scene) -> None:
    scene.fail(headers={"content-encoding": "gzip"})

    with pytest.raises(RefusedError, match="gzip"):
        scene.fetch()


@pytest.mark.parametrize("etag", ['W/"weak"', '"' + "x" * 300 + '"'])
def test_unusable_etag_is_not_sent_back(scene: Scene, etag: str) -> None:
    scene.fail(break_after=3500, headers={"etag": etag})

    scene.fetch()

    assert "if-range" not in scene.transport.asked(PATH)[1]
    assert scene.is_complete()


def test_empty_file_is_a_file_too(scene: Scene) -> None:
    scene.content = b""
    entry = file_entries({"empty": b""})["empty"]

    scene.client().fetch(BASE + PATH, entry, PART)

    assert scene.part.read_bytes() == b""


FAULTS = st.one_of(
    st.builds(Fault, break_after=st.integers(0, 10_000)),
    st.builds(Fault, end_after=st.integers(0, 10_000)),
    st.builds(Fault, ignore_range=st.just(True), break_after=st.integers(0, 10_000)),
    st.builds(Fault, status=st.sampled_from([416, 429, 503])),
    st.builds(Fault, at_most=st.integers(1, 5000)),
    st.builds(Fault, is_down=st.just(True)),
    st.builds(Fault, content=st.binary(min_size=1, max_size=12_000)),
    st.builds(Fault, headers=st.just({"content-range": "bytes 5-9999/10000"})),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=st.lists(st.lists(FAULTS, max_size=6), max_size=4), rot=st.none() | st.binary(max_size=12_000))
def test_whatever_happens_only_the_right_bytes_are_accepted(
    tmp_path_factory: pytest.TempPathFactory, runs: list[list[Fault]], rot: bytes | None
) -> None:
    scene = Scene(tmp_path_factory.mktemp("scene"))
    for faults in runs:
        scene.transport.faults[PATH] = [Fault(**vars(fault)) for fault in faults]
        try:
            scene.fetch()
        except UpdateError:
            continue
        assert scene.is_complete()
    if rot is not None and scene.part.exists():
        scene.part.write_bytes(rot)
    scene.transport.faults.clear()

    scene.fetch()

    assert scene.is_complete()
