"""Cameras and microphones, with fakes in the place of their libraries."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.config import CameraSource, MicrophoneSource
from agent.worker.errors import SourceError
from agent.worker.sources import open_source
from agent.worker.sources.capture import Capture
from agent.worker.sources.port import Frame, Source
from edge_models.manifest import InputSpec
from edge_models.tensors import TensorSpec
from tests.fakes.devices import Tape, fake_cv2, fake_picamera2, fake_sounddevice

GREY = InputSpec(kind="image", source=TensorSpec(shape=(4, 6), dtype="uint8"))
COLOUR = InputSpec(kind="image", source=TensorSpec(shape=(4, 6, 3), dtype="uint8"))
SOUND = InputSpec(kind="audio", source=TensorSpec(shape=(8,), dtype="float32"), rate_hz=16_000)
PATIENCE_S = 5.0


def picture(value: int, *, height: int = 4, width: int = 6) -> NDArray[np.uint8]:
    """Blue, green and red as OpenCV has them."""
    return np.broadcast_to(np.array([value, value + 1, value + 2], np.uint8), (height, width, 3)).copy()


@pytest.fixture
def tape() -> Tape:
    return Tape()


@pytest.fixture
def opened(tape: Tape) -> Iterator[Callable[[Source], Source]]:
    """Closes sources after the test; what waits for the tape is let go."""
    sources: list[Source] = []

    def keep(source: Source) -> Source:
        sources.append(source)
        return source

    yield keep
    tape.unplug()
    for source in sources:
        source.close()


def next_of(source: Source) -> Frame:
    """The next frame; the thread needs a moment for it."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        frame = source.read()
        if frame is not None:
            return frame
        threading.Event().wait(0.001)
    raise AssertionError("no frame came")


def failure_of(source: Source) -> str:
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        try:
            source.read()
        except SourceError as exc:
            return str(exc)
        threading.Event().wait(0.001)
    raise AssertionError("it did not fail")


def camera(spec: InputSpec, *, position: int = 0, **settings: object) -> Source:
    config = CameraSource(**{"driver": "opencv", "rate_hz": 1000.0} | settings)  # type: ignore[arg-type]
    return open_source(config, spec, (), position=position, now_s=time.monotonic)


Opened = Callable[[Source], Source]


@pytest.mark.parametrize(("spec", "pixel"), [(GREY, 11), (COLOUR, [12, 11, 10])])
def test_a_picture_comes_in_the_colours_and_the_size_of_the_model(
    monkeypatch: pytest.MonkeyPatch, tape: Tape, opened: Opened, spec: InputSpec, pixel: object
) -> None:
    tape.add(picture(10, height=12, width=18))
    monkeypatch.setitem(sys.modules, "cv2", fake_cv2(tape))

    frame = next_of(opened(camera(spec, position=7)))

    assert (frame.position, frame.x.shape, frame.x.dtype.name) == (7, spec.source.shape, "uint8")
    assert frame.x[0, 0].tolist() == pixel


