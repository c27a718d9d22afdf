"""Parts of the benchmark `drift` that decide what its figures mean."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_models.profile import build_profile
from tests.benchmarks.drifts.camera import GAIN_STD, Camera, held_scenes, ramp, slow_light
from tests.benchmarks.drifts.cases import AFTER, BEFORE, Case, Pool, Scenario, Stream
from tests.benchmarks.drifts.contestants import Reference, Windowed, kolmogorov_smirnov, population_stability
from tests.benchmarks.drifts.race import Outcome, detection_rate, median_delay, played
from tests.benchmarks.drifts.shifts import DESIGN, UNSEEN


class AlarmsAt:
    """Alarms at given frames."""

    def __init__(self, *frames: int) -> None:
        self._frames, self._position = frames, -1

    def update(self, values: NDArray[np.float64], predicted: int) -> bool:
        self._position += 1
        return self._position in self._frames

    def reset(self) -> None:
        pass

    def state_bytes(self) -> int:
        return 0


def pool(n: int, level: float = 0.0) -> Pool:
    rng = np.random.default_rng(0)
    return Pool(
        values=rng.normal(level, 1, (n, 4)),
        predicted=np.arange(n) % 3,
        y=np.arange(n) % 3,
        features=np.zeros((n, 0), np.float32),
        logits=np.zeros((n, 0), np.float32),
    )


def case(scenario: Scenario) -> Case:
    known = pool(2000)
    names = ("a", "b", "c", "d")
    return Case(
        name="case",
        group="group",
        scenario=scenario,
        profile=build_profile(names, known.values, known.predicted, 3),
        reference=Reference(names=names, values=known.values, predicted=known.predicted, classes=3),
        null=known,
        drifted=pool(3000, 1.0),
    )


def stream(scenario: Scenario) -> Stream:
    return next(case(scenario).streams(1, seed=1))


def test_no_family_of_shifts_is_in_both_lists() -> None:
    assert not {shift.family for shift in DESIGN} & {shift.family for shift in UNSEEN}


def test_an_alarm_before_the_change_is_false_and_the_first_one_after_it_counts() -> None:
    found = played("one", AlarmsAt(10, BEFORE + 4, BEFORE + 9), stream("sudden"))

    assert (found.false, found.delay, found.frames) == (1, 5, BEFORE + 5)


def test_a_cold_start_has_no_frames_before_the_change() -> None:
    found = played("one", AlarmsAt(0), stream("cold start"))

    assert (found.false, found.delay, found.before) == (0, 1, 0)


def test_every_alarm_is_false_where_nothing_changes() -> None:
    found = played("one", AlarmsAt(10, BEFORE + 4), stream("none"))

    assert (found.false, found.delay, found.before) == (2, None, BEFORE + AFTER)


def test_a_miss_counts_as_the_longest_delay() -> None:
    outcomes = [
        Outcome(contestant="one", case=name, group="g", delay=delay, false=0, before=1, frames=1, cpu_s=0)
        for name, delay in (("a", 10), ("a", 20), ("a", 30), ("b", None))
    ]

    assert (detection_rate(outcomes), median_delay(outcomes)) == (0.75, (20 + AFTER) / 2)


@pytest.mark.parametrize("differs", [kolmogorov_smirnov, population_stability])
def test_a_windowed_test_tells_a_shift_from_none(differs: object) -> None:
    calm, shifted = stream("none").pool, stream("cold start").pool
    tests = [Windowed(case("none").reference, differs) for _ in range(2)]  # type: ignore[arg-type]

    alarms = [
        sum(test.update(values, 0 if k % 3 == 0 else k % 3) for k, values in enumerate(part.values[:1000]))
        for test, part in zip(tests, (calm, shifted), strict=True)
    ]

    assert alarms == [0, 5]


def test_wandering_light_is_as_wide_as_that_of_independent_frames() -> None:
    light = slow_light(200_000, np.random.default_rng(0))

    assert light.mean() == pytest.approx(1, abs=0.01)
    assert light.std() == pytest.approx(GAIN_STD, rel=0.05)
    assert np.corrcoef(light[:-1], light[1:])[0, 1] > 0.95


def test_scenes_stay_for_ten_frames() -> None:
    scene = held_scenes(1000, 50_000, np.random.default_rng(0))

    assert 50_000 / np.count_nonzero(np.diff(scene)) == pytest.approx(10, rel=0.1)


def test_the_camera_adds_nothing_that_moves_the_mean() -> None:
    scenes = np.full((2000, 8, 8), 128, np.uint8)
    scenes[:, [0, -1]] = scenes[:, :, [0, -1]] = 0

    seen = Camera().seen(scenes, np.random.default_rng(0))

    assert seen[:, 2:-2, 2:-2].mean() == pytest.approx(128, abs=1.5)


def test_a_ramp_ends_at_the_whole_shift() -> None:
    x = np.zeros((2, 4, 4), np.float32)
    happens = ramp(lambda images, _: images + 1, np.array([0.0, 1.0], np.float32))

    y = happens(x, np.random.default_rng(0))

    assert (y[0].max(), y[1].min()) == (0.0, 1.0)
