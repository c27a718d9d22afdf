"""What is found of sources and sinks before they are opened."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

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
from agent.source_checks import sink_problems, source_problems


def installed(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Of the libraries for sources only these."""
    for name in ("cv2", "picamera2", "sounddevice"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module if name in names else None)


@pytest.mark.parametrize("source", [None, MqttSource(topic="frames")])
def test_nothing_is_asked_of_frames_that_come_by_topic(source: SourceConfig | None) -> None:
    assert list(source_problems(source)) == []


@pytest.mark.parametrize(
    ("source", "has", "said"),
    [
        (CameraSource(), (), "a camera needs picamera2 or OpenCV"),
        (CameraSource(), ("picamera2",), None),
        (CameraSource(), ("cv2",), None),
        (CameraSource(driver="picamera2"), ("cv2",), "apt install python3-picamera2"),
        (CameraSource(driver="opencv"), ("picamera2",), "pip install 'driftline[opencv]'"),
        (CameraSource(driver="picamera2", device="/dev/video0"), ("picamera2",), "expected the number of a camera"),
        (CameraSource(device="/dev/video99"), ("cv2",), "/dev/video99 does not exist"),
        (MicrophoneSource(), (), "apt install libportaudio2"),
        (MicrophoneSource(), ("sounddevice",), None),
        (FolderSource(path="/nowhere"), (), "/nowhere is no directory"),
        (FolderSource(path="/"), (), None),
        (ReplaySource(path="/nowhere.npz"), (), "/nowhere.npz does not exist"),
        (CsvSource(path="/nowhere.csv", follow=True), (), "/nowhere.csv does not exist"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, source: SourceConfig, has: tuple[str, ...], said: str | None
) -> None:
    installed(monkeypatch, *has)

    problems = list(source_problems(source))

    assert len(problems) == (said is not None)
    assert said is None or said in problems[0]


def test_a_sink_needs_a_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert list(sink_problems(None)) == []
    assert list(sink_problems(SinkConfig(path=str(tmp_path / "deep" / "p.jsonl")))) == []
    assert "is a directory" in next(sink_problems(SinkConfig(path=str(tmp_path))))
    assert "cannot be written to" in next(sink_problems(SinkConfig(path=str(tmp_path / "file" / "p.jsonl"))))
