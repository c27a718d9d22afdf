"""Recorded frames played again: an .npz, or a folder of images, at a given rate."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from agent.worker.sources.images import ImageFolder
from agent.worker.sources.port import Frame
from agent.worker.sources.recording import Recording, load_recording
from edge_models.manifest import InputSpec


class Frames(Protocol):
    """A finite number of recorded frames, read by index."""

    def __len__(self) -> int: ...

    def frame(self, index: int, position: int) -> Frame:
        """The frame at ``index`` under the position that the stream gives it."""


class RecordedFrames:
    """The frames of an .npz."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording

    def __len__(self) -> int:
        return len(self._recording)

    def frame(self, index: int, position: int) -> Frame:
        """The frame at ``index`` under the position that the stream gives it."""
        return Frame(x=self._recording.frame(index), position=position, label=self._recording.label(index))


class Replay:
    """Plays recorded frames from ``position`` on; with ``loop``, position counts on through every lap.

    Args:
        frames: What was recorded.
        rate_hz: Frames in a second at which the loop is to ask.
        loop: Whether to begin again after the last frame.
        position: First frame to deliver.
    """

    def __init__(self, frames: Frames, *, rate_hz: float, loop: bool, position: int) -> None:
        self._frames = frames
        self._loop = loop
        self.rate_hz: float | None = rate_hz
        self.position = position

    @property
    def ended(self) -> bool:
        """Whether the last frame was delivered."""
        return not self._loop and self.position >= len(self._frames)

    def read(self) -> Frame | None:
        """The next frame, or None after the last one."""
        if self.ended:
            return None
        frame = self._frames.frame(self.position % len(self._frames), self.position)
        self.position += 1
        return frame

    def close(self) -> None:
        """Nothing to give back: what is needed was read."""


def open_frames(path: Path, spec: InputSpec, labels: tuple[str, ...]) -> Frames:
    """Recorded frames from an .npz or an image folder.

    Raises:
        SourceError: Nothing readable is there, or nothing that the model can take.
    """
    return ImageFolder(path, spec, labels) if path.is_dir() else RecordedFrames(load_recording(path, spec))
