"""Where frames come from: recordings, rows, messages."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.config import CsvSource, MqttSource, ReplaySource
from agent.ipc import FrameIn
from agent.worker.errors import SourceError
from agent.worker.sources import open_source
from agent.worker.sources.mqtt_frames import QUEUE_FRAMES, MqttFrames
from agent.worker.sources.port import Source
from agent.worker.sources.recording import load_recording
from edge_models.manifest import InputSpec
from edge_models.tensors import TensorSpec
from tests.factories.bundles import INPUT
from tests.factories.frames import write_recording

ROWS = InputSpec(kind="rows", source=TensorSpec(shape=(2,), dtype="float32"))


def positions_and_values(source: Source, reads: int) -> list[tuple[int, list[float]] | None]:
    frames = [source.read() for _ in range(reads)]
    return [None if frame is None else (frame.position, np.ravel(frame.x).tolist()) for frame in frames]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    return write_recording(tmp_path / "frames.npz", np.arange(6).reshape(3, 2), np.array([1, -1, 0]))


def replay(path: Path, *, loop: bool = False, position: int = 0) -> Source:
    config = ReplaySource(path=str(path), rate_hz=5.0, loop=loop)
    return open_source(config, ROWS, ("a", "b"), position=position, now_s=lambda: 0.0)


def test_a_recording_is_played_once_and_ends(recording: Path) -> None:
    source = replay(recording)

    assert source.rate_hz == 5.0
    assert positions_and_values(source, 4) == [(0, [0, 1]), (1, [2, 3]), (2, [4, 5]), None]
    assert source.ended


def test_labels_come_along_where_they_are_known(recording: Path) -> None:
    source = replay(recording)

    assert [frame.label for frame in iter(source.read, None)] == [1, None, 0]


def test_a_recording_goes_on_at_the_position_where_it_was_left(recording: Path) -> None:
    first = replay(recording)
    first.read()

    second = replay(recording, position=first.position)

    assert positions_and_values(second, 3) == [(1, [2, 3]), (2, [4, 5]), None]


def test_a_looped_recording_counts_positions_on(recording: Path) -> None:
    source = replay(recording, loop=True, position=2)

    assert positions_and_values(source, 3) == [(2, [4, 5]), (3, [0, 1]), (4, [2, 3])]
    assert not source.ended


def test_a_recording_at_its_end_stays_at_its_end(recording: Path) -> None:
    assert replay(recording, position=3).ended
    assert replay(recording, position=99).read() is None


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.zeros((2, 2))}, r"found arrays images, expected x"),
        ({"x": np.zeros((0, 2))}, r"found x of shape \(0, 2\), expected at least one frame"),
        ({"x": np.array(1.0)}, r"found x of shape \(\)"),
        ({"x": np.zeros((2, 2)), "y": np.zeros(3, int)}, r"found y of shape \(3,\)"),
        ({"x": np.zeros((2, 2)), "y": np.zeros(2)}, r"float64, expected 2 integers"),
        ({"x": np.zeros((2, 2)), "t": np.zeros(1)}, r"found t of shape \(1,\)"),
        ({"x": np.zeros((2, 2)), "t": np.array([0.0, np.nan])}, r"expected 2 finite numbers"),
        ({"x": np.zeros((2, 2)), "rate_hz": np.array(0.0)}, r"expected one number above 0"),
        ({"x": np.zeros((2, 2)), "rate_hz": np.array([1.0, 2.0])}, r"expected one number above 0"),
    ],
)
def test_a_recording_whose_arrays_do_not_fit_is_refused(
    tmp_path: Path, arrays: dict[str, NDArray[Any]], message: str
) -> None:
    path = tmp_path / "frames.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]

    with pytest.raises(SourceError, match=message):
        load_recording(path, ROWS)


def test_a_missing_recording_is_refused_with_what_to_record(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.npz: cannot be read .*expected an \.npz with frames x"):
        load_recording(tmp_path / "none.npz", ROWS)


def test_a_recording_of_pickled_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "frames.npz"
    np.savez(path, x=np.array([{"a": 1}], dtype=object))

    with pytest.raises(SourceError, match="expected plain"):
        load_recording(path, ROWS)


def test_a_recording_that_claims_more_than_fits_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "frames.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue())

    with pytest.raises(SourceError, match=r"has 128 bytes, its header says 8796093022336"):
        load_recording(path, ROWS)


class OpenCsv(Protocol):
    def __call__(self, text: str, *, position: int = 0, **settings: object) -> Source: ...


@pytest.fixture
def csv_source(tmp_path: Path) -> Iterator[OpenCsv]:
    """Opens a file of rows with this text; closes it after the test."""
    opened: list[Source] = []

    def open_csv(text: str, *, position: int = 0, **settings: object) -> Source:
        path = tmp_path / "rows.csv"
        path.write_text(text)
        config = CsvSource(path=str(path), **settings)  # type: ignore[arg-type]
        opened.append(open_source(config, ROWS, ("low", "high"), position=position, now_s=lambda: 0.0))
        return opened[-1]

    yield open_csv
    for source in opened:
        source.close()


def test_rows_of_a_file_are_frames(csv_source: OpenCsv) -> None:
    source = csv_source("a,b\n1,2\n\n3,4\n", rate_hz=2.0)

    assert source.rate_hz == 2.0
    assert positions_and_values(source, 3) == [(0, [1, 2]), (1, [3, 4]), None]
    assert source.ended


def test_columns_are_taken_in_the_order_asked_for(csv_source: OpenCsv) -> None:
    source = csv_source("t,b,a\n9,2,1\n", columns=("a", "b"))

    assert positions_and_values(source, 1) == [(0, [1, 2])]


def test_labels_are_names_or_indices(csv_source: OpenCsv) -> None:
    source = csv_source("a,b,y\n1,2,high\n1,2,0\n1,2,?\n", label_column="y")

    assert [frame.label for frame in iter(source.read, None)] == [1, 0, None]


@pytest.mark.parametrize("row", ["1", "1,x", "nan,2"])
def test_a_cell_that_is_no_number_is_handed_on_as_nan(csv_source: OpenCsv, row: str) -> None:
    frame = csv_source(f"a,b\n{row}\n").read()

    assert frame is not None
    assert np.isnan(frame.x).any()


def test_a_file_of_rows_can_be_looped_and_taken_up_again(csv_source: OpenCsv) -> None:
    text = "a,b\n1,1\n2,2\n3,3\n"

    assert positions_and_values(csv_source(text, loop=True), 5)[3:] == [(3, [1, 1]), (4, [2, 2])]
    assert positions_and_values(csv_source(text, loop=True, position=7), 2) == [(7, [2, 2]), (8, [3, 3])]
    assert positions_and_values(csv_source(text, position=2), 2) == [(2, [3, 3]), None]
    assert positions_and_values(csv_source(text, position=9), 1) == [None]


def test_a_row_that_cannot_be_read_is_a_frame_that_no_model_takes(csv_source: OpenCsv) -> None:
    text = 'a,b\n1,1\n"2"x,2\n3,3\n'

    assert positions_and_values(csv_source(text), 4) == [(0, [1, 1]), (1, []), (2, [3, 3]), None]
    assert positions_and_values(csv_source(text, position=2), 2) == [(2, [3, 3]), None]


def test_a_file_without_rows_ends_even_when_it_is_looped(csv_source: OpenCsv) -> None:
    source = csv_source("a,b\n", loop=True)

    assert source.read() is None
    assert source.ended


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("a,b\n1,2\n", ("c",), "found columns a, b, expected one named c"),
        ("", (), "found 0 columns"),
        ('a,"b\n', (), "cannot be read as CSV"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    csv_source: OpenCsv, text: str, columns: tuple[str, ...], message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        csv_source(text, columns=columns).read()


def test_a_missing_file_of_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.csv: cannot be read as CSV"):
        open_source(CsvSource(path=str(tmp_path / "none.csv")), ROWS, (), position=0, now_s=lambda: 0.0)


@pytest.fixture
def mqtt() -> MqttFrames:
    source = open_source(MqttSource(topic="camera"), ROWS, (), position=5, now_s=lambda: 0.0)
    assert isinstance(source, MqttFrames)
    return source


def test_frames_from_mqtt_come_in_order_and_never_end(mqtt: MqttFrames) -> None:
    raw = np.array([1, 2], np.float32)
    mqtt.push(FrameIn(origin="mqtt", encoding="raw"), raw.tobytes())
    mqtt.push(FrameIn(origin="mqtt", encoding="json"), b"[3, 4.5]")

    assert positions_and_values(mqtt, 3) == [(5, [1, 2]), (6, [3, 4.5]), None]
    assert not mqtt.ended
    assert mqtt.rate_hz is None


def test_a_raw_frame_may_say_its_own_dtype_and_shape(mqtt: MqttFrames) -> None:
    mqtt.push(FrameIn(origin="mqtt", dtype="uint8", shape=(1, 3)), bytes([7, 8, 9]))

    assert positions_and_values(mqtt, 1) == [(5, [7, 8, 9])]


def test_a_publisher_that_is_too_fast_costs_old_frames(mqtt: MqttFrames) -> None:
    for i in range(QUEUE_FRAMES + 3):
        mqtt.push(FrameIn(origin="mqtt", encoding="json"), json.dumps([i, i]).encode())

    first = mqtt.read()

    assert mqtt.dropped == 3
    assert first is not None
    assert first.x.tolist() == [3, 3]


@pytest.mark.parametrize(
    ("encoding", "body", "message"),
    [
        ("raw", b"123", "found 3 bytes, expected 8"),
        ("json", b"{}", "no JSON list of numbers"),
        ("json", b"[1, [2]]", "no JSON list of numbers"),
        ("json", b"[1,", "no JSON list of numbers"),
        ("json", b"\xff", "no JSON list of numbers"),
        ("json", b"[" * 100_000, "no JSON list of numbers"),
    ],
)
def test_bytes_that_are_no_frame_are_refused(
    mqtt: MqttFrames, encoding: Literal["raw", "json"], body: bytes, message: str
) -> None:
    with pytest.raises(SourceError, match=message):
        mqtt.push(FrameIn(origin="mqtt", encoding=encoding), body)


@pytest.mark.parametrize("numbers", ["[256]", "[-1]", "[0.5]", "[NaN]", "[1e400]"])
def test_numbers_that_are_no_bytes_are_refused_for_a_model_of_bytes(numbers: str) -> None:
    source = MqttFrames(TensorSpec(shape=(1,), dtype="uint8"))

    with pytest.raises(SourceError, match="found numbers that are no uint8"):
        source.push(FrameIn(origin="mqtt", encoding="json"), numbers.encode())


def image_folder(tmp_path: Path) -> Path:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed; it is not part of the extra agent")
    for name, value in (("3/b.png", 30), ("3/a.png", 10), ("7/c.jpg", 200)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        image.new("RGB", (8, 8), (value, value, value)).save(path)
    return tmp_path


def test_images_are_played_in_the_order_of_their_paths_with_the_folder_as_label(tmp_path: Path) -> None:
    folder = image_folder(tmp_path)
    labels = tuple("0123456789")

    source = open_source(ReplaySource(path=str(folder)), INPUT, labels, position=0, now_s=lambda: 0.0)
    frames = list(iter(source.read, None))

    assert [(frame.x.shape, frame.x.dtype.name, int(frame.x.mean()), frame.label) for frame in frames] == [
        ((8, 8), "uint8", 10, 3),
        ((8, 8), "uint8", 30, 3),
        ((8, 8), "uint8", 200, 7),
    ]


def test_an_image_that_breaks_later_is_a_frame_that_no_model_takes(tmp_path: Path) -> None:
    folder = image_folder(tmp_path)
    (folder / "3" / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    source = open_source(ReplaySource(path=str(folder)), INPUT, (), position=0, now_s=lambda: 0.0)

    assert [frame.x.size for frame in iter(source.read, None)] == [64, 0, 64]


def test_images_of_another_size_are_refused_at_the_start(tmp_path: Path) -> None:
    folder = image_folder(tmp_path)
    spec = InputSpec(kind="image", source=TensorSpec(shape=(28, 28), dtype="uint8"))

    with pytest.raises(SourceError, match=r"found an image of shape \(8, 8\), expected \(28, 28\).*resize step"):
        open_source(ReplaySource(path=str(folder)), spec, (), position=0, now_s=lambda: 0.0)


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")

    with pytest.raises(SourceError, match="found no image"):
        open_source(ReplaySource(path=str(tmp_path)), INPUT, (), position=0, now_s=lambda: 0.0)
