"""Learning in a stream: predictions follow it, drift signals never do."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.config import AdaptationConfig, DriftConfig, GatingConfig
from agent.worker.adaptation.opening import open_guard
from agent.worker.drift.per_signal import ERROR_SIGNAL
from agent.worker.drift.port import Alarm
from agent.worker.errors import UnadaptableError
from agent.worker.opened_model import OpenedModel, open_model
from agent.worker.sources.port import Frame
from agent.worker.stream import FeedbackOutcome, FrameOutcome, Stream, open_stream
from tests.factories.bundles import INT8
from tests.factories.frames import digit_frames, write_recording
from tests.factories.spiking_digits import SPIKING, make_spiking_digits
from tests.unit.agent_worker.test_offline import command

SWAPPED = np.array([0, 7, 2, 3, 4, 5, 6, 1, 8, 9])
"""What this site calls a one, everybody else calls a seven."""


@pytest.fixture(scope="module")
def spiking(tmp_path_factory: pytest.TempPathFactory) -> OpenedModel:
    return open_model(make_spiking_digits(tmp_path_factory.mktemp("bundles") / "digits").directory, SPIKING)


def adapting(model: OpenedModel, drift: DriftConfig | None = None, gating: GatingConfig | None = None) -> Stream:
    guard = open_guard(AdaptationConfig(), model.bundle.artifact(model.artifact_name))
    return open_stream(model, drift or DriftConfig(), time.perf_counter_ns, gating=gating, guard=guard)


def run(stream: Stream, x: NDArray[np.uint8], labels: NDArray[np.int64] | None = None) -> list[FrameOutcome]:
    outcomes = []
    for i, frame in enumerate(x):
        outcome = stream.step(Frame(x=frame, position=i), i / 10)
        assert outcome is not None
        outcomes.append(outcome)
        if labels is not None:
            stream.feedback(outcome.seq, int(labels[i]), i)
    return outcomes


def right(outcomes: list[FrameOutcome], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Accuracy of what was told, and of the artifact alone."""
    told = [outcome.told.predicted == label for outcome, label in zip(outcomes, labels, strict=True)]
    alone = [outcome.result.predicted == label for outcome, label in zip(outcomes, labels, strict=True)]
    return float(np.mean(told)), float(np.mean(alone))


def test_a_site_with_other_labels_is_learnt_and_the_rest_is_kept(spiking: OpenedModel) -> None:
    x, y = digit_frames(900, seed=50)
    stream = adapting(spiking)

    outcomes = run(stream, x, SWAPPED[y])

    told, alone = right(outcomes[450:], SWAPPED[y][450:])
    assert stream.guard is not None
    assert stream.guard.rev > 0
    assert told > alone + 0.08


def test_labels_that_teach_nothing_new_cost_nothing(spiking: OpenedModel) -> None:
    x, y = digit_frames(900, seed=51)

    told, alone = right(run(adapting(spiking), x, y), y)

    assert told > alone - 0.01


def test_drift_signals_windows_and_alarms_are_those_of_the_artifact_alone(spiking: OpenedModel) -> None:
    x, y = digit_frames(600, seed=50)
    drift = DriftConfig(window=100, detectors=({"name": "adwin"}, {"name": "ddm"}))
    alone = open_stream(spiking, drift, time.perf_counter_ns)
    stream = adapting(spiking, drift)

    plain, adapted = run(alone, x, SWAPPED[y]), run(stream, x, SWAPPED[y])

    assert any(a.told.predicted != p.told.predicted for a, p in zip(adapted, plain, strict=True))  # it did learn
    for p, a in zip(plain, adapted, strict=True):
        assert p.result.signals is not None
        assert a.result.signals is not None
        assert a.result.signals.tolist() == p.result.signals.tolist()
        assert (a.result.predicted, a.alarms) == (p.result.predicted, p.alarms)
    windows = [[outcome.window for outcome in outcomes if outcome.window] for outcomes in (plain, adapted)]
    for p_window, a_window in zip(*windows, strict=True):
        timeless = {"p50_us": 0.0, "p95_us": 0.0}
        assert replace(a_window, **timeless) == replace(p_window, **timeless)


