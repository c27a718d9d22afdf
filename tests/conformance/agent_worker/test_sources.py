"""What every source promises, whatever it reads: as it is, and as a worker has it, opened again when it fails.

Cameras and microphones have fakes behind the seam at which their adapters import a library.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from types import ModuleType

import numpy as np
import pytest

from agent.config import (
    CameraSource,
    CsvSource,
    FolderSource,
    MicrophoneSource,
    MqttSource,
    ReplaySource,
    SourceConfig,
)
from agent.ipc import FrameIn
from agent.worker.sources import Frame, Restarting, Source, Surroundings, open_source, steady_source
from agent.worker.sources.arrivals import Arrivals
from agent.worker.sources.csv_tail import CsvTail
from agent.worker.sources.mqtt_frames import MqttFrames
from edge_models.manifest import InputSpec
from edge_models.tensors import TensorSpec
from tests.factories.frames import write_recording
from tests.fakes.devices import Tape, fake_cv2, fake_picamera2, fake_sounddevice

FRAMES = 5
ROWS = InputSpec(kind="rows", source=TensorSpec(shape=(2,), dtype="float32"))
IMAGE = InputSpec(kind="image", source=TensorSpec(shape=(2, 2), dtype="uint8"))
SOUND = InputSpec(kind="audio", source=TensorSpec(shape=(2,), dtype="float32"), rate_hz=2000.0)
VALUES = np.repeat(np.arange(1, FRAMES + 1, dtype=np.float32), 2).reshape(FRAMES, 2)
RECORDED = ("replay", "csv")
LIVE = ("mqtt", "tail", "folder", "opencv", "picamera2", "microphone")
PATIENCE_S = 5.0


class Clock:
    """Real, and ahead by as much as a test wants."""

    ahead_s = 0.0

    def now_s(self) -> float:
        return time.monotonic() + self.ahead_s


class Case:
    """One kind of source with what delivers to it: frame i holds i + 1."""

    def __init__(
        self, kind: str, directory: Path, monkeypatch: pytest.MonkeyPatch, *, loop: bool, is_steady: bool
    ) -> None:
        self.kind, self.loop, self.is_steady = kind, loop, is_steady
        self.tape, self.clock = Tape(), Clock()
        self.spec = {"opencv": IMAGE, "picamera2": IMAGE, "microphone": SOUND}.get(kind, ROWS)
        self.path = directory / "source"
        self.sources: list[Source] = []
        modules: dict[str, tuple[str, Callable[[Tape], ModuleType]]] = {
            "opencv": ("cv2", fake_cv2), "picamera2": ("picamera2", fake_picamera2),
            "microphone": ("sounddevice", fake_sounddevice),
        }  # fmt: skip
        if kind in modules:
            name, make = modules[kind]
            monkeypatch.setitem(sys.modules, name, make(self.tape))
        self.config = self._config(kind)

    def open(self, position: int = 0, mark: str = "") -> Source:
        if self.is_steady:
            around = Surroundings(tell=lambda word: None, now_s=self.clock.now_s, rng=Random(0))
            source = steady_source(self.config, self.spec, (), position=position, mark=mark, around=around)
        else:
            source = open_source(self.config, self.spec, (), position=position, mark=mark, now_s=self.clock.now_s)
        self.sources.append(source)
        if self.kind in LIVE:
            assert source.read() is None  # it is opened now, and what comes from here on is its
        return source

    def deliver(self, source: Source, index: int) -> None:
        """Frame ``index`` comes, where frames come by themselves."""
        self.clock.ahead_s += 1.0
        values = VALUES[index]
        match self.kind:
            case "mqtt":
                assert isinstance(source, MqttFrames)
                source.push(FrameIn(origin="mqtt"), values.tobytes())
            case "tail":
                with self.path.open("a") as stream:
                    stream.write(f"{values[0]},{values[1]}\n")
            case "folder":
                np.save(self.path / f"{index}.npy", values)
            case "opencv":
                self.tape.add(np.full((2, 2, 3), values[0], np.uint8))
            case "picamera2":
                self.tape.add(np.full((3, 2), values[0], np.uint8))
            case "microphone":
                self.tape.add(values)
            case _:
                pass

    def take(self, source: Source) -> Frame | None:
        """The next frame; one that comes by itself takes a moment."""
        until_s = time.monotonic() + PATIENCE_S
        while (frame := source.read()) is None and self.kind in LIVE and time.monotonic() < until_s:
            self.clock.ahead_s += 0.1
            threading.Event().wait(0.001)
        return frame

    def stop(self, source: Source) -> None:
        """Close it; a device that delivers nothing at the moment lets go of it at once."""
        self.tape.unplug()
        source.close()
        self.tape.plug_in()

    def close(self) -> None:
        self.tape.unplug()
        for source in self.sources:
            source.close()
            source.close()  # a second call does nothing

    def _config(self, kind: str) -> SourceConfig:
        match kind:
            case "replay":
                return ReplaySource(path=str(write_recording(self.path, VALUES)), loop=self.loop)
            case "csv":
                self.path.write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in VALUES.tolist()))
                return CsvSource(path=str(self.path), loop=self.loop)
            case "tail":
                self.path.write_text("a,b\n")
                return CsvSource(path=str(self.path), follow=True)
            case "folder":
                self.path.mkdir()
                return FolderSource(path=str(self.path), settle_s=0.0, poll_s=0.02)
            case "microphone":
                return MicrophoneSource(stall_s=600)
            case "opencv" | "picamera2":
                return CameraSource(driver=kind, rate_hz=1000.0, stall_s=600)
            case _:
                return MqttSource(topic="t")


def mark_of(source: Source) -> str:
    return source.mark if isinstance(source, (Restarting, CsvTail, Arrivals)) else ""


def values(frames: list[Frame]) -> list[float]:
    return [float(np.ravel(frame.x)[0]) for frame in frames]


@pytest.fixture(params=[*RECORDED, *LIVE])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["once", "steady"])
def case(request: pytest.FixtureRequest, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """A source of five frames."""
    made = Case(kind, tmp_path, monkeypatch, loop=False, is_steady=request.param)
    yield made
    made.close()


@pytest.fixture(params=RECORDED)
def looped(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """The same, beginning again after the fifth."""
    made = Case(request.param, tmp_path, monkeypatch, loop=True, is_steady=False)
    yield made
    made.close()


def taken(case: Case, source: Source, indices: range) -> list[Frame]:
    frames: list[Frame] = []
    for index in indices:
        case.deliver(source, index)
        frame = case.take(source)
        assert frame is not None
        frames.append(frame)
    return frames


def test_frames_come_in_order_with_their_positions(case: Case) -> None:
    frames = taken(case, case.open(), range(FRAMES))

    assert [frame.position for frame in frames] == list(range(FRAMES))
    assert values(frames) == [1, 2, 3, 4, 5]
    assert all(frame.x.shape == case.spec.source.shape for frame in frames)


def test_a_source_opened_where_another_stopped_goes_on_there(case: Case) -> None:
    first = case.open()
    before = taken(case, first, range(2))
    case.stop(first)

    after = taken(case, case.open(first.position, mark_of(first)), range(2, FRAMES))

    assert [frame.position for frame in before + after] == list(range(FRAMES))
    assert values(before + after) == [1, 2, 3, 4, 5]


def test_after_the_last_frame_there_is_none_however_often_one_asks(case: Case) -> None:
    source = case.open()
    taken(case, source, range(FRAMES))

    assert [source.read() for _ in range(3)] == [None] * 3
    assert source.position == FRAMES
    assert source.ended == (case.kind in RECORDED)


@pytest.mark.parametrize("kind", LIVE)
def test_asking_never_waits_for_a_frame(case: Case) -> None:
    source = case.open()

    start_s = time.monotonic()
    asked = [source.read() for _ in range(20)]

    assert asked == [None] * 20
    assert time.monotonic() - start_s < 0.5


def test_a_looped_source_never_ends_and_its_positions_rise(looped: Case) -> None:
    source = looped.open(3)

    frames = [frame for frame in (source.read() for _ in range(2 * FRAMES)) if frame is not None]

    assert [frame.position for frame in frames] == list(range(3, 3 + 2 * FRAMES))
    assert values(frames) == [1 + i % FRAMES for i in range(3, 3 + 2 * FRAMES)]
    assert not source.ended
