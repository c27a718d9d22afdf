"""Files that something goes on adding to, and directories that something puts files into."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import CsvSource, FolderSource
from agent.worker.errors import SourceError
from agent.worker.sources.arrivals import Arrivals
from agent.worker.sources.csv_tail import MISSING_S, CsvTail
from edge_models.manifest import InputSpec
from edge_models.tensors import TensorSpec
from tests.unit.agent_worker.conftest import FakeClock

PAIR = InputSpec(kind="rows", source=TensorSpec(shape=(2,), dtype="float32"))
IMAGE = InputSpec(kind="image", source=TensorSpec(shape=(8, 8), dtype="uint8"))


def rows(source: CsvTail, clock: FakeClock, looks: int = 12) -> list[list[float]]:
    """What comes within some seconds."""
    found: list[list[float]] = []
    for _ in range(looks):
        clock.now_s += 0.5
        while (frame := source.read()) is not None:
            found.append(frame.x.tolist())
    return found


OpenTail = Callable[..., CsvTail]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "rows.csv"
    made.write_text("a,b\n1,1\n")
    return made


@pytest.fixture
def tail(path: Path, clock: FakeClock) -> Iterator[OpenTail]:
    opened: list[CsvTail] = []

    def open_one(*, position: int = 0, mark: str = "", **settings: object) -> CsvTail:
        config = CsvSource(path=str(path), follow=True, **settings)  # type: ignore[arg-type]
        opened.append(CsvTail(config, ("low", "high"), position=position, mark=mark, now_s=clock.monotonic_s))
        return opened[-1]

    yield open_one
    for source in opened:
        source.close()


def add(path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)


def test_only_what_is_added_is_taken(tail: OpenTail, path: Path, clock: FakeClock) -> None:
    source = tail()
    assert rows(source, clock) == []

    add(path, "2,2\n3,3\n")

    assert rows(source, clock) == [[2, 2], [3, 3]]
    assert (source.position, source.ended) == (2, False)


def test_half_a_row_waits_for_the_rest(tail: OpenTail, path: Path, clock: FakeClock) -> None:
    add(path, "2,")
    source = tail()
    add(path, "2\n3,")

    assert rows(source, clock) == [[2, 2]]
    add(path, "33\n")
    assert rows(source, clock) == [[3, 33]]


def test_a_rotated_file_is_read_to_its_end_and_the_new_one_from_its_start(
    tail: OpenTail, path: Path, clock: FakeClock
) -> None:
    source = tail(columns=("a", "b"))
    add(path, "2,2\n")
    path.rename(path.with_name("rows.csv.1"))
    assert rows(source, clock) == [[2, 2]]

    add(path.with_name("rows.csv.1"), "3,3\n")
    path.write_text("b,a\n40,4\n")

    assert rows(source, clock) == [[3, 3], [4, 40]]


def test_a_truncated_file_is_read_from_its_start(tail: OpenTail, path: Path, clock: FakeClock) -> None:
    source = tail()
    add(path, "2,2\n3,3\n")
    rows(source, clock)

    path.write_text("a,b\n5,5\n")

    assert rows(source, clock) == [[5, 5]]


def test_a_file_that_stays_away_is_a_failure(tail: OpenTail, path: Path, clock: FakeClock) -> None:
    source = tail()
    path.unlink()
    assert rows(source, clock, looks=2) == []
    clock.now_s += MISSING_S + 1

    with pytest.raises(SourceError, match=r"rows\.csv: is gone .*expected a file that grows"):
        rows(source, clock)


def test_the_next_one_goes_on_where_the_last_one_stopped(tail: OpenTail, path: Path, clock: FakeClock) -> None:
    first = tail()
    add(path, "2,2\n3,3\n4,4\n")
    clock.now_s += 1
    first.read()

    second = tail(position=first.position, mark=first.mark)

    assert rows(second, clock) == [[3, 3], [4, 4]]
    assert second.position == 3


def test_rows_between_the_mark_and_the_position_were_taken(tail: OpenTail, path: Path, clock: FakeClock) -> None:
    mark = tail().mark
    add(path, "2,2\n3,3\n4,4\n")

    later = tail(position=2, mark=mark)  # told by predictions, after the last heartbeat

    assert rows(later, clock) == [[4, 4]]
    assert later.position == 3


def test_what_came_into_a_new_file_meanwhile_is_not_lost(tail: OpenTail, path: Path, clock: FakeClock) -> None:
    mark = tail().mark
    path.rename(path.with_name("rows.csv.1"))
    path.write_text("a,b\n7,7\n")

    assert rows(tail(mark=mark), clock) == [[7, 7]]


def test_a_file_whose_header_comes_later_is_followed(tail: OpenTail, path: Path, clock: FakeClock) -> None:
    path.write_text("")
    source = tail()
    add(path, "a,b\n1,2\n")

    assert rows(source, clock) == [[1, 2]]


def test_labels_and_bad_cells_are_those_of_any_file_of_rows(tail: OpenTail, path: Path, clock: FakeClock) -> None:
    path.write_text("a,b,y\n")
    source = tail(label_column="y")
    add(path, '1,x,high\n"1"2,3,low\n')
    clock.now_s += 1

    first, second = source.read(), source.read()

    assert first is not None
    assert second is not None
    assert first.label == 1
    assert np.isnan(first.x[1])
    assert second.x.size == 0  # no CSV: no model takes it, and it is counted


@pytest.mark.parametrize(("text", "said"), [("x,y\n", "expected one named a"), ('a,"b\n', "cannot be read as CSV")])
def test_a_file_that_does_not_fit_is_refused(tail: OpenTail, path: Path, text: str, said: str) -> None:
    path.write_text(text)

    with pytest.raises(SourceError, match=said):
        tail(columns=("a", "b"))


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_however_a_file_grows_each_whole_row_comes_once(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("grown") / "rows.csv"
    path.write_bytes(b"a\n")
    clock = FakeClock()
    source = CsvTail(CsvSource(path=str(path), follow=True), (), position=0, mark="", now_s=clock.monotonic_s)
    count = 0
    for cut in cuts:
        with path.open("ab") as stream:
            stream.write(cut)
        count += len(rows(source, clock, looks=1))
    whole = (b"".join(cuts)).split(b"\n")[:-1]
    source.close()

    assert count == sum(bool(line.decode("utf-8-sig", errors="replace").rstrip("\r").strip()) for line in whole)


class Folder:
    """A directory, and a source that watches it."""

    def __init__(self, directory: Path, clock: FakeClock) -> None:
        self.directory, self.clock = directory, clock

    def watch(
        self,
        *,
        spec: InputSpec = PAIR,
        position: int = 0,
        mark: str = "",
        existing: bool = False,
        settle_s: float = 1.0,
    ) -> Arrivals:
        config = FolderSource(path=str(self.directory), existing=existing, settle_s=settle_s)
        return Arrivals(config, spec, position=position, mark=mark, now_s=self.clock.monotonic_s)

    def put(self, name: str, value: float) -> Path:
        path = self.directory / name
        np.save(path, np.array([value, value], np.float32))
        return path

    def values(self, source: Arrivals, looks: int = 4) -> list[float]:
        found: list[float] = []
        for _ in range(looks):
            self.clock.now_s += 1.0
            while (frame := source.read()) is not None:
                found.append(float(frame.x[0]) if frame.x.size else -1.0)
        return found


@pytest.fixture
def folder(tmp_path: Path, clock: FakeClock) -> Folder:
    (tmp_path / "in").mkdir()
    return Folder(tmp_path / "in", clock)


def test_new_files_are_taken_once_in_the_order_of_their_arrival(folder: Folder) -> None:
    folder.put("old.npy", 1)
    source = folder.watch()
    folder.put("z.npy", 2)
    folder.put("a.npy", 3)

    assert folder.values(source) == [2, 3]
    assert folder.values(source) == []
    assert source.position == 2


def test_files_that_are_there_are_taken_where_that_is_wanted(folder: Folder) -> None:
    folder.put("old.npy", 1)

    assert folder.values(folder.watch(existing=True)) == [1]


def test_a_file_that_still_grows_waits(folder: Folder) -> None:
    source = folder.watch()
    path = folder.put("a.npy", 1)
    whole = path.read_bytes()
    for size in (10, 60, len(whole)):
        path.write_bytes(whole[:size])
        folder.clock.now_s += 1.0
        assert source.read() is None

    assert folder.values(source) == [1]


def test_a_file_that_is_written_over_is_a_frame_each_time(folder: Folder) -> None:
    source = folder.watch()
    folder.put("latest.npy", 1)
    first = folder.values(source)
    folder.put("latest.npy", 2)

    assert (first, folder.values(source)) == ([1], [2])


def test_a_file_that_is_moved_in_with_an_old_date_is_new(folder: Folder) -> None:
    source = folder.watch()
    path = folder.put("a.npy.part", 1)  # numpy adds .npy to it
    path = folder.directory / "a.npy.part.npy"
    os.utime(path, (1, 1))
    path.rename(folder.directory / "moved.npy")

    assert folder.values(source) == [1]


def test_names_that_say_unfinished_and_other_files_are_left_alone(folder: Folder) -> None:
    source = folder.watch()
    for name in (".hidden.npy", "a.tmp", "a.npy.part", "notes.txt"):
        (folder.directory / name).write_bytes(b"x")
    (folder.directory / "inner.npy").mkdir()
    (folder.directory / os.fsdecode(b"\xff.npy")).write_bytes(b"x")

    assert folder.values(source) == []


def test_a_file_that_is_no_array_is_a_frame_that_no_model_takes(folder: Folder) -> None:
    source = folder.watch()
    (folder.directory / "bad.npy").write_bytes(b"\x93NUMPY but not really")
    np.save(folder.directory / "object.npy", np.array([{"a": 1}], dtype=object))

    assert folder.values(source) == [-1, -1]


def test_the_next_watch_takes_what_came_meanwhile_and_nothing_twice(folder: Folder) -> None:
    first = folder.watch()
    folder.put("a.npy", 1)
    folder.put("b.npy", 2)
    folder.clock.now_s += 1.0
    first.read()
    folder.clock.now_s += 1.0
    taken = first.read()
    folder.put("c.npy", 3)

    assert taken is not None
    assert folder.values(folder.watch(position=first.position, mark=first.mark)) == [2, 3]


def test_files_between_the_mark_and_the_position_were_taken(folder: Folder) -> None:
    mark = folder.watch().mark
    for number in (1, 2, 3):
        folder.put(f"{number}.npy", number)

    later = folder.watch(position=2, mark=mark)  # told by predictions, after the last heartbeat

    assert folder.values(later) == [3]
    assert folder.values(folder.watch(position=later.position, mark=later.mark)) == []


def test_a_watch_of_an_empty_directory_can_be_gone_on_with(folder: Folder) -> None:
    mark = folder.watch().mark
    folder.put("a.npy", 1)

    assert folder.values(folder.watch(mark=mark)) == [1]


def test_a_directory_that_goes_is_a_failure_with_its_name(folder: Folder) -> None:
    source = folder.watch()
    folder.directory.rmdir()
    folder.clock.now_s += 2.0

    with pytest.raises(SourceError, match="in: is not there, expected a directory of frames"):
        source.read()


def test_pictures_are_read_as_the_model_wants_them(folder: Folder) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed; it is not part of the extra agent")
    source = folder.watch(spec=IMAGE)
    image.new("RGB", (8, 8), (40, 40, 40)).save(folder.directory / "a.PNG", format="PNG")
    (folder.directory / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    folder.clock.now_s += 1.0
    source.read()
    folder.clock.now_s += 1.0

    shapes = [frame.x.shape for frame in (source.read(), source.read()) if frame is not None]

    assert shapes == [(8, 8), (0,)]
