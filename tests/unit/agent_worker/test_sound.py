"""Sound on the device: recordings at the model's rate, live blocks, and what does not fit."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.ipc import FrameIn
from agent.worker.errors import SourceError
from agent.worker.offline import replay
from agent.worker.opened_model import open_model
from agent.worker.pipeline import open_pipeline
from agent.worker.replay_report import ReplayReport
from agent.worker.sources.mqtt_frames import MqttFrames
from agent.worker.sources.recording import load_recording
from edge_models.bundle import Bundle
from edge_models.npz import write_npz
from tests.factories.frames import write_recording
from tests.factories.sound import INPUT, RATE_HZ, SAMPLES, clips, make_sound_bundle

pytestmark = pytest.mark.runtime


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_sound_bundle(tmp_path_factory.mktemp("sound") / "bundle")


def played(bundle: Bundle, path: Path) -> ReplayReport:
    return replay(bundle.directory, path, clock_ns=time.perf_counter_ns)


def test_a_recording_at_the_models_rate_runs(bundle: Bundle, tmp_path: Path) -> None:
    report = played(bundle, write_recording(tmp_path / "f.npz", clips(400, seed=1), rate_hz=RATE_HZ))

    assert len(report.predictions) == 400
    assert None not in report.predictions
    assert (report.refused, report.requests) == ({}, [])


def test_a_microphone_that_became_deaf_is_noticed(bundle: Bundle, tmp_path: Path) -> None:
    x = np.concatenate([clips(400, seed=1), clips(800, seed=2, gain=0.01)])

    report = played(bundle, write_recording(tmp_path / "f.npz", x, rate_hz=RATE_HZ))

    (request,) = report.requests
    assert request.frame >= 400
    assert request.signal == "level"


def test_a_recording_at_another_rate_is_refused_with_both_rates(bundle: Bundle, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "f.npz", clips(4, seed=1), rate_hz=16000.0)

    with pytest.raises(SourceError, match="found rate_hz 16000, expected 8000 samples in a second"):
        played(bundle, path)


def test_the_rate_of_the_front_end_counts_where_the_source_says_none(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "f.npz", clips(4, seed=1), rate_hz=16000.0)

    with pytest.raises(SourceError, match="found rate_hz 16000, expected 8000 samples in a second"):
        load_recording(path, dataclasses.replace(INPUT, rate_hz=None))


def test_a_second_of_sound_is_a_second_of_time(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "f.npz", clips(4, seed=1), rate_hz=RATE_HZ)

    assert load_recording(path, INPUT).rate_hz == RATE_HZ / SAMPLES


def test_a_recording_without_a_rate_is_taken_at_the_models(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "f.npz", clips(4, seed=1))

    assert load_recording(path, INPUT).rate_hz == RATE_HZ / SAMPLES


def test_16_bit_samples_for_a_float_model_are_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    path.write_bytes(write_npz({"x": (clips(4, seed=1) * 32767).astype(np.int16)}))

    with pytest.raises(SourceError, match="divide 16-bit samples by 32768"):
        load_recording(path, INPUT)


@pytest.mark.parametrize("encoding", ["raw", "json"])
def test_samples_over_mqtt_give_what_the_recording_gives(bundle: Bundle, encoding: str) -> None:
    model = open_model(bundle.directory, "tflite")
    (clip,) = clips(1, seed=3)
    source = MqttFrames(INPUT.source)

    source.push(FrameIn(origin="mqtt", encoding=encoding), _body(clip, encoding))  # type: ignore[arg-type]
    frame = source.read()

    assert frame is not None
    live, recorded = (
        open_pipeline(model.bundle, "tflite", model.engine, time.perf_counter_ns).run(x) for x in (frame.x, clip)
    )
    assert live is not None
    assert recorded is not None
    assert live.predicted == recorded.predicted
    np.testing.assert_allclose(live.signals, recorded.signals)  # type: ignore[arg-type]


def _body(clip: NDArray[np.float32], encoding: str) -> bytes:
    return clip.tobytes() if encoding == "raw" else json.dumps([float(value) for value in clip]).encode()
