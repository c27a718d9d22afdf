"""Gating: what is held, what never is, and that drift is seen all the same."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from agent.config import DriftConfig, GatingConfig
from agent.errors import ConfigError
from agent.worker.gating import Gate, moved_share
from agent.worker.opened_model import OpenedModel
from agent.worker.pipeline import Pipeline
from agent.worker.samples import SampleRing
from agent.worker.sources.port import Frame
from agent.worker.stream import FrameOutcome, open_stream
from edge_models.bundle import Bundle
from edge_models.manifest import InputSpec, WindowStep
from edge_models.sketch import Sketch
from edge_models.tensors import TensorSpec
from tests.factories.bundles import INPUT, INT8
from tests.factories.frames import digit_frames, write_recording
from tests.unit.agent_worker.conftest import FakeClock
from tests.unit.agent_worker.test_offline import command, run
from tests.unit.agent_worker.test_pipeline import FakeEngine

GATING = GatingConfig(threshold=12)
ANSWER = np.array([0.0, 2.0, 1.0], np.float32)


def ran(gate: Gate, frames: NDArray[Any]) -> list[bool]:
    """Whether each frame was run."""
    decisions = []
    for frame in frames:
        gate.look(frame)
        decisions.append(not gate.holds())
        if decisions[-1]:
            gate.ran()
    return decisions


def noisy(frame: NDArray[np.uint8], n: int, *, seed: int = 0, noise: int = 4) -> NDArray[np.uint8]:
    """A scene in which nothing happens, through a sensor with noise."""
    rng = np.random.default_rng(seed)
    return np.clip(frame.astype(int) + rng.integers(-noise, noise + 1, (n, *frame.shape)), 0, 255).astype(np.uint8)


def test_a_still_scene_is_run_once_in_a_while_and_no_less() -> None:
    frames = np.full((43, 8, 8), 90, np.uint8)

    decisions = ran(Gate(GatingConfig(threshold=12, max_held=20)), frames)

    assert [i for i, was_run in enumerate(decisions) if was_run] == [0, 21, 42]


def test_noise_below_the_threshold_is_held_and_a_movement_is_run_at_once() -> None:
    scene = np.full((8, 8), 90, np.uint8)
    frames = noisy(scene, 15)
    frames[10, :2] = 200  # a quarter of the picture

    decisions = ran(Gate(GATING), frames)

    assert decisions == [i in (0, 10, 11) for i in range(15)]


def test_few_moved_values_are_as_good_as_none() -> None:
    frames = np.zeros((2, 100), np.float32)
    frames[1, :3] = 1.0

    assert ran(Gate(GatingConfig(threshold=0.5, share=0.03)), frames) == [True, False]
    assert ran(Gate(GatingConfig(threshold=0.5, share=0.02)), frames) == [True, True]


def test_slow_changes_add_up_against_the_frame_that_was_run() -> None:
    frames = np.repeat(np.arange(0, 60, 2, dtype=np.uint8)[:, None], 16, axis=1)

    decisions = ran(Gate(GatingConfig(threshold=12, max_held=1000)), frames)

    assert [i for i, was_run in enumerate(decisions) if was_run] == [0, 6, 12, 18, 24]


@pytest.mark.parametrize("other", [np.zeros((4, 5), np.uint8), np.zeros((4, 4), np.float32)])
def test_a_frame_of_another_kind_is_never_held(other: NDArray[Any]) -> None:
    assert moved_share(other, np.zeros((4, 4), np.uint8), 12) == 1.0


def test_nan_counts_as_moved() -> None:
    assert moved_share(np.array([np.nan, 0.0]), np.array([0.0, 0.0]), 12) == 0.5


@given(
    pair=st.sampled_from(["u1", "i1", "u2", "i2", "?"]).flatmap(lambda dtype: arrays.arrays(np.dtype(dtype), (2, 7))),
    threshold=st.floats(0.25, 300),
)
def test_the_share_is_that_of_the_differences_in_whole_numbers(pair: NDArray[Any], threshold: float) -> None:
    frame, reference = pair
    apart = np.abs(frame.astype(np.int64) - reference.astype(np.int64))
    expected = frame != reference if frame.dtype == np.bool_ else apart >= threshold

    assert moved_share(frame, reference, threshold) == pytest.approx(np.mean(expected))


def test_rows_fill_every_window_and_a_window_is_held_only_when_it_and_the_last_one_are_still(
    model: OpenedModel, clock: FakeClock
) -> None:
    spec = InputSpec(
        kind="rows",
        source=TensorSpec(shape=(2,), dtype="float32"),
        preprocess=(WindowStep(length=4, stride=2),),
    )
    engine = FakeEngine(ANSWER, clock, shape=(4, 2))
    pipeline = _pipeline(model, engine, clock, GatingConfig(threshold=0.5, max_held=1000), spec)
    rows = np.zeros((22, 2), np.float32)
    rows[11:] = 3.0  # the level changes once

    results = [pipeline.run(row) for row in rows]

    held = {i: result.held for i, result in enumerate(results) if result is not None}
    assert held == {3: False, 5: True, 7: True, 9: True, 11: False, 13: False, 15: False, 17: True, 19: True, 21: True}
    assert engine.seen[1].tolist() == rows[8:12].tolist()  # no hole where rows were still


def test_a_window_of_rows_that_each_moved_a_little_is_not_still(model: OpenedModel, clock: FakeClock) -> None:
    spec = InputSpec(
        kind="rows", source=TensorSpec(shape=(2,), dtype="float32"), preprocess=(WindowStep(length=4, stride=1),)
    )
    engine = FakeEngine(ANSWER, clock, shape=(4, 2))
    pipeline = _pipeline(model, engine, clock, GatingConfig(threshold=1.0, share=0.0, max_held=1000), spec)
    levels = [0.0, 0.0, 0.0, 5.0, *(5.0 + 0.9 * i for i in range(1, 9)), *[12.2] * 8]  # a jump, a ramp, a plateau

    results = [pipeline.run(np.full(2, level, np.float32)) for level in levels]

    ran: NDArray[Any] = np.empty(0)
    for end, result in enumerate(results[3:], start=3):
        assert result is not None
        window = np.array(levels[end - 3 : end + 1])
        ran = ran if result.held else window
        assert np.abs(window - ran).max() < 2.0  # two rows that are each still against a third


def test_a_held_frame_repeats_the_answer_and_runs_nothing(model: OpenedModel, clock: FakeClock) -> None:
    engine = FakeEngine(ANSWER, clock)
    pipeline = _pipeline(model, engine, clock, GATING)

    first, second = pipeline.run(np.full((8, 8), 120, np.uint8)), pipeline.run(np.full((8, 8), 123, np.uint8))

    assert first is not None
    assert second is not None
    assert len(engine.seen) == 1
    assert (first.held, second.held) == (False, True)
    assert (second.predicted, second.confidence) == (first.predicted, first.confidence)
    assert second.times.latency_us == 0.0


def test_a_refused_frame_is_no_answer_to_repeat(model: OpenedModel, clock: FakeClock) -> None:
    pipeline = _pipeline(model, FakeEngine(ANSWER, clock), clock, GATING)
    good, small = np.full((8, 8), 120, np.uint8), np.full((3, 3), 120, np.uint8)

    results = [pipeline.run(frame) for frame in (good, small, small, good)]

    assert [(result.refused is not None, result.held) for result in results if result is not None] == [
        (False, False), (True, False), (True, False), (False, False),
    ]  # fmt: skip


@pytest.mark.runtime
def test_windows_are_as_long_as_without_gating_and_count_what_was_held(model: OpenedModel) -> None:
    stream = open_stream(model, DriftConfig(window=100), time.perf_counter_ns, gating=GATING)

    outcomes = _outcomes(stream.step(Frame(x=x, position=i), i / 10) for i, x in enumerate(_scene(300)))

    windows = [outcome.window for outcome in outcomes if outcome.window is not None]
    assert [(window.position, window.n) for window in windows] == [(99, 100), (199, 100), (299, 100)]
    assert sum(window.held for window in windows) == stream.held > 270
    assert all(sum(window.classes.values()) == 100 for window in windows)
    assert all((window.p50_us or 0.0) > 0 for window in windows)  # of frames that were run


@pytest.mark.runtime
def test_a_covered_camera_still_raises_its_alarm(model: OpenedModel) -> None:
    stream = open_stream(model, DriftConfig(), time.perf_counter_ns, gating=GATING)
    lively, covered = digit_frames(600, seed=1)[0], noisy(np.full((8, 8), 6, np.uint8), 1400)

    outcomes = _outcomes(
        stream.step(Frame(x=x, position=i), i / 10) for i, x in enumerate(np.concatenate([lively, covered]))
    )

    alarms = [alarm for outcome in outcomes for alarm in outcome.alarms]
    assert stream.held > 1300
    assert 600 <= alarms[0].position < 1600
    windows = [outcome.window for outcome in outcomes if outcome.window is not None]
    assert model.profile is not None
    last = Sketch.decode(windows[-1].sketch)
    assert last.distance(model.profile)["mean"] > 0.9  # and the windows show it as soon as without gating


def test_held_frames_are_not_offered_for_labelling(model: OpenedModel) -> None:
    stream = open_stream(model, DriftConfig(), time.perf_counter_ns, gating=GATING)
    ring = SampleRing(rate_hz=1000.0, most_bytes=1 << 20, rng=Random(0))
    ring.switch(on=True, budget=100, signal=None)

    for outcome in _outcomes(stream.step(Frame(x=x, position=i), i / 10) for i, x in enumerate(_scene(20))):
        ring.keep(outcome)

    assert len(ring) == 1


@pytest.mark.runtime
def test_replay_compares_gating_with_none(bundle: Bundle, tmp_path: Path) -> None:
    frames, labels = _calm_scenes(40, frames_each=25)
    path = write_recording(tmp_path / "frames.npz", frames, labels, rate_hz=10.0)

    report = run(bundle, path, gating=GATING, cpu_ns=time.process_time_ns)

    assert report.ungated is not None
    assert report.held > 850
    assert report.ungated.held == 0
    assert report.ungated.cpu_s_per_hour > 2 * report.cpu_s_per_hour > 0
    assert abs((report.accuracy or 0.0) - (report.ungated.accuracy or 0.0)) <= 0.04


def test_the_replay_command_takes_gating_as_the_file_does(bundle: Bundle, tmp_path: Path) -> None:
    path = write_recording(tmp_path / "frames.npz", _scene(60))
    words = (str(bundle.directory), str(path), "--gating", "{threshold: 12, max_held: 9}")

    document, summary = json.loads(command(*words, "--json")), command(*words)

    assert (document["gating"]["on"]["held"], document["gating"]["off"]["held"]) == (54, 0)
    assert "54 of 60 frames held" in summary
    assert "CPU seconds an hour" in summary


@pytest.mark.parametrize("text", ["{}", "{threshold: much}", "{threshold: 5, size: 3}", "{threshold: 5", "7"])
def test_gating_that_is_none_is_refused_in_one_line(bundle: Bundle, tmp_path: Path, text: str) -> None:
    path = write_recording(tmp_path / "frames.npz", _scene(2))

    with pytest.raises(ConfigError, match=r"--gating: .*expected") as raised:
        command(str(bundle.directory), str(path), "--gating", text)

    assert "\n" not in str(raised.value)


def _scene(n: int) -> NDArray[np.uint8]:
    return noisy(digit_frames(1, seed=5)[0][0], n)


def _calm_scenes(scenes: int, *, frames_each: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    frames, labels = digit_frames(scenes, seed=7)
    noise = [noisy(frame, frames_each, seed=i) for i, frame in enumerate(frames)]
    return np.concatenate(noise), np.repeat(labels, frames_each)


def _outcomes(steps: Iterable[FrameOutcome | None]) -> list[FrameOutcome]:
    return [outcome for outcome in steps if outcome is not None]


def _pipeline(
    model: OpenedModel, engine: FakeEngine, clock: FakeClock, gating: GatingConfig, spec: InputSpec = INPUT
) -> Pipeline:
    artifact = model.bundle.artifact(INT8)
    return Pipeline(spec=spec, artifact=artifact, engine=engine, clock_ns=clock.ns, gating=gating)


@pytest.mark.runtime
def test_a_frozen_camera_counts_every_frame_that_it_repeats_held_or_not(model: OpenedModel) -> None:
    stream = open_stream(model, DriftConfig(), time.perf_counter_ns, gating=GATING)
    frames = np.concatenate([digit_frames(300, seed=1)[0], np.repeat(digit_frames(1)[0], 900, axis=0)])

    outcomes = _outcomes(stream.step(Frame(x=x, position=i), i / 10) for i, x in enumerate(frames))

    verdicts = [outcome.verdict for outcome in outcomes if outcome.verdict is not None]
    assert stream.held > 800
    assert sum(verdict.faults.get("repeated", 0) for verdict in verdicts) > 300
