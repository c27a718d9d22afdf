"""What ``driftline-agent check`` finds of a source and of a sink before they are needed; nothing is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import assert_never

from agent.config import (
    CameraSource,
    CsvSource,
    FolderSource,
    MicrophoneSource,
    MqttSource,
    ReplaySource,
    SinkConfig,
    SourceConfig,
)


def source_problems(source: SourceConfig | None) -> Iterator[str]:
    """Why frames would not come from there, as things are now."""
    match source:
        case None | MqttSource():
            return
        case ReplaySource() | CsvSource():
            yield from _file_problems(Path(source.path))
        case FolderSource():
            yield from _folder_problems(Path(source.path))
        case CameraSource():
            yield from _camera_problems(source)
        case MicrophoneSource():
            if find_spec("sounddevice") is None:
                yield (
                    "source: a microphone needs sounddevice; install it with pip install 'driftline[sounddevice]' and "
                    "apt install libportaudio2"
                )
        case _:
            assert_never(source)


def sink_problems(sink: SinkConfig | None) -> Iterator[str]:
    """Why predictions could not be kept there."""
    if sink is None:
        return
    path = Path(sink.path)
    existing = next(folder for folder in path.parents if folder.exists())
    if path.is_dir():
        yield f"sink.path: {path} is a directory, expected the name of a file"
    elif not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        yield f"sink.path: {existing} cannot be written to, expected a directory that takes the agent's files"


def _file_problems(path: Path) -> Iterator[str]:
    if not path.exists():
        yield f"source.path: {path} does not exist, expected recorded frames or rows"
    elif path.is_dir() and find_spec("PIL") is None:
        yield f"source.path: {path} is a folder of images, which needs Pillow; install it with pip install pillow"


def _folder_problems(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield f"source.path: {path} is no directory, expected one that something puts frames into"
    elif not os.access(path, os.R_OK | os.X_OK):
        yield f"source.path: {path} cannot be read, expected a directory that the agent's user may list"


def _camera_problems(source: CameraSource) -> Iterator[str]:
    is_number = source.device.isdecimal()
    has_picamera2, has_opencv = find_spec("picamera2") is not None, find_spec("cv2") is not None
    if source.driver == "picamera2" and not is_number:
        yield f"source.device: found {source.device}, expected the number of a camera, as driver: picamera2 needs"
    if source.driver == "picamera2" and not has_picamera2:
        yield "source: driver picamera2 needs python3-picamera2; install it with apt install python3-picamera2"
    elif source.driver == "opencv" and not has_opencv:
        yield "source: driver opencv needs OpenCV; install it with pip install 'driftline[opencv]'"
    elif not (has_opencv or has_picamera2):
        yield (
            "source: a camera needs picamera2 or OpenCV; install apt's python3-picamera2 for a Pi's own camera, or "
            "pip install 'driftline[opencv]' for any other"
        )
    elif source.driver != "picamera2" and source.device.startswith("/dev/") and not Path(source.device).exists():
        yield f"source.device: {source.device} does not exist, expected a camera that v4l2-ctl --list-devices shows"
