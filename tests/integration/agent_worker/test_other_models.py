"""Workers whose model listens, or tells anomalies, as the supervisor sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from agent.config import DriftConfig, MqttSource, ReplaySource
from agent.ipc import (
    FrameIn,
    PredictionOut,
    Ready,
    SelfTest,
    ShadowFrame,
    ShadowOn,
    ShadowVerdict,
    SourceDown,
    SourceEnded,
    Window,
)
from agent.worker.opened_model import open_model
from edge_models.sketch import Sketch
from tests.factories.frames import write_recording
from tests.factories.hum import loose_rows, make_hum_bundle, make_windowed_hum_bundle, normal_rows
from tests.factories.sound import RATE_HZ, clips, make_sound_bundle
from tests.integration.agent_worker.harness import WorkerProcess, configure

pytestmark = pytest.mark.integration


def test_rows_from_mqtt_are_told_to_be_normal_or_an_anomaly(worker: WorkerProcess, tmp_path: Path) -> None:
    bundle = make_hum_bundle(tmp_path / "bundle")
    source = MqttSource(topic="hum", encoding="raw")
    worker.send(configure(bundle, artifact="tflite", source=source, predictions_hz=100.0))
    worker.wait_for(Ready)

    worker.send(FrameIn(origin="mqtt"), normal_rows(1, seed=1)[0].tobytes())
    worker.send(FrameIn(origin="mqtt"), loose_rows(1, seed=1)[0].tobytes())
    worker.wait_for(PredictionOut, lambda prediction: prediction.position == 1)

    told = worker.all_of(PredictionOut)
    assert [prediction.label for prediction in told] == [0, 1]
    assert all(prediction.confidence is not None for prediction in told)


def test_recorded_sound_is_counted_in_windows(worker: WorkerProcess, tmp_path: Path) -> None:
    bundle = make_sound_bundle(tmp_path / "bundle")
    path = write_recording(tmp_path / "f.npz", clips(120, seed=1), rate_hz=RATE_HZ)
    source = ReplaySource(path=str(path), rate_hz=2000.0)
    worker.send(configure(bundle, artifact="tflite", source=source, drift=DriftConfig(window=100)))

    window = worker.wait_for(Window)
    worker.wait_for(SourceEnded)

    assert (window.n, window.refused) == (100, 0)
    profile = open_model(bundle.directory, "tflite").profile
    assert profile is not None
    effects = Sketch.decode(window.sketch).distance(profile)
    assert {"level", "band_0", "confidence"} <= set(effects)
    assert max(effects.values()) < 0.3


def test_sound_at_another_rate_is_the_sources_fault(worker: WorkerProcess, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "f.npz", clips(3, seed=1), rate_hz=44100.0)
    bundle = make_sound_bundle(tmp_path / "bundle")
    worker.send(configure(bundle, artifact="tflite", source=ReplaySource(path=str(path))))

    assert "found rate_hz 44100, expected 8000" in worker.wait_for(SourceDown).reason


def test_a_candidate_gets_whole_windows_of_rows_however_seldom_it_is_asked(
    worker: WorkerProcess, tmp_path: Path
) -> None:
    bundle = make_windowed_hum_bundle(tmp_path / "bundle")
    path = tmp_path / "rows.npz"
    np.savez(path, x=normal_rows(500, seed=2).reshape(2000, 4))
    worker.send(configure(bundle, artifact="tflite", role="candidate"))
    assert worker.wait_for(SelfTest).ok
    with WorkerProcess() as active:
        source = ReplaySource(path=str(path), rate_hz=500.0, loop=True)
        active.send(configure(bundle, artifact="tflite", source=source))
        active.wait_for(Ready)
        active.send(ShadowOn(on=True, rate_hz=20))
        for n in range(1, 11):
            copy = active.wait_for(ShadowFrame)
            assert copy.shape == (4, 4)
            frame = FrameIn(origin="shadow", dtype=copy.dtype, shape=copy.shape, label_of_active=copy.label)
            worker.send(frame, active.body_of(copy))
            verdict = worker.wait_for(ShadowVerdict)
            assert (verdict.n, verdict.agree) == (n, n)
