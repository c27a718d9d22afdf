"""Which frames count as independent of each other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.worker.drift.thinning import REMEASURE_S, Thinning


def thinning(frames: int = 2000) -> Thinning:
    return Thinning(frames=frames, ranks_of=lambda values: values)


def fed(measured: Thinning, values: NDArray[np.float64], *, from_s: float = 0.0) -> list[int]:
    """Frames after which there was another estimate."""
    return [i + 1 for i, row in enumerate(values) if measured.collect(row, from_s + i / 10)]


def scenes(n: int, held: int, *, seed: int = 0) -> NDArray[np.float64]:
    """Ranks (n, 5) of scenes that last a geometric number of frames."""
    rng = np.random.default_rng(seed)
    which = np.cumsum(rng.random(n) < 1 / held)
    return rng.random((n, 5))[which] * 0.9 + 0.1 * rng.random((n, 5))


def test_independent_frames_all_count() -> None:
    measured = thinning()

    assert fed(measured, np.random.default_rng(0).random((2000, 5))) == [256]
    assert (measured.thin, measured.commissioned) == (1, 1)


def test_a_first_estimate_comes_early_and_better_ones_follow() -> None:
    measured = thinning()

    changes = fed(measured, scenes(2000, 10))

    assert changes[0] == 256
    assert set(changes) <= {256, 512, 1024, 2000}
    assert 14 <= measured.thin <= 32  # scenes of 10 frames on average have a correlation time of 19


@pytest.mark.parametrize("at", [300, 1000, 1500])
def test_a_change_in_the_middle_is_no_correlation(at: int) -> None:
    values = np.random.default_rng(0).random((2000, 5))
    values[at:] = 0.5 + values[at:] / 2
    measured = thinning()

    fed(measured, values)

    assert measured.thin == 1


def test_the_next_day_is_measured_anew_and_never_goes_below_the_commissioned_figure() -> None:
    measured = thinning(frames=1000)
    fed(measured, scenes(1000, 10))
    first = measured.thin

    fed(measured, np.random.default_rng(1).random((1000, 5)), from_s=100 + REMEASURE_S)
    assert measured.thin == measured.commissioned == first

    fed(measured, scenes(1000, 40, seed=2), from_s=200 + 2 * REMEASURE_S + 100)
    assert first < measured.thin <= 2 * first  # at most twice as much a day


def test_between_measurements_nothing_is_kept() -> None:
    measured = thinning(frames=300)
    fed(measured, scenes(300, 10))
    before = measured.thin

    assert fed(measured, np.random.default_rng(1).random((1000, 5)), from_s=40.0) == []
    assert measured.thin == before


def test_a_later_worker_takes_over_what_was_measured() -> None:
    measured = thinning()
    measured.restore(12, 9, 50.0)

    assert (measured.thin, measured.commissioned, measured.is_known) == (12, 9, True)
    assert fed(measured, scenes(400, 30), from_s=50.0) == []


def test_a_measurement_that_was_cut_short_begins_again() -> None:
    measured = thinning()
    measured.restore(7, None, 50.0)

    assert not measured.is_known
    assert fed(measured, np.random.default_rng(0).random((256, 5)), from_s=50.0) == [256]
