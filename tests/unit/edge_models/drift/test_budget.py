"""Thresholds from a budget, and the time a source takes to say something new."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_models.drift import SHARES, integrated_time, thin_of, threshold


def test_the_shares_of_all_detectors_keep_the_budget_together() -> None:
    frames = 1e7
    alarms = sum(frames / threshold(5.0, 4, 2.0, share) for share in SHARES.values())

    assert alarms == pytest.approx(frames / threshold(5.0, 4, 2.0))
    assert sum(SHARES.values()) == pytest.approx(1.0)


def test_a_threshold_is_never_below_one() -> None:
    assert threshold(1e-4, 1000, 10_000) == 1.0


@pytest.mark.parametrize("arguments", [(0.0, 1, 1.0, 1.0), (1.0, 0, 1.0, 1.0), (1.0, 1, 0.0, 1.0), (1.0, 1, 1.0, 1.5)])
def test_a_budget_that_makes_no_sense_is_refused(arguments: tuple[float, int, float, float]) -> None:
    with pytest.raises(ValueError, match="expected numbers above 0"):
        threshold(*arguments)


def test_independent_frames_are_not_thinned() -> None:
    u = np.random.default_rng(0).random((2000, 30))

    tau = integrated_time(u)

    assert (tau >= 1).all()
    assert thin_of(tau) == 1


@pytest.mark.parametrize("phi", [0.5, 0.9])
def test_the_time_of_an_autoregressive_source_is_the_known_one(phi: float) -> None:
    rng, x = np.random.default_rng(1), np.zeros((20_000, 5))
    for t in range(1, len(x)):
        x[t] = phi * x[t - 1] + rng.normal(size=5)

    tau = integrated_time(x)

    assert np.median(tau) == pytest.approx((1 + phi) / (1 - phi), rel=0.15)


def test_held_scenes_are_thinned_to_more_than_a_scene() -> None:
    rng = np.random.default_rng(2)
    u = np.repeat(rng.random((300, 9)), rng.geometric(0.1, 300), axis=0)[:2000]

    assert 15 <= thin_of(integrated_time(u)) <= 32  # a geometric length of 10 has a time of 19


def test_constant_columns_and_those_with_gaps_say_nothing() -> None:
    u = np.random.default_rng(3).random((500, 3))
    u[:, 0], u[7, 1] = 0.5, np.nan

    tau = integrated_time(u)

    assert np.isnan(tau).tolist() == [True, True, False]
    assert thin_of(tau[:2]) == 1
    assert math.isnan(integrated_time(u[:10])[2])  # ten frames are too few
