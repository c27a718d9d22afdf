"""What every source promises, whatever it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from agent.config import CsvSource, MqttSource, ReplaySource
from agent.ipc import FrameIn
from agent.worker.sources import Frame, Source, open_source
from agent.worker.sources.mqtt_frames import MqttFrames
from edge_models.manifest import InputSpec
from edge_models.tensors import TensorSpec
from tests.factories.frames import write_recording

FRAMES = 5
ROWS = InputSpec(kind="rows", source=TensorSpec(shape=(2,), dtype="float32"))
VALUES = np.arange(2 * FRAMES, dtype=np.float32).reshape(FRAMES, 2)

Open = Callable[[int], Source]


def opener(kind: str, directory: Path, *, loop: bool) -> Open:
    if kind == "replay":
        path = write_recording(directory / "frames.npz", VALUES)
        return lambda position: open_source(
            ReplaySource(path=str(path), loop=loop), ROWS, (), position=position, now_s=lambda: 0.0
        )
    if kind == "csv":
        path = directory / "rows.csv"
        path.write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in VALUES.tolist()))
        return lambda position: open_source(
            CsvSource(path=str(path), loop=loop), ROWS, (), position=position, now_s=lambda: 0.0
        )
    return _mqtt_with_the_rest


def _mqtt_with_the_rest(position: int) -> Source:
    source = open_source(MqttSource(topic="t"), ROWS, (), position=position, now_s=lambda: 0.0)
    assert isinstance(source, MqttFrames)
    for values in VALUES[position:]:
        source.push(FrameIn(origin="mqtt"), values.tobytes())
    return source


@pytest.fixture(params=["replay", "csv", "mqtt"])
def open_at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens a source of five frames at a position; closes it after the test."""
    yield from _closing(opener(request.param, tmp_path, loop=False))


@pytest.fixture(params=["replay", "csv"])
def open_looped_at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """The same, beginning again after the fifth."""
    yield from _closing(opener(request.param, tmp_path, loop=True))


def _closing(open_one: Open) -> Iterator[Open]:
    opened: list[Source] = []

    def open_and_remember(position: int) -> Source:
        opened.append(open_one(position))
        return opened[-1]

    yield open_and_remember
    for source in opened:
        source.close()
        source.close()  # a second call does nothing


def read(source: Source, count: int) -> list[Frame]:
    return [frame for frame in (source.read() for _ in range(count)) if frame is not None]


def test_frames_come_in_order_with_their_positions(open_at: Open) -> None:
    frames = read(open_at(0), FRAMES)

    assert [frame.position for frame in frames] == list(range(FRAMES))
    assert (np.stack([frame.x for frame in frames]) == VALUES).all()


def test_a_source_opened_at_a_position_goes_on_there(open_at: Open) -> None:
    first = open_at(0)
    before = read(first, 2)

    after = read(open_at(first.position), FRAMES)

    assert [frame.position for frame in before + after] == list(range(FRAMES))
    assert (np.stack([frame.x for frame in before + after]) == VALUES).all()


def test_after_the_last_frame_there_is_none_however_often_one_asks(open_at: Open) -> None:
    source = open_at(0)
    read(source, FRAMES)

    assert [source.read() for _ in range(3)] == [None] * 3
    assert source.position == FRAMES


def test_a_looped_source_never_ends_and_its_positions_rise(open_looped_at: Open) -> None:
    source = open_looped_at(3)

    frames = read(source, 2 * FRAMES)

    assert [frame.position for frame in frames] == list(range(3, 3 + 2 * FRAMES))
    assert (np.stack([frame.x for frame in frames]) == VALUES[[i % FRAMES for i in range(3, 3 + 2 * FRAMES)]]).all()
    assert not source.ended
