"""The offline replay: what a device would have said over recorded frames."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.config import CommissioningConfig, DriftConfig
from agent.errors import AgentError, ConfigError
from agent.worker import replay_command
from agent.worker.errors import SourceError
from agent.worker.offline import replay
from agent.worker.replay_report import ReplayReport
from agent.worker.replay_summary import summary
from edge_models.bundle import Bundle
from edge_models.errors import BundleError, EngineError, ManifestError
from tests.factories.bundles import FLOAT, INT8, make_bundle
from tests.factories.frames import digit_frames, winter_light, write_recording


def run(bundle: Bundle | Path, frames: Path, **options: object) -> ReplayReport:
    directory = bundle if isinstance(bundle, Path) else bundle.directory
    return replay(directory, frames, clock_ns=time.perf_counter_ns, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """500 frames as they should be, then 900 in winter light."""
    x0, y0 = digit_frames(500, seed=1)
    x1, y1 = digit_frames(900, seed=2, corruption=winter_light)
    path = tmp_path_factory.mktemp("frames") / "frames.npz"
    return write_recording(path, np.concatenate([x0, x1]), np.concatenate([y0, y1]), rate_hz=20.0)


@pytest.mark.runtime
def test_a_drift_is_alarmed_confirmed_and_asked_for_once(bundle: Bundle, drifting: Path) -> None:
    report = run(bundle, drifting)

    assert len(report.predictions) == 1400
    assert 500 <= report.alarms[0].position < 600
    (request,) = report.requests
    assert request.reason == "drift"
    assert 900 <= request.frame <= 1399  # two verdicts of 200 independent frames after the alarm
    assert request.signal is not None


def test_a_stream_that_stays_as_it_was_is_left_alone(bundle: Bundle, tmp_path: Path) -> None:
    frames, labels = digit_frames(3000, seed=9)

    report = run(bundle, write_recording(tmp_path / "calm.npz", frames, labels))

    assert (report.alarms, report.requests) == ([], [])
    assert report.accuracy is not None
    assert report.accuracy > 0.93


def test_a_device_that_differs_from_the_start_is_told_so_and_asks_when_commissioning_ends(
    bundle: Bundle, tmp_path: Path
) -> None:
    frames, _ = digit_frames(2000, seed=4, corruption=winter_light)

    report = run(bundle, write_recording(tmp_path / "cold.npz", frames))

    assert report.alarms[0].position < 400
    assert report.on_arrival
    (request,) = report.requests
    assert report.commissioned_at is not None
    assert 500 <= report.commissioned_at <= request.frame


def test_requests_are_held_and_alarms_are_not_while_commissioning(bundle: Bundle, drifting: Path) -> None:
    report = run(bundle, drifting, drift=DriftConfig())  # hours: 24

    assert report.alarms
    assert report.requests == []
    assert report.commissioned_at is None
    assert report.waits_for == "commissioning"
    assert "commissioning did not end: requests were held" in summary(report)


def test_states_come_in_order_with_their_times(bundle: Bundle, drifting: Path) -> None:
    report = run(bundle, drifting)

    assert [turn.state for turn in report.states] == ["suspect", "confirmed", "requested"]
    assert [turn.at_s for turn in report.states] == [turn.frame / 20 for turn in report.states]
    assert report.states[-1].frame == report.requests[0].frame


def test_verdicts_cover_the_stream_and_are_held_against_its_labels(bundle: Bundle, drifting: Path) -> None:
    report = run(bundle, drifting)

    positions = [each.verdict.position for each in report.verdicts]
    assert positions == sorted(positions)
    assert all(each.accuracy is not None for each in report.verdicts)
    before, after = report.verdicts[0], report.verdicts[-1]
    assert (before.accuracy or 0) - (after.accuracy or 0) > 0.2
    assert max(before.verdict.effects.values()) < 0.2 < max(after.verdict.effects.values())


def test_a_larger_budget_of_false_alarms_is_an_earlier_alarm(bundle: Bundle, drifting: Path) -> None:
    commissioning = CommissioningConfig(hours=0)
    careful, hasty = (
        run(bundle, drifting, drift=DriftConfig(commissioning=commissioning, false_alarms_per_month=budget))
        for budget in (0.001, 10_000)
    )

    assert hasty.alarms[0].position < careful.alarms[0].position


def test_feedback_of_a_share_of_the_labels_is_counted_and_judged(bundle: Bundle, drifting: Path) -> None:
    none, some = (run(bundle, drifting, feedback=share) for share in (0.0, 0.5))

    assert none.fed_back == 0
    assert 600 < some.fed_back < 800
    assert none.verdicts[-1].verdict.labelled_accuracy is None
    told, true = some.verdicts[-1].verdict.labelled_accuracy, some.verdicts[-1].accuracy
    assert told is not None
    assert true is not None
    assert told == pytest.approx(true, abs=0.15)


def test_whoever_looks_on_is_told_of_the_progress_to_the_end(bundle: Bundle, drifting: Path) -> None:
    seen: list[tuple[int, int]] = []

    run(bundle, drifting, progress=lambda done, total: seen.append((done, total)))

    assert seen[-1] == (1400, 1400)
    assert len(seen) > 1


def test_ids_follow_from_the_seed_and_nothing_else(bundle: Bundle, drifting: Path) -> None:
    first, again, other = (run(bundle, drifting, seed=seed).requests[0].id for seed in (1, 1, 2))

    assert first == again != other


def test_the_document_has_exactly_the_promised_fields(bundle: Bundle, drifting: Path) -> None:
    document = run(bundle, drifting).to_json()

    assert set(document) == {
        *("n", "predictions", "alarms", "states", "verdicts", "requests", "drift"),
        *("accuracy", "labelled", "fed_back", "stage_us"),
    }
    parsed = json.loads(json.dumps(document, allow_nan=False))
    assert parsed["n"] == len(parsed["predictions"]) == 1400
    assert set(parsed["alarms"][0]) == {"frame", "signal", "detector"}
    assert set(parsed["states"][0]) == {"frame", "at_s", "state", "signal", "detector", "effect"}
    assert set(parsed["requests"][0]) == {"frame", "id", "reason", "signal"}
    assert parsed["drift"]["rate_hz"] == pytest.approx(20)
    assert {"effects", "attribution", "estimated_accuracy", "accuracy", "level"} <= set(parsed["verdicts"][0])
    assert set(parsed["stage_us"]) == {"preprocess", "infer", "drift"}
    assert all(time_us > 0 for time_us in parsed["stage_us"].values())


def test_frames_with_nan_are_null_and_counted(bundle: Bundle, tmp_path: Path) -> None:
    frames = digit_frames(10)[0].astype(np.float32)
    frames[3, 2, 2] = np.nan
    path = write_recording(tmp_path / "frames.npz", frames)

    report = run(bundle, path)

    assert [i for i, predicted in enumerate(report.predictions) if predicted is None] == [3]
    assert sum(report.refused.values()) == 1


def test_pixels_that_were_kept_as_floats_are_the_same_pixels(bundle: Bundle, tmp_path: Path) -> None:
    frames = digit_frames(10)[0]
    kept = run(bundle, write_recording(tmp_path / "kept.npz", frames))

    floats = run(bundle, write_recording(tmp_path / "floats.npz", frames[..., np.newaxis].astype(np.float64)))

    assert floats.predictions == kept.predictions
    assert None not in floats.predictions


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (np.zeros((5, 28, 28), np.uint8), r"found frames of shape \(28, 28\), expected \(8, 8\)"),
        (np.full((5, 8, 8), 0.5), "found float64 frames with values that uint8 does not have"),
        (np.full((5, 8, 8), np.nan, np.float32), "found float32 frames"),
    ],
)
def test_a_recording_of_which_the_model_can_take_nothing_is_refused(
    bundle: Bundle, tmp_path: Path, frames: NDArray[Any], expected: str
) -> None:
    with pytest.raises(SourceError, match=rf"frames\.npz: {expected}"):
        run(bundle, write_recording(tmp_path / "frames.npz", frames))


def test_labels_that_are_not_known_do_not_count(bundle: Bundle, tmp_path: Path) -> None:
    frames, labels = digit_frames(50, seed=5)
    labels[10:] = -1

    report = run(bundle, write_recording(tmp_path / "frames.npz", frames, labels))

    assert report.labelled == 10


def test_another_artifact_can_be_asked_for(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", float_artifact=True)
    frames = write_recording(tmp_path / "frames.npz", digit_frames(20)[0])

    assert run(bundle, frames).artifact == INT8
    assert run(bundle, frames, artifact=FLOAT).artifact == FLOAT


def test_the_cooldown_runs_on_the_time_of_the_frames(bundle: Bundle, tmp_path: Path) -> None:
    calm, drifted = digit_frames(1600, seed=1)[0], digit_frames(1000, seed=2, corruption=winter_light)[0]
    path = write_recording(tmp_path / "frames.npz", np.concatenate([calm[:600], drifted, calm, drifted]))

    fast, slow = run(bundle, path, rate_hz=100.0), run(bundle, path, rate_hz=0.001)

    assert (len(fast.requests), len(slow.requests)) == (1, 2)


def test_a_missing_recording_is_an_error_of_the_source(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.npz"):
        run(bundle, tmp_path / "none.npz")


def test_a_missing_bundle_is_an_error_of_the_bundle(drifting: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        run(tmp_path, drifting)


def test_an_artifact_that_is_not_there_is_an_error_with_the_known_names(bundle: Bundle, drifting: Path) -> None:
    with pytest.raises((BundleError, EngineError), match="tflite-int8"):
        run(bundle, drifting, artifact="spiking")


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_no_rate_is_refused(bundle: Bundle, drifting: Path, rate_hz: float) -> None:
    with pytest.raises(ConfigError, match="--rate-hz"):
        run(bundle, drifting, rate_hz=rate_hz)


def command(*words: str) -> str:
    parser = argparse.ArgumentParser()
    replay_command.add_arguments(parser)
    return replay_command.run(parser.parse_args(words))


def test_the_command_prints_one_document_or_a_summary(bundle: Bundle, drifting: Path) -> None:
    document = command(str(bundle.directory), str(drifting), "--json", "--seed", "3", "--rate-hz", "5")
    said = command(str(bundle.directory), str(drifting))

    assert json.loads(document)["n"] == 1400
    assert "accuracy" in said
    assert "requests     1" in said
    assert "1400 frames through tflite-int8" in said
    assert "what happened" in said


def test_the_command_takes_settings_from_agent_yaml_and_options_go_before_it(
    bundle: Bundle, drifting: Path, tmp_path: Path
) -> None:
    config = tmp_path / "agent.yaml"
    config.write_text("id: pi-1\nmodel: digits\nstate_dir: state\ndrift: {false_alarms_per_month: 5}\n")
    words = (str(bundle.directory), str(drifting), "--json", "--config", str(config))

    as_configured, changed = (
        json.loads(command(*words, *more))
        for more in ((), ("--commissioning-hours", "0", "--false-alarms-per-month", "7"))
    )

    assert as_configured["requests"] == []  # hours: 24
    assert as_configured["drift"]["false_alarms_per_month"] == 5
    assert len(changed["requests"]) == 1
    assert changed["drift"]["false_alarms_per_month"] == 7


@pytest.mark.parametrize("option", ["--false-alarms-per-month", "--dead-band", "--commissioning-hours"])
@pytest.mark.parametrize("value", ["-1", "nan"])
def test_a_setting_out_of_its_bounds_is_named_by_its_option(
    bundle: Bundle, drifting: Path, option: str, value: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{option}: found {value}.*, expected"):
        command(str(bundle.directory), str(drifting), option, value)


def test_the_command_draws_the_replay(bundle: Bundle, drifting: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    command(str(bundle.directory), str(drifting), "--plot", str(tmp_path / "drift.png"))

    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")


def test_bad_input_to_the_command_is_one_sentence(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "frames.npz").write_bytes(b"not a zip")

    with pytest.raises(AgentError) as raised:
        command(str(bundle.directory), str(tmp_path / "frames.npz"))

    assert "\n" not in str(raised.value)
