"""One River detector for each signal: no false alarms, short delays, a shared budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.worker.drift.per_signal import ERROR_SIGNAL, WARM_UP_FRAMES, PerSignal, shared_budget
from agent.worker.drift.port import Alarm
from agent.worker.drift.registry import Watched, build_detectors
from agent.worker.errors import DetectorError
from tests.factories.frames import winter_light
from tests.unit.agent_worker.signals import input_signal_stream

ADWIN = ({"name": "adwin", "delta": 0.002},)


def alarms(watched: Watched, values: NDArray[np.float64], items: Sequence[dict[str, object]] = ADWIN) -> list[Alarm]:
    detectors = build_detectors(items, watched)
    found: list[Alarm] = []
    for position, row in enumerate(values.tolist()):
        signals = dict(zip(watched.signals, row, strict=True))
        found += [alarm for detector in detectors for alarm in detector.update(signals, None, position)]
    return found


def test_forty_thousand_independent_frames_with_natural_jitter_give_no_alarm(watched: Watched) -> None:
    streams = [input_signal_stream(20_000, seed=seed) for seed in (101, 102)]

    assert [alarms(watched, values) for values in streams] == [[], []]


def test_without_a_profile_independent_frames_give_no_alarm_either(watched: Watched) -> None:
    unprofiled = Watched(signals=watched.signals, edges={})

    assert alarms(unprofiled, input_signal_stream(20_000, seed=103)) == []


def test_a_strong_shift_alarms_within_100_frames(watched: Watched) -> None:
    for seed in range(5):
        before = input_signal_stream(1000 + 37 * seed, seed=200 + seed)
        after = input_signal_stream(200, seed=300 + seed, corruption=winter_light)

        found = alarms(watched, np.concatenate([before, after]))

        assert found, f"seed {seed}: no alarm"
        assert 0 <= found[0].position - len(before) < 100


def test_a_shift_right_after_the_warm_up_is_found(watched: Watched) -> None:
    before = input_signal_stream(WARM_UP_FRAMES, seed=1)
    after = input_signal_stream(300, seed=2, corruption=winter_light)

    assert alarms(watched, np.concatenate([before, after]))


def test_an_alarm_names_signal_detector_and_value(watched: Watched) -> None:
    before, after = input_signal_stream(500, seed=4), input_signal_stream(300, seed=5, corruption=winter_light)
    values = np.concatenate([before, after])

    first = alarms(watched, values)[0]

    assert first.detector == "adwin"
    assert first.value == values[first.position, watched.signals.index(first.signal)]


@pytest.mark.parametrize(("name", "parameter"), [("adwin", "delta"), ("kswin", "alpha")])
def test_the_probability_of_a_false_alarm_is_shared_between_signals(name: str, parameter: str) -> None:
    assert shared_budget(name, {parameter: 0.002}, signals=4) == {parameter: 0.0005}


@pytest.mark.parametrize("spelling", ["adwin", "ADWIN"])
def test_a_detector_gets_its_share_of_rivers_default_when_nothing_is_said(spelling: str) -> None:
    bank = PerSignal(spelling, signals=("a", "b", "c", "d"), scale=None)

    assert {getattr(river, "delta", None) for river in bank._detectors.values()} == {0.0005}


def test_nothing_alarms_during_the_warm_up() -> None:
    bank = PerSignal("adwin", signals=("a",), scale=None, warm_up=100)

    found = [alarm for i in range(100) for alarm in bank.update({"a": float(i >= 50)}, None, i)]

    assert found == []


def test_values_that_are_no_finite_numbers_and_unknown_signals_are_left_out() -> None:
    bank = PerSignal("adwin", signals=("a",), scale=None)

    for i in range(300):
        assert bank.update({"a": float("nan") if i % 2 else 0.5, "b": float(i)}, None, i) == []


def test_a_reset_forgets_what_was_learnt() -> None:
    bank = PerSignal("adwin", signals=("a",), scale=None)
    for i in range(500):
        bank.update({"a": 0.0}, None, i)

    bank.reset()

    assert [bank.update({"a": 1.0}, None, i) for i in range(500)] == [[]] * 500


def test_a_detector_of_errors_watches_feedback_and_nothing_else(watched: Watched) -> None:
    (bank,) = build_detectors([{"name": "ddm"}], watched)
    rng = np.random.default_rng(0)

    before = [alarm for i in range(500) for alarm in bank.update({ERROR_SIGNAL: float(rng.random() < 0.05)}, None, i)]
    after = [alarm for i in range(200) for alarm in bank.update({ERROR_SIGNAL: float(rng.random() < 0.6)}, None, i)]

    assert before == []
    assert after[0].signal == ERROR_SIGNAL


def test_any_detector_of_river_can_be_named_with_its_parameters(watched: Watched) -> None:
    items: list[dict[str, object]] = [{"name": "page_hinkley", "threshold": 5.0, "signals": ["mean"]}]
    before, after = input_signal_stream(300, seed=6), input_signal_stream(300, seed=7, corruption=winter_light)

    found = alarms(watched, np.concatenate([before, after]), items)

    assert {(alarm.detector, alarm.signal) for alarm in found} == {("page_hinkley", "mean")}


def test_a_signal_that_the_model_does_not_have_is_refused(watched: Watched) -> None:
    with pytest.raises(DetectorError, match=r"adwin: found signals \['colour'\], expected some of mean, std"):
        build_detectors([{"name": "adwin", "signals": ["colour"]}], watched)


def test_a_detector_without_a_name_is_refused(watched: Watched) -> None:
    with pytest.raises(DetectorError, match="expected an item with a name"):
        build_detectors([{"delta": 0.1}], watched)


@pytest.mark.parametrize("delta", [7, 0, -0.1, True, "small"])
def test_a_false_alarm_rate_that_is_no_probability_is_refused(delta: object) -> None:
    with pytest.raises(DetectorError, match="between 0 and 1"):
        PerSignal("adwin", signals=("mean",), scale=None, parameters={"delta": delta})
