"""Modules of hardware that tests put in the place of cv2, picamera2 and sounddevice."""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Tape:
    """What a device delivers: pieces in order, then silence until more come or it is unplugged."""

    def __init__(self, *pieces: NDArray[Any]) -> None:
        self.opened = self.closed = 0
        self._pieces = list(pieces)
        self._news = threading.Condition()
        self._broken = False

    def add(self, *pieces: NDArray[Any]) -> None:
        with self._news:
            self._pieces += pieces
            self._news.notify_all()

    def unplug(self) -> None:
        with self._news:
            self._broken = True
            self._news.notify_all()

    def plug_in(self) -> None:
        with self._news:
            self._broken = False

    @property
    def is_broken(self) -> bool:
        return self._broken

    def next(self) -> NDArray[Any] | None:
        """Waits; None once it is unplugged."""
        with self._news:
            while not self._pieces and not self._broken:
                self._news.wait(1.0)
            return None if self._broken else self._pieces.pop(0)


def fake_cv2(tape: Tape) -> ModuleType:
    """OpenCV with one camera, whose pictures are BGR."""

    class Capture:
        def __init__(self, source: object, api: int) -> None:
            self.source, self.api = source, api
            self.settings: dict[int, float] = {}
            self._picture: NDArray[Any] | None = None
            tape.opened += 1

        def isOpened(self) -> bool:
            return not tape.is_broken

        def set(self, what: int, value: float) -> bool:
            self.settings[what] = value
            return True

        def grab(self) -> bool:
            self._picture = tape.next()
            return self._picture is not None

        def retrieve(self) -> tuple[bool, NDArray[Any] | None]:
            return self._picture is not None, self._picture

        def release(self) -> None:
            tape.closed += 1

    def convert(picture: NDArray[Any], code: str) -> NDArray[Any]:
        return picture[..., ::-1] if code == "rgb" else picture.mean(axis=-1).astype(picture.dtype)

    def resize(picture: NDArray[Any], size: tuple[int, int], interpolation: int) -> NDArray[Any]:
        rows = np.linspace(0, len(picture) - 1, size[1]).round().astype(int)
        columns = np.linspace(0, picture.shape[1] - 1, size[0]).round().astype(int)
        return np.asarray(picture[rows][:, columns])

    module: Any = ModuleType("cv2")
    module.error = type("error", (Exception,), {})
    module.CAP_V4L2, module.CAP_ANY, module.CAP_PROP_FRAME_WIDTH, module.CAP_PROP_FRAME_HEIGHT = 200, 0, 3, 4
    module.COLOR_BGR2RGB, module.COLOR_BGR2GRAY, module.INTER_AREA = "rgb", "grey", 3
    module.VideoCapture, module.cvtColor, module.resize = Capture, convert, resize
    assert isinstance(module, ModuleType)
    return module


def fake_picamera2(tape: Tape) -> ModuleType:  # noqa: C901 - classes are counted as branches
    """picamera2 with one camera that delivers what it is configured for."""

    class Request:
        def __init__(self, picture: NDArray[Any]) -> None:
            self._picture = picture

        def make_array(self, name: str) -> NDArray[Any]:
            assert name == "main"
            return self._picture

        def release(self) -> None:
            """Give the buffer back."""

    class Picamera2:
        def __init__(self, number: int) -> None:
            tape.opened += 1
            if tape.is_broken:
                raise IndexError("list index out of range")  # what picamera2 raises without a camera

        def create_video_configuration(self, **settings: object) -> dict[str, object]:
            return settings

        def configure(self, settings: dict[str, object]) -> None:
            self.settings = settings

        def start(self) -> None:
            """Begin to capture."""

        def capture_request(self) -> Request:
            picture = tape.next()
            if picture is None:
                raise RuntimeError("Camera frontend has timed out!")
            return Request(picture)

        def close(self) -> None:
            tape.closed += 1

    module: Any = ModuleType("picamera2")
    module.Picamera2 = Picamera2
    assert isinstance(module, ModuleType)
    return module


def fake_sounddevice(tape: Tape) -> ModuleType:
    """sounddevice with one microphone; a piece of None on the tape's side is an overflow before the next one."""

    class PortAudioError(Exception):
        pass

    class InputStream:
        def __init__(self, **settings: object) -> None:
            tape.opened += 1
            if tape.is_broken:
                raise PortAudioError("Invalid device")
            self.settings = settings

        def start(self) -> None:
            """Begin to record."""

        def read(self, count: int) -> tuple[NDArray[Any], bool]:
            samples = tape.next()
            if samples is None:
                raise PortAudioError("Device unavailable")
            overflowed = bool(np.isnan(samples).any())
            return np.nan_to_num(samples).reshape(count, 1), overflowed

        def close(self) -> None:
            tape.closed += 1

    module: Any = ModuleType("sounddevice")
    module.PortAudioError, module.InputStream = PortAudioError, InputStream
    assert isinstance(module, ModuleType)
    return module
