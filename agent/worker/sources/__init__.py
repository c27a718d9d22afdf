"""Where frames come from; ``open_source`` chooses by configuration."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from agent.config import CsvSource, MqttSource, ReplaySource, SourceConfig
from agent.worker.sources.csv_rows import CsvRows
from agent.worker.sources.mqtt_frames import MqttFrames
from agent.worker.sources.port import Frame, Source
from agent.worker.sources.replay import Replay, open_frames
from edge_models.manifest import InputSpec

__all__ = ["Frame", "Source", "open_source"]


def open_source(config: SourceConfig, spec: InputSpec, labels: tuple[str, ...], *, position: int) -> Source:
    """Open the configured source at ``position``.

    Raises:
        SourceError: It cannot be opened; the message says how to mend the configuration or the file.
    """
    match config:
        case ReplaySource():
            frames = open_frames(Path(config.path), spec, labels)
            return Replay(frames, rate_hz=config.rate_hz, loop=config.loop, position=position)
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
        case MqttSource():
            return MqttFrames(spec.source, position=position)
        case _:
            assert_never(config)
