"""Where frames come from; ``steady_source`` chooses by configuration, and keeps it going."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import assert_never

from agent.config import (
    CameraSource,
    CsvSource,
    FolderSource,
    MicrophoneSource,
    MqttSource,
    ReplaySource,
    SourceConfig,
)
from agent.ipc import Configure
from agent.worker.sources.arrivals import Arrivals
from agent.worker.sources.camera import open_camera
from agent.worker.sources.csv_rows import CsvRows
from agent.worker.sources.csv_tail import CsvTail
from agent.worker.sources.mqtt_frames import MqttFrames
from agent.worker.sources.port import Frame, Source
from agent.worker.sources.replay import Replay, open_frames
from agent.worker.sources.restarting import Restarting, Surroundings
from agent.worker.sources.sound import asked_hz, open_microphone
from edge_models.manifest import InputSpec

__all__ = ["Frame", "Restarting", "Source", "Surroundings", "configured_source", "open_source", "steady_source"]


def configured_source(
    configure: Configure, spec: InputSpec, labels: tuple[str, ...], around: Surroundings
) -> Source | None:
    """The source that a worker was told to take, from where it was told; None for none."""
    if configure.source is None:
        return None
    return steady_source(
        configure.source, spec, labels, position=configure.position, mark=configure.mark, around=around
    )


def steady_source(
    config: SourceConfig,
    spec: InputSpec,
    labels: tuple[str, ...],
    *,
    position: int,
    mark: str = "",
    around: Surroundings,
) -> Source:
    """The configured source from ``position`` on, opened again whenever it fails.

    Args:
        config: Which.
        spec: What the model eats.
        labels: Names of the classes.
        position: Position of the first frame.
        mark: Where an earlier worker stopped, as ``Restarting.mark`` said.
        around: The worker.
    """
    if isinstance(config, MqttSource):  # the supervisor keeps the link; nothing here can fail
        return MqttFrames(spec.source, position=position)
    rate_hz = asked_hz(config, spec) if isinstance(config, MicrophoneSource) else config.rate_hz

    def open_at(position: int, mark: str) -> Source:
        return open_source(config, spec, labels, position=position, mark=mark, now_s=around.now_s)

    return Restarting(open_at, rate_hz=rate_hz, position=position, mark=mark, around=around)


def open_source(
    config: SourceConfig,
    spec: InputSpec,
    labels: tuple[str, ...],
    *,
    position: int,
    mark: str = "",
    now_s: Callable[[], float],
) -> Source:
    """Open the configured source once.

    Raises:
        SourceError: It cannot be opened; the message says how to mend the configuration or the file.
    """
    match config:
        case ReplaySource():
            frames = open_frames(Path(config.path), spec, labels)
            return Replay(frames, rate_hz=config.rate_hz, loop=config.loop, position=position)
        case CsvSource(follow=True):
            return CsvTail(config, labels, position=position, mark=mark, now_s=now_s)
        case CsvSource():
            return CsvRows(
                Path(config.path),
                columns=config.columns,
                label_column=config.label_column,
                labels=labels,
                rate_hz=config.rate_hz,
                loop=config.loop,
                position=position,
            )
        case FolderSource():
            return Arrivals(config, spec, position=position, mark=mark, now_s=now_s)
        case CameraSource():
            return open_camera(config, spec, position=position, now_s=now_s)
        case MicrophoneSource():
            return open_microphone(config, spec, position=position, now_s=now_s)
        case MqttSource():
            return MqttFrames(spec.source, position=position)
        case _:
            assert_never(config)
