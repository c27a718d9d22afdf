"""Pipeline, detectors and windows in step."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from agent.config import DriftConfig
from agent.worker.errors import DetectorError
from agent.worker.opened_model import OpenedModel, open_model
from agent.worker.sources.port import Frame
from agent.worker.stream import FeedbackOutcome, FrameOutcome, Stream, open_stream
from edge_models.errors import ArchiveError, IntegrityError, UnsupportedArtifactError
from edge_models.sketch import Sketch
from tests.factories.bundles import INT8, make_bundle
from tests.factories.frames import digit_frames, winter_light

DDM = DriftConfig(detectors=({"name": "ddm"},))


def stream_of(model: OpenedModel, drift: DriftConfig | None = None, *, first_seq: int = 0) -> Stream:
    return open_stream(model, drift or DriftConfig(), time.perf_counter_ns, first_seq=first_seq)


def run(stream: Stream, frames: np.ndarray, *, start: int = 0) -> list[FrameOutcome]:
    outcomes = (stream.step(Frame(x=x, position=start + i), (start + i) / 10) for i, x in enumerate(frames))
    return [outcome for outcome in outcomes if outcome is not None]


@pytest.mark.runtime
def test_a_calm_stream_gives_no_alarm_and_a_corrupted_one_does(model: OpenedModel) -> None:
    stream = stream_of(model)

    calm = run(stream, digit_frames(600, seed=1)[0])
    drifted = run(stream, digit_frames(200, seed=2, corruption=winter_light)[0], start=600)

    assert [outcome.alarms for outcome in calm if outcome.alarms] == []
    alarms = [alarm for outcome in drifted for alarm in outcome.alarms]
    assert 600 <= alarms[0].position < 700


def test_windows_carry_a_sketch_in_the_bins_of_the_artifacts_own_profile(model: OpenedModel) -> None:
    stream = stream_of(model)

    outcomes = run(
        stream, np.concatenate([digit_frames(200, seed=1)[0], digit_frames(200, corruption=winter_light)[0]])
    )

    calm, drifted = [outcome.window for outcome in outcomes if outcome.window is not None]
    assert model.profile is not None
    effects = Sketch.decode(calm.sketch).distance(model.profile)
    assert set(effects) >= {"mean", "sharp", "confidence"}
    assert max(effects.values()) < 0.19
    assert Sketch.decode(drifted.sketch).distance(model.profile)["mean"] > 0.9


def test_predictions_are_numbered_from_where_the_worker_starts(model: OpenedModel) -> None:
    outcomes = run(stream_of(model, first_seq=40), digit_frames(3)[0], start=40)

    assert [outcome.seq for outcome in outcomes] == [40, 41, 42]


def test_a_refused_frame_is_counted_and_does_not_reach_the_detectors(model: OpenedModel) -> None:
    stream = stream_of(model, DriftConfig(window=20))

    outcomes = run(stream, np.zeros((20, 9, 9), np.uint8))

    assert stream.frames == 20
    assert outcomes[-1].window is not None
    assert outcomes[-1].window.refused == 20


def test_feedback_reaches_detectors_of_errors_once(model: OpenedModel) -> None:
    stream = stream_of(model, DDM)
    frames, _ = digit_frames(800, seed=3)
    outcomes = run(stream, frames)

    def tell(outcome: FrameOutcome, *, right: bool) -> int:
        label = outcome.result.predicted or 0
        return len(stream.feedback(outcome.seq, label if right else (label + 1) % 10, 800).alarms)

    early = sum(tell(outcome, right=True) for outcome in outcomes[:500])
    late = sum(tell(outcome, right=False) for outcome in outcomes[500:])

    assert (early, late > 0) == (0, True)
    assert stream.feedback(outcomes[-1].seq, 0, 800) == FeedbackOutcome()


def test_feedback_for_a_prediction_of_long_ago_is_ignored(model: OpenedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.worker.stream.REMEMBERED_PREDICTIONS", 16)
    stream = stream_of(model, DDM)
    frame = digit_frames(1)[0][0]
    for position in range(17):
        stream.step(Frame(x=frame, position=position), 0.0)

    assert stream.feedback(0, 5, 9) == FeedbackOutcome()
    assert len(stream._predictions) == 16


def test_after_a_reset_the_drifted_stream_is_the_new_normal(model: OpenedModel) -> None:
    stream = stream_of(model)
    run(stream, digit_frames(500, seed=1)[0])

    stream.reset_drift(learn="winter")
    outcomes = run(stream, digit_frames(700, seed=2, corruption=winter_light)[0], start=500)

    assert [outcome.alarms for outcome in outcomes if outcome.alarms] == []
    assert next(outcome.window for outcome in outcomes if outcome.window).start == 500


def test_an_artifact_without_a_profile_is_watched_against_its_own_past(tmp_path: Path) -> None:
    model = open_model(make_bundle(tmp_path / "bundle", profile=False).directory, INT8)
    stream = stream_of(model)

    run(stream, digit_frames(600, seed=1)[0])
    outcomes = run(stream, digit_frames(200, seed=2, corruption=winter_light)[0], start=600)

    assert [alarm for outcome in outcomes for alarm in outcome.alarms]


def test_a_profile_of_other_signals_is_refused(model: OpenedModel) -> None:
    assert model.profile is not None
    other = replace(model.profile, signals=("colour", *model.profile.signals[1:]))

    with pytest.raises(ArchiveError, match=r"found signals colour, .*expected mean"):
        stream_of(replace(model, profile=other))


@pytest.mark.parametrize("classes", [2, 11])
def test_a_profile_of_other_classes_is_refused(model: OpenedModel, classes: int) -> None:
    assert model.profile is not None
    prior = np.full(classes, 1 / classes, np.float32)
    other = replace(model.profile, contexts=(replace(model.profile.contexts[0], class_prior=prior),))

    with pytest.raises(ArchiveError, match=f"found {classes} classes, expected 10"):
        stream_of(replace(model, profile=other))


def test_a_detector_that_does_not_exist_is_refused(model: OpenedModel) -> None:
    with pytest.raises(DetectorError, match="adwn"):
        stream_of(model, DriftConfig(detectors=({"name": "adwn"},)))


def test_a_changed_file_is_noticed_before_it_is_run(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    path = bundle.path(bundle.artifact(INT8).file)
    path.write_bytes(path.read_bytes()[:-1] + b"!")

    with pytest.raises(IntegrityError, match="differs from manifest"):
        open_model(bundle.directory, INT8)


def test_a_model_that_no_runtime_takes_is_an_error_of_the_engine(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", unknown_op=True)

    with pytest.raises(UnsupportedArtifactError):
        open_model(bundle.directory, INT8)


def test_a_bundle_of_another_identity_is_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")

    with pytest.raises(IntegrityError, match="bundle id"):
        open_model(bundle.directory, INT8, expected_id="0" * 64)