def test_of_pictures_that_nobody_took_the_newest_is_left(
    monkeypatch: pytest.MonkeyPatch, tape: Tape, opened: Opened
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", fake_cv2(tape))
    source = opened(camera(GREY, rate_hz=1000.0))

    for value in (10, 20, 30):
        tape.add(picture(value))
        threading.Event().wait(0.01)  # longer than two frames are apart
    first = next_of(source)

    assert first.x[0, 0] == 31
    assert source.read() is None


def test_pictures_beyond_the_rate_are_not_unpacked(monkeypatch: pytest.MonkeyPatch, tape: Tape, opened: Opened) -> None:
    tape.add(*(picture(value) for value in range(50)))
    monkeypatch.setitem(sys.modules, "cv2", fake_cv2(tape))
    source = opened(camera(GREY, rate_hz=0.1))

    assert next_of(source).x[0, 0] == 1
    threading.Event().wait(0.05)

    assert source.read() is None


def test_a_picture_of_a_pis_camera_is_cut_from_its_buffer(
    monkeypatch: pytest.MonkeyPatch, tape: Tape, opened: Opened
) -> None:
    luminance = np.zeros((6, 8), np.uint8)  # YUV420 of 4 x 6 with two bytes of padding: colours lie below
    luminance[:4, :6] = 50
    tape.add(luminance)
    monkeypatch.setitem(sys.modules, "picamera2", fake_picamera2(tape))

    frame = next_of(opened(camera(GREY, driver="picamera2")))

    assert (frame.x == 50).all()
    assert frame.x.shape == (4, 6)


def test_a_camera_that_is_unplugged_says_so(monkeypatch: pytest.MonkeyPatch, tape: Tape, opened: Opened) -> None:
    tape.add(picture(1))
    monkeypatch.setitem(sys.modules, "cv2", fake_cv2(tape))
    source = opened(camera(GREY, device="/dev/video7"))
    next_of(source)

    tape.unplug()

    assert failure_of(source) == "camera /dev/video7: delivers no more pictures, expected one after the other"
    assert tape.closed == 1


@pytest.mark.parametrize("driver", ["opencv", "picamera2"])
def test_a_camera_that_is_not_there_says_what_to_look_at(
    monkeypatch: pytest.MonkeyPatch, tape: Tape, opened: Opened, driver: str
) -> None:
    tape.unplug()
    monkeypatch.setitem(sys.modules, "cv2", fake_cv2(tape))
    monkeypatch.setitem(sys.modules, "picamera2", fake_picamera2(tape))

    said = failure_of(opened(camera(GREY, driver=driver)))

    assert said.startswith("camera 0: cannot be opened")
    assert "v4l2-ctl --list-devices" in said or "rpicam-hello --list-cameras" in said


@pytest.mark.parametrize(
    ("config", "spec", "module", "remedy"),
    [
        (CameraSource(driver="opencv"), GREY, "cv2", "pip install 'driftline[opencv]'"),
        (CameraSource(driver="picamera2"), GREY, "picamera2", "apt install python3-picamera2"),
        (MicrophoneSource(), SOUND, "sounddevice", "pip install 'driftline[sounddevice]', apt install libportaudio2"),
    ],
)
def test_a_library_that_is_missing_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
    tape: Tape,
    opened: Opened,
    config: CameraSource,
    spec: InputSpec,
    module: str,
    remedy: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    source = opened(open_source(config, spec, (), position=0, now_s=time.monotonic))

    assert remedy in failure_of(source)


@pytest.mark.parametrize(
    ("config", "spec", "said"),
    [
        (CameraSource(), SOUND, "for a model of audio of float32, expected one of images"),
        (CameraSource(), InputSpec(kind="image", source=TensorSpec(shape=(4, 6, 2), dtype="uint8")), r"\(h, w, 3\)"),
        (MicrophoneSource(), GREY, "for a model of image of uint8, expected one of audio"),
    ],
)
def test_a_model_that_eats_something_else_is_refused(config: CameraSource, spec: InputSpec, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        open_source(config, spec, (), position=0, now_s=time.monotonic)


def test_sound_comes_in_windows_that_overlap_by_what_the_hop_leaves(
    monkeypatch: pytest.MonkeyPatch, tape: Tape, opened: Opened
) -> None:
    hops = np.arange(24, dtype=np.float32).reshape(6, 4)
    tape.add(*hops)
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice(tape))
    source = opened(open_source(MicrophoneSource(hop=4), SOUND, (), position=0, now_s=time.monotonic))

    windows = [next_of(source) for _ in range(5)]

    assert source.rate_hz == 4000.0
    assert [window.position for window in windows] == [0, 1, 2, 3, 4]
    assert [window.x.tolist() for window in windows] == [
        list(map(float, range(first, first + 8))) for first in (0, 4, 8, 12, 16)
    ]


def test_no_window_holds_a_gap(monkeypatch: pytest.MonkeyPatch, tape: Tape, opened: Opened) -> None:
    hops = np.arange(24, dtype=np.float32).reshape(6, 4)
    gap = hops[2].copy()
    gap[0] = np.nan  # the fake says that samples were lost before these
    tape.add(hops[0], hops[1], gap, hops[3])
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice(tape))
    source = opened(open_source(MicrophoneSource(hop=4), SOUND, (), position=0, now_s=time.monotonic))

    windows = [next_of(source).x.tolist() for _ in range(2)]

    assert windows == [[0, 1, 2, 3, 4, 5, 6, 7], [0, 9, 10, 11, 12, 13, 14, 15]]


def test_a_microphone_that_is_unplugged_says_so(monkeypatch: pytest.MonkeyPatch, tape: Tape, opened: Opened) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", fake_sounddevice(tape))
    source = opened(open_source(MicrophoneSource(device="USB"), SOUND, (), position=0, now_s=time.monotonic))

    tape.unplug()

    assert "microphone USB: " in failure_of(source)


class Sleepy:
    """A device whose driver does not come back until it is woken."""

    is_live = True

    def __init__(self) -> None:
        self.awake = threading.Event()

    def grab(self) -> bool:
        self.awake.wait()
        return False

    def frame(self) -> NDArray[np.uint8]:
        return np.zeros(1, np.uint8)

    def close(self) -> None:
        pass


def test_a_driver_that_hangs_is_a_failure_and_is_known_to_be_stuck() -> None:
    device, now = Sleepy(), [100.0]
    source = Capture(
        "camera 0", lambda: device, rate_hz=5.0, stall_s=3.0, waiting=1, position=0, now_s=lambda: now[0]
    )  # fmt: skip
    assert source.read() is None
    now[0] += 3.5

    with pytest.raises(SourceError, match="nothing for 4 s, expected 5 frames in a second"):
        source.read()
    source.close()

    assert source.is_stuck
    device.awake.set()
    source.close()
    assert not source.is_stuck
