"""An autoencoder on the device: what it says, what its drift signals are, and what replay tells."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from agent.config import DriftConfig
from agent.worker.offline import replay
from agent.worker.opened_model import open_model
from agent.worker.pipeline import Pipeline, open_pipeline
from agent.worker.stream import open_stream
from edge_models.bundle import Bundle
from edge_models.sketch import Sketch
from tests.factories.frames import write_recording
from tests.factories.hum import loose_rows, make_hum_bundle, normal_rows

pytestmark = pytest.mark.runtime


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_hum_bundle(tmp_path_factory.mktemp("hum") / "bundle")


def opened(bundle: Bundle) -> Pipeline:
    model = open_model(bundle.directory, "tflite")
    return open_pipeline(model.bundle, "tflite", model.engine, time.perf_counter_ns)


def test_a_frame_is_normal_or_an_anomaly_with_a_confidence(bundle: Bundle) -> None:
    pipeline = opened(bundle)

    sound, loose = (pipeline.run(rows[0]) for rows in (normal_rows(1, seed=1), loose_rows(1, seed=1)))

    assert sound is not None
    assert loose is not None
    assert (sound.predicted, loose.predicted) == (0, 1)
    for result in (sound, loose):
        assert result.confidence is not None
        assert 0.5 <= result.confidence <= 1


def test_the_reconstruction_error_is_a_drift_signal_and_the_last_one(bundle: Bundle) -> None:
    pipeline = opened(bundle)
    result = pipeline.run(loose_rows(1, seed=1)[0])

    assert pipeline.signal_names[-1] == "reconstruction_error"
    assert result is not None
    assert result.signals is not None
    assert result.signals[-1] > 0.03


def test_a_bundle_without_a_threshold_watches_and_says_nothing(tmp_path: Path) -> None:
    result = opened(make_hum_bundle(tmp_path / "bundle", threshold=None)).run(loose_rows(1, seed=1)[0])

    assert result is not None
    assert (result.predicted, result.confidence, result.refused) == (None, None, None)
    assert result.signals is not None


def test_windows_count_anomalies_as_classes(bundle: Bundle) -> None:
    model = open_model(bundle.directory, "tflite")
    stream = open_stream(model, DriftConfig(window=100), time.perf_counter_ns)
    from agent.worker.sources.port import Frame

    rows = np.concatenate([normal_rows(60, seed=1), loose_rows(40, seed=2)])
    outcomes = [stream.step(Frame(x=row, position=i), float(i)) for i, row in enumerate(rows)]

    window = outcomes[-1].window if outcomes[-1] is not None else None
    assert window is not None
    assert set(window.classes) == {"0", "1"}
    assert 35 <= window.classes["1"] <= 42
    assert model.profile is not None
    assert Sketch.decode(window.sketch).distance(model.profile)["reconstruction_error"] > 0.3


def test_replay_tells_anomalies_and_a_loose_screw_is_asked_about(bundle: Bundle, tmp_path: Path) -> None:
    x = np.concatenate([normal_rows(600, seed=1), loose_rows(900, seed=2)])
    y = np.repeat([0, 1], [600, 900])

    report = replay(
        bundle.directory, write_recording(tmp_path / "f.npz", x, y), clock_ns=time.perf_counter_ns, artifact="tflite"
    )

    assert report.accuracy is not None
    assert report.accuracy > 0.97
    assert report.alarms[0].position >= 600
    assert len(report.requests) == 1
    assert report.to_json()["n"] == 1500
