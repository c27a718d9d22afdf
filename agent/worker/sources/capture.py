"""Frames of a live device, taken by a thread of their own, so that the worker's loop never waits for a driver.

What a device is, is its adapter's business. Only the thread touches it; the loop takes what lies ready. Of a camera the
newest picture wins; of sound a few windows may wait.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from numpy.typing import NDArray

from agent.worker.errors import SourceError
from agent.worker.sources.port import Frame

log = logging.getLogger(__name__)

JOIN_S = 0.5  # for a thread that waits for its next frame; a worker that is told to stop has a second in all
EARLY = 0.8  # of the time between two frames: one that comes this early is kept, or a rhythm would be missed


class Device(Protocol):
    """A camera or a microphone, used by one thread; an adapter's errors are SourceErrors."""

    is_live: bool  # False for a recording, which would be read as fast as the processor can

    def grab(self) -> bool:
        """Wait for the next piece; whether a frame is complete with it."""

    def frame(self) -> NDArray[Any]:
        """The frame that the last grab completed."""

    def close(self) -> None:
        """Give the device back."""


class Capture:
    """A device as a source.

    Args:
        name: For messages.
        open_device: Called in the thread, as it may take seconds.
        rate_hz: Frames in a second that are wanted; more are not unpacked.
        stall_s: Seconds without a frame after which the device has failed.
        waiting: Frames that may wait; the oldest go.
        position: Position of the next frame.
        now_s: Monotonic time.
    """

    def __init__(
        self,
        name: str,
        open_device: Callable[[], Device],
        *,
        rate_hz: float,
        stall_s: float,
        waiting: int,
        position: int,
        now_s: Callable[[], float],
    ) -> None:
        self.rate_hz: float | None = rate_hz
        self.position = position
        self.ended = False
        self._name = name
        self._open_device = open_device
        self._every_s = 1.0 / rate_hz
        self._takes_all = waiting > 1
        self._stall_s = stall_s
        self._now_s = now_s
        self._frames: deque[NDArray[Any]] = deque(maxlen=waiting)
        self._failure = ""
        self._word_s = now_s()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"capture {name}", daemon=True)
        self._thread.start()

    @property
    def is_stuck(self) -> bool:
        """Whether the thread hangs in the driver although it was told to stop: only a new process helps."""
        return self._stop.is_set() and self._thread.is_alive()

    def read(self) -> Frame | None:
        """The next frame, or None when none lies ready.

        Raises:
            SourceError: The device has failed, or has delivered nothing for too long.
        """
        if self._frames:
            frame = Frame(x=self._frames.popleft(), position=self.position)
            self.position += 1
            return frame
        if not self._thread.is_alive():
            raise SourceError(self._failure or f"{self._name}: capturing ended, expected frames without end")
        silent_s = self._now_s() - self._word_s
        if silent_s > self._stall_s:
            raise SourceError(
                f"{self._name}: nothing for {silent_s:.0f} s, expected {self.rate_hz:g} frames in a second; "
                "look at its cable, and whether another program holds it"
            )
        return None

    def close(self) -> None:
        """Stop the thread, which gives the device back."""
        self._stop.set()
        self._thread.join(JOIN_S)

    def _run(self) -> None:
        try:
            device = self._open_device()
        except SourceError as exc:
            self._failure = str(exc)
            return
        try:
            self._take(device)
        except SourceError as exc:
            self._failure = str(exc)
        finally:
            device.close()

    def _take(self, device: Device) -> None:
        kept_s = self._now_s() - self._every_s
        while not self._stop.is_set():
            is_complete = device.grab()
            now_s = self._now_s()
            self._word_s = now_s
            if is_complete and (self._takes_all or now_s - kept_s >= EARLY * self._every_s):
                kept_s = now_s
                self._frames.append(device.frame())
            if not device.is_live:
                self._stop.wait(self._every_s)