def test_detectors_of_errors_see_the_artifacts_own_errors(spiking: OpenedModel) -> None:
    x, y = digit_frames(1500, seed=50)
    stream = adapting(spiking, DriftConfig(detectors=({"name": "ddm"},)))
    run(stream, x[:500], y[:500])
    assert stream.guard is not None

    alarms: list[Alarm] = []
    for i in range(500, 1500):
        outcome = stream.step(Frame(x=x[i], position=i), i / 10)
        assert outcome is not None
        alarms += stream.feedback(outcome.seq, int(SWAPPED[y[i]]), i).alarms

    assert {alarm.signal for alarm in alarms} == {ERROR_SIGNAL}


def test_a_held_frame_is_told_what_was_learnt_meanwhile(spiking: OpenedModel) -> None:
    x, y = digit_frames(700, seed=50)
    stream = adapting(spiking, gating=GatingConfig(threshold=30, share=0.0, max_held=1000))
    run(stream, x, SWAPPED[y])
    seven = x[int(np.flatnonzero(y == 7)[0])]

    first, held = run(stream, np.stack([seven, seven]))

    assert (first.result.held, held.result.held) == (False, True)
    assert held.told == first.told
    assert stream.feedback(held.seq, 1, 0) is not None


def test_a_label_that_no_class_has_is_refused_and_the_prediction_may_still_be_answered(spiking: OpenedModel) -> None:
    stream = adapting(spiking, DriftConfig(detectors=({"name": "ddm"},)))
    outcomes = run(stream, digit_frames(300)[0])

    refused = [stream.feedback(outcome.seq, 10, 300) for outcome in outcomes]

    assert refused == [FeedbackOutcome(refused="feedback: found label 10, expected 0 to 9")] * 300  # no alarm either
    assert stream.guard is not None
    assert stream.guard.labels == 0
    stream.feedback(outcomes[0].seq, 9, 300)
    assert stream.guard.labels == 1


def test_a_frame_and_those_that_repeat_its_answer_are_one_example(spiking: OpenedModel) -> None:
    stream = adapting(spiking, gating=GatingConfig(threshold=30, share=0.0, max_held=1000))
    outcomes = run(stream, np.repeat(digit_frames(1)[0], 40, axis=0))
    assert stream.held == 39

    for outcome in reversed(outcomes):
        stream.feedback(outcome.seq, 3, 40)

    assert stream.guard is not None
    assert stream.guard.labels == 1  # or what trained would judge as well


def test_remembered_examples_are_bounded_by_their_size(spiking: OpenedModel) -> None:
    guard = open_guard(AdaptationConfig(), spiking.bundle.artifact(spiking.artifact_name))
    stream = open_stream(spiking, DriftConfig(), time.perf_counter_ns, guard=guard, remembered_bytes=5000)

    outcomes = run(stream, digit_frames(30)[0])

    example = outcomes[0].result.example
    assert example is not None
    assert len(stream._predictions) == 5000 // example.size_bytes


def test_an_artifact_without_an_embedding_cannot_learn_and_says_so(model: OpenedModel) -> None:
    with pytest.raises(UnadaptableError, match="no output of role embedding"):
        open_guard(AdaptationConfig(), model.bundle.artifact(INT8))


def test_replay_tells_what_learning_would_have_been_worth(spiking: OpenedModel, tmp_path: Path) -> None:
    x, y = digit_frames(600, seed=50)
    words = (str(spiking.bundle.directory), str(write_recording(tmp_path / "frames.npz", x, SWAPPED[y])))

    learnt = json.loads(command(*words, "--adaptation", "{}", "--json"))["adaptation"]
    summary = command(*words, "--adaptation", "{judge_every: 8}")

    assert learnt["accuracy"] > learnt["unadapted_accuracy"]
    assert learnt["adapted_rev"] == learnt["changes"][-1]["rev"] > 0
    assert "without what was learnt" in summary
    assert "learnt after" in summary


def test_holding_differences_below_one_code_changes_nothing(spiking: OpenedModel, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "frames.npz", digit_frames(80, seed=50)[0])
    words = (str(spiking.bundle.directory), str(path), "--json", "--hold-codes")

    exact, one = (json.loads(command(*words, codes))["predictions"] for codes in ("0", "1"))

    assert exact == one  # a difference below one code is none


@pytest.mark.parametrize("codes", ["-1", "256", "many"])
def test_codes_that_no_input_has_are_refused(codes: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        command("bundle", "frames.npz", f"--hold-codes={codes}")


def test_nothing_is_kept_for_learning_where_nothing_learns(spiking: OpenedModel) -> None:
    (outcome,) = run(open_stream(spiking, DriftConfig(), time.perf_counter_ns), digit_frames(1)[0])

    assert outcome.result.example is None
    assert outcome.told.predicted == outcome.result.predicted
