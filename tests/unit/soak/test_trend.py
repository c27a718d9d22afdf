"""A slope is found with how sure it is."""

from __future__ import annotations

import random

import pytest

from tests.soak.trend import trend

HOURS = [hour / 10 for hour in range(200)]


def test_what_stands_still_has_no_slope() -> None:
    assert trend(HOURS, [5.0] * len(HOURS)).slope == 0.0


def test_interval_holds_the_true_slope_of_independent_noise() -> None:
    rng = random.Random(1)

    found = trend(HOURS, [100 + 2 * hour + rng.gauss(0, 3) for hour in HOURS])

    assert found.low < 2 < found.high
    assert found.high - found.low == pytest.approx(4 * 3 / (200**0.5 * 5.77), rel=0.3)


def test_noise_that_wanders_makes_the_interval_wider() -> None:
    rng = random.Random(2)
    wandering, at = [], 0.0
    for _ in HOURS:
        at = 0.9 * at + rng.gauss(0, 1)
        wandering.append(at)
    shuffled = random.Random(3).sample(wandering, len(wandering))

    wide, narrow = trend(HOURS, wandering), trend(HOURS, shuffled)

    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
