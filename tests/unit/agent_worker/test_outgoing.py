"""What leaves the worker about a frame."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from agent.ipc import PredictionOut
from agent.ipc_frames import FrameReader
from agent.worker.link import SupervisorLink
from agent.worker.outgoing import Outgoing
from agent.worker.pipeline import PipelineResult, StageTimes
from agent.worker.sources.port import Frame
from agent.worker.stream import FrameOutcome, Told
from edge_models.tensors import TensorSpec


@pytest.mark.parametrize(("held", "latency_us"), [(False, 12.0), (True, None)])
def test_a_held_frame_took_no_inference_rather_than_one_of_no_time(held: bool, latency_us: float | None) -> None:
    mine, theirs = socket.socketpair()
    times = StageTimes() if held else StageTimes(preprocess_us=2.0, infer_us=10.0)
    outcome = FrameOutcome(
        frame=Frame(x=np.zeros((2, 2), np.uint8), position=7), seq=7, alarms=(), window=None, drift_us=0.0,
        result=PipelineResult(predicted=3, confidence=0.9, times=times, held=held),
        told=Told(predicted=4, confidence=0.8),
    )  # fmt: skip
    with theirs:
        link = SupervisorLink(mine)
        Outgoing(link, artifact="tflite-int8", source=TensorSpec(shape=(2, 2), dtype="uint8")).prediction(outcome)
        link.close()

        ((message, _),) = FrameReader().feed(theirs.recv(4096))

    assert message == PredictionOut(position=7, seq=7, label=4, confidence=0.8, latency_us=latency_us)
