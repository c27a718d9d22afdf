"""How long the parts of a frame take, from the stream to what the supervisor reads."""

from __future__ import annotations

import numpy as np

from agent.config import DriftConfig
from agent.worker.opened_model import OpenedModel
from agent.worker.sources.port import Frame
from agent.worker.stream import open_stream
from edge_models.latency import Latency
from tests.factories.frames import digit_frames


class Ticking:
    """A clock on which 50 us pass between two looks."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        self.now_ns += 50_000
        return self.now_ns


def test_each_stage_of_each_frame_that_was_run_is_counted(model: OpenedModel) -> None:
    stream = open_stream(model, DriftConfig(), Ticking(), cpu_ns=lambda: 0)

    for position, x in enumerate(digit_frames(5)[0]):
        stream.step(Frame(x=x, position=position), position / 10)

    stages = {name: Latency.decoded(text) for name, text in stream.stages.encoded().items()}
    assert {name: latency.n for name, latency in stages.items()} == {
        "preprocess": 5, "infer": 5, "drift": 5, "frame": 5
    }  # fmt: skip
    assert abs((stages["infer"].quantile_us(0.5) or 0) - 50) < 3
    assert abs((stages["frame"].quantile_us(0.5) or 0) - 200) < 10


def test_refused_frames_are_no_durations(model: OpenedModel) -> None:
    stream = open_stream(model, DriftConfig(), Ticking())

    stream.step(Frame(x=np.zeros((9, 9), np.uint8), position=0), 0.0)

    assert stream.stages.encoded() == {}
