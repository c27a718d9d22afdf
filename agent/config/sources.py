"""Where a worker's frames may come from, as agent.yaml says it. What opens them is in ``agent.worker.sources``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_models.errors import FieldError
from edge_models.fields import described

TOPIC = r"[^#+\x00]{1,200}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaySource:
    """Recorded frames, played at a rate."""

    type: Literal["replay"] = described("Kind of source.", default="replay")
    path: str = described("npz with x (and y), or a folder of images.")
    rate_hz: float = described("Frames in a second.", default=10.0, ge=0.001, le=100_000)
    loop: bool = described("Start again at the end.", default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSource:
    """Frames or rows that something else publishes."""

    type: Literal["mqtt"] = described("Kind of source.", default="mqtt")
    topic: str = described("Topic to subscribe to; without wildcards.", pattern=TOPIC)
    encoding: Literal["raw", "json"] = described("raw bytes of the array, or a JSON list.", default="json")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSource:
    """Rows of a CSV file, one frame each: those that are there, or those that something goes on adding."""

    type: Literal["csv"] = described("Kind of source.", default="csv")
    path: str = described("The file; its first line names the columns.")
    columns: tuple[str, ...] = described("Columns in the model's order; empty means all.", default=(), max_length=4096)
    label_column: str | None = described("Column with the true label, if there is one.", default=None)
    rate_hz: float = described("Rows in a second.", default=10.0, ge=0.001, le=100_000)
    loop: bool = described("Start again at the end.", default=False)
    follow: bool = described("Take what is added from now on, through rotation and truncation.", default=False)

    def __post_init__(self) -> None:
        """Refuse a file that is to begin again at an end that it has not."""
        if self.follow and self.loop:
            raise FieldError("loop", "true beside follow: true", "one of them: a file that is followed has no end")


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderSource:
    """Images (PNG, JPEG) or arrays (.npy) that something puts into a directory, one frame each."""

    type: Literal["folder"] = described("Kind of source.", default="folder")
    path: str = described("The directory; those below it are not looked at.")
    existing: bool = described("Take the files that are there at the first start, too.", default=False)
    poll_s: float = described("Seconds between two looks.", default=1.0, ge=0.02, le=3600)
    settle_s: float = described(
        "Seconds without a change after which a file counts as whole.", default=1.0, ge=0, le=600
    )
    rate_hz: float = described("Files in a second, at most.", default=10.0, ge=0.001, le=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSource:
    """The newest picture of a camera, at a rate."""

    type: Literal["camera"] = described("Kind of source.", default="camera")
    driver: Literal["auto", "picamera2", "opencv"] = described(
        "picamera2 for a Pi's ribbon cable, opencv for V4L2 (USB); auto takes picamera2 where it is installed.",
        default="auto",
    )
    device: str = described("Number of the camera, or a path such as /dev/video0.", default="0", max_length=300)
    width: int | None = described("Pixels to capture in a row; the model's own when left out.", default=None, ge=1)
    height: int | None = described("Rows to capture; the model's own when left out.", default=None, ge=1)
    rate_hz: float = described("Pictures in a second.", default=10.0, ge=0.001, le=1000)
    stall_s: float = described("Seconds without a picture after which it has failed.", default=10.0, ge=0.1, le=600)


@dataclass(frozen=True, slots=True, kw_only=True)
class MicrophoneSource:
    """Windows of sound, at the sample rate of the model."""

    type: Literal["microphone"] = described("Kind of source.", default="microphone")
    device: str | None = described("Number or part of the name; the default one when left out.", default=None)
    hop: int | None = described(
        "Samples from one window to the next; the length of a window when left out.", default=None, ge=1, le=1 << 24
    )
    stall_s: float = described("Seconds without sound after which it has failed.", default=10.0, ge=0.1, le=600)


SourceConfig = ReplaySource | MqttSource | CsvSource | FolderSource | CameraSource | MicrophoneSource
FILE_SOURCES = (ReplaySource, CsvSource, FolderSource)
