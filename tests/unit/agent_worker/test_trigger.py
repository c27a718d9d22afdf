"""What watches a stream against its profile, on made-up signals."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from agent.config import CommissioningConfig, DriftConfig
from agent.worker.errors import DetectorError
from agent.worker.pipeline import PipelineResult
from edge_models.profile import build_profile
from tests.unit.agent_worker.watched_stream import CLASSES, QUICK, SIGNALS, Played, normal, reference


def test_a_stream_like_the_reference_raises_no_alarm_and_has_no_effect() -> None:
    played = Played().play(normal(1500, seed=1))

    assert played.alarms == []
    assert [verdict.n_effective for verdict in played.verdicts] == [200] * 7
    assert max(max(verdict.effects.values()) for verdict in played.verdicts) < 0.17
    assert all(verdict.context == "reference" for verdict in played.verdicts)


@pytest.mark.parametrize("signal", SIGNALS)
def test_a_shift_is_alarmed_within_a_hundred_frames_under_the_name_of_its_signal(signal: str) -> None:
    played = Played().play(normal(600, seed=1)).play(normal(100, seed=2, shift=1.0, signal=signal))

    assert played.named[0] == ("e_bank", signal)
    assert 600 <= played.alarms[0].position < 700


def test_a_verdict_is_wholly_of_after_the_first_alarm_and_tells_how_far_since_when_and_which_way() -> None:
    played = Played().play(normal(650, seed=1)).play(normal(600, seed=2, shift=-1.5))

    first = next(verdict for verdict in played.verdicts if verdict.start > played.alarms[0].position)
    assert first.start == played.alarms[0].position + 1
    assert max(first.effects, key=lambda name: first.effects[name]) == "light"
    assert first.effects["light"] > 0.4
    assert first.signature["light"] < -0.5
    assert next(iter(first.attribution)) == "light"
    assert sum(first.attribution.values()) == pytest.approx(1, abs=0.01)
    assert first.changed_at is not None
    assert abs(first.changed_at - 650) < 30


def test_a_device_that_never_was_like_the_reference_says_so_on_arrival() -> None:
    played = Played().play(normal(400, seed=1, shift=1.0))

    assert played.named[0] == ("arrival", "light")


def test_after_the_first_verdict_a_change_is_no_arrival() -> None:
    played = Played().play(normal(520, seed=1)).play(normal(200, seed=2, shift=1.0))

    assert played.named[0][0] == "e_bank"


def test_a_detector_alarms_once_in_a_verdict_while_the_drift_lasts() -> None:
    played = Played().play(normal(600, seed=1)).play(normal(1000, seed=2, shift=2.0))

    assert 2 <= len([name for name, _ in played.named if name == "e_bank"]) <= len(played.verdicts)


def test_more_of_one_class_is_alarmed_by_the_class_prior() -> None:
    played = Played(DriftConfig(detectors=({"name": "class_prior"},), commissioning=QUICK.commissioning))
    played.play(normal(600, seed=1))
    for row in normal(600, seed=2):
        played.step(np.random.default_rng(played.position).normal(size=4), PipelineResult(predicted=2, signals=row))

    assert ("class_prior", "class_2") in played.named
    assert played.verdicts[-1].class_effect is not None
    assert played.verdicts[-1].class_effect > 0.3


def test_frames_of_held_scenes_are_thinned_and_raise_no_alarm() -> None:
    scenes = np.repeat(normal(500, seed=3), 10, axis=0) + 0.05 * np.random.default_rng(1).normal(size=(5000, 3))
    played = Played(dataclasses.replace(QUICK, commissioning=CommissioningConfig(hours=0, decorrelation_frames=2000)))

    played.play(scenes)

    assert played.alarms == []
    assert 10 <= played.trigger.thin <= 30
    assert {verdict.n_effective for verdict in played.verdicts} == {200}
    assert played.verdicts[0].n > 1500


def test_commissioning_is_over_after_enough_frames_and_enough_time() -> None:
    config = DriftConfig(commissioning=CommissioningConfig(hours=0.02, n_effective=300, decorrelation_frames=256))
    played = Played(config).play(normal(600, seed=1))
    early = played.trigger.is_commissioned

    played.play(normal(200, seed=2))

    assert (early, played.trigger.is_commissioned) == (False, True)
    assert [verdict.commissioned for verdict in played.verdicts] == [False, False, False, True]


def test_refused_frames_are_counted_and_alarmed_as_such() -> None:
    played = Played().play(normal(600, seed=1)).refuse(300)

    assert played.named[0] == ("e_bank", "refused")
    assert played.verdicts[-1].faults["refused"] >= 200
    assert played.verdicts[-1].faults["nan"] >= 200


def test_a_stream_of_nothing_but_refused_frames_is_alarmed_too() -> None:
    played = Played().refuse(1200)

    assert played.named[0] == ("arrival", "refused")
    assert played.verdicts[0].n_effective == 0


def test_a_signal_far_beyond_the_reference_is_counted_as_out_of_range() -> None:
    played = Played().play(normal(600, seed=1)).play(normal(250, seed=2, shift=40.0))

    assert played.verdicts[-1].faults["out_of_range"] >= 100
    assert ("e_bank", "light") in played.named or ("e_bank", "out_of_range") in played.named


def test_a_camera_that_froze_is_named_so() -> None:
    played = Played().play(normal(600, seed=1)).play(np.tile(normal(1, seed=5), (200, 1)), same=True)

    assert played.named[0] == ("e_bank", "repeated")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_signals_that_are_no_numbers_never_stop_the_stream(value: float) -> None:
    values = normal(1000, seed=1)
    values[500:, 1] = value
    played = Played().play(values)

    assert played.verdicts[-1].position > 700
    assert all(0 <= effect <= 1 for verdict in played.verdicts for effect in verdict.effects.values())


def test_errors_that_labels_show_are_alarmed_and_counted() -> None:
    truth = np.random.default_rng(0).integers(0, CLASSES, 4000)
    values = np.random.default_rng(1).normal(size=(4000, 3))
    played = Played(profile=build_profile(SIGNALS, values, truth, CLASSES, truth=truth)).play(normal(600, seed=1))

    alarms = [alarm for _ in range(60) for alarm in played.trigger.on_label(is_right=False, position=600)]
    played.play(normal(200, seed=2))

    assert [(alarm.detector, alarm.signal) for alarm in alarms] == [("error_rate", "error")]
    assert (played.verdicts[-1].labelled, played.verdicts[-1].labelled_accuracy) == (60, 0.0)


def test_a_worker_that_takes_over_goes_on_with_what_was_gathered() -> None:
    before = Played().play(normal(600, seed=1)).play(normal(12, seed=2, shift=1.0))
    assert before.alarms == []

    after = before.restarted().play(normal(60, seed=3, shift=1.0))
    before.play(normal(60, seed=3, shift=1.0))
    fresh = Played()
    fresh.position = 612
    fresh.play(normal(60, seed=3, shift=1.0))

    assert after.trigger.thin == before.trigger.thin
    assert after.trigger.is_commissioned
    assert before.alarms[0].position <= after.alarms[0].position <= before.alarms[0].position + 3
    assert fresh.alarms == []  # still waits for the first estimate


def test_the_state_of_the_largest_profile_takes_at_most_four_kilobytes() -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"signal_{i}" for i in range(25))
    wide = build_profile(names, rng.normal(size=(2000, 25)), rng.integers(0, 12, 2000), 12)
    played = Played(profile=wide)

    for row, label in zip(rng.normal(size=(400, 25)), rng.integers(0, 12, 400).tolist(), strict=True):
        played.step(rng.normal(size=4), PipelineResult(predicted=label, signals=row))

    ((kind, body),) = played.trigger.unsaved(at_once=True)
    assert kind == "trigger"
    assert 1000 < len(body) <= 3072  # the policy's record has the rest of 4096


def test_under_another_profile_only_what_is_known_of_the_site_is_taken_over() -> None:
    scenes = np.repeat(normal(300, seed=3), 4, axis=0) + 0.01 * np.random.default_rng(1).normal(size=(1200, 3))
    before = Played().play(scenes)
    other = build_profile(SIGNALS, normal(3000, seed=8), np.arange(3000) % CLASSES, CLASSES)

    after = before.restarted(profile=other)

    assert after.trigger.thin == before.trigger.thin > 3
    assert after.trigger.is_commissioned == before.trigger.is_commissioned
    assert after.play(normal(2000, seed=9)).alarms == []


@pytest.mark.parametrize("kind", ["trigger", "contexts"])
def test_a_damaged_state_is_passed_over(kind: str) -> None:
    played = Played()
    played.restore([(kind, b"\x00damaged")])

    assert played.play(normal(600, seed=1)).alarms == []


def test_what_an_operator_calls_normal_is_learnt_and_both_are_normal_from_then_on() -> None:
    played = Played().play(normal(600, seed=1)).play(normal(300, seed=2, shift=2.0))
    played.trigger.reset(learn="night")
    played.alarms.clear()

    played.play(normal(450, seed=3, shift=2.0)).play(normal(800, seed=4, shift=2.0)).play(normal(800, seed=5))

    assert played.alarms == []
    assert played.verdicts[-1].context == "reference"
    assert "night" in {verdict.context for verdict in played.verdicts}
    assert [verdict.is_learning for verdict in played.verdicts].count(True) == 1
    kinds = dict(played.trigger.unsaved(at_once=True))
    assert set(kinds) == {"contexts", "trigger"}


def test_a_learnt_context_survives_a_restart_and_a_third_condition_is_still_a_drift() -> None:
    played = Played().play(normal(600, seed=1))
    played.trigger.reset(learn="night")
    played.play(normal(450, seed=3, shift=2.0))

    after = played.restarted().play(normal(600, seed=4, shift=2.0))
    assert after.alarms == []

    after.play(normal(200, seed=5, shift=-2.0))
    assert after.named[0] == ("e_bank", "light")


def test_a_forgotten_context_is_drift_again() -> None:
    played = Played().play(normal(600, seed=1))
    played.trigger.reset(learn="night")
    played.play(normal(450, seed=3, shift=2.0))

    played.trigger.reset(forget=True)

    assert played.play(normal(100, seed=4, shift=2.0)).named[0][1] == "light"
    assert ("contexts", b"") in played.trigger.unsaved()


def test_a_name_that_no_context_may_have_is_passed_over() -> None:
    played = Played().play(normal(600, seed=1))
    played.trigger.reset(learn="../Night")

    assert played.play(normal(450, seed=3, shift=2.0)).alarms


def test_state_is_saved_every_ten_minutes_and_when_something_happened() -> None:
    played = Played().play(normal(400, seed=1))
    assert [kind for kind, _ in played.trigger.unsaved()] == ["trigger"]  # commissioning ended
    assert played.trigger.unsaved() == []

    played.play(normal(5000, seed=2))  # more than eight minutes of frames
    assert played.trigger.unsaved() == []
    played.play(normal(1001, seed=3))
    assert [kind for kind, _ in played.trigger.unsaved()] == ["trigger"]
    assert played.trigger.unsaved() == []

    played.play(normal(60, seed=3, shift=2.0))
    assert played.alarms
    assert [kind for kind, _ in played.trigger.unsaved()] == ["trigger"]


def test_evidence_grows_while_it_is_collected() -> None:
    played = Played()
    played.trigger.collect_evidence(on=True)
    played.play(normal(600, seed=1))
    played.trigger.collect_evidence(on=False)
    played.play(normal(200, seed=2))

    assert [verdict.evidence_n for verdict in played.verdicts] == [200, 400, 600, 0]


@pytest.mark.parametrize("item", [{"name": "e_bank", "delta": 0.1}, {"name": "e_bank", "share": 0}])
def test_parameters_that_an_e_detector_does_not_have_are_refused(item: dict[str, object]) -> None:
    with pytest.raises(DetectorError, match=r"e_bank: found (parameters delta|share 0), expected at most a share"):
        Played(DriftConfig(detectors=(item,)))


def test_a_held_frame_counts_as_the_frame_that_it_repeats() -> None:
    ran, gated = Played(), Played()
    for index, row in enumerate(np.repeat(normal(300, seed=3), 3, axis=0)):
        x = np.random.default_rng(index).normal(size=4)
        ran.step(x, PipelineResult(predicted=1, signals=row))
        gated.step(x, PipelineResult(predicted=1, signals=row, held=index % 3 > 0))

    assert gated.trigger.thin == ran.trigger.thin
    assert [each.effects for each in gated.verdicts] == [each.effects for each in ran.verdicts]


def test_the_reference_is_the_profile_of_the_artifact() -> None:
    assert {verdict.profile for verdict in Played().play(normal(500, seed=1)).verdicts} == {reference().id}
