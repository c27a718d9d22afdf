"""Columns and bets of one frame are those of a batch, and of the profile."""

from __future__ import annotations

import math

import numpy as np
import pytest

from edge_models.drift import HEALTH, Bets, Columns
from edge_models.profile import Profile, build_profile
from tests.unit.edge_models.drift.references import day_and_night, frames, reference


@pytest.mark.parametrize("profile", [reference(), day_and_night()], ids=["one context", "two contexts"])
def test_a_single_frame_has_the_columns_and_ranks_of_a_batch(profile: Profile) -> None:
    values, _ = frames(np.random.default_rng(1), 300)
    values[:20] *= 50
    values[20] = [1e300, -1e300, 1e38]
    columns = Columns(profile)

    batch = columns.batch(values)

    for row, expected in zip(values, batch, strict=True):
        single = columns.of(row)
        np.testing.assert_allclose(single, expected, rtol=2e-3, atol=2e-3)  # one step of float16
        np.testing.assert_allclose(columns.ranks(expected), profile.ranks(expected), atol=2e-6)
        for one, many in zip(columns.tails(expected), columns.tails(expected[None]), strict=True):
            np.testing.assert_array_equal(one, many[0])


def test_a_tied_value_has_the_middle_rank_of_its_edges() -> None:
    columns = Columns(reference())
    tied = columns.of(np.array([0.0, 0.0, 1.0]))
    below = columns.of(np.array([0.0, 0.0, 0.999]))

    share = float(columns.ranks(tied)[2])

    assert 0.3 < float(columns.ranks(below)[2]) < share < 1.0
    assert share == pytest.approx(0.65, abs=0.03)  # 30 % lie below, 70 % are equal


def test_a_constant_signal_is_tied_in_spite_of_the_last_digits_of_a_float() -> None:
    rng = np.random.default_rng(0)
    values = np.stack([rng.normal(size=500), np.full(500, 0.7)], axis=1)
    columns = Columns(build_profile(("level", "gain"), values, None, 0))

    ranks = [float(columns.ranks(columns.of(np.array([0.0, 0.7 * (1 + e)])))[1]) for e in (-3e-7, 0.0, 3e-7, 0.1, -0.1)]

    assert ranks == [0.5, 0.5, 0.5, 1.0, 0.0]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_known_neither_of_its_signal_nor_of_what_depends_on_it(bad: float) -> None:
    values = np.array([0.5, bad, 1.0])
    columns = Columns(reference())

    single, batch = columns.of(values), columns.batch(values[None])[0]

    np.testing.assert_array_equal(np.isnan(single), [False, True, False, True, True, True, True])
    np.testing.assert_array_equal(np.isnan(batch), np.isnan(single))


def test_bets_of_a_frame_are_those_of_a_batch() -> None:
    values, predicted = frames(np.random.default_rng(2), 200)
    values[3, 1] = np.nan
    bets = Bets(reference())
    columns = bets.columns.batch(values)
    health = np.random.default_rng(0).random((200, len(HEALTH))) < 0.5

    batch = bets.batch(columns, predicted, health)

    assert len(bets.names) == batch.shape[1] == len(bets.bound) == bets.stakes.shape[1]
    for i in range(200):
        np.testing.assert_allclose(bets.of(columns[i], int(predicted[i]), tuple(health[i])), batch[i], atol=2e-6)
    assert batch.min() >= 0
    assert batch.max() <= 1


def test_what_is_not_known_neither_wins_nor_loses() -> None:
    bets = Bets(reference())

    refused = bets.of(None, None, (True, False)).copy()

    flags = len(HEALTH)
    np.testing.assert_array_equal(refused[:-flags], bets.bound[:-flags])
    assert refused[-flags:].tolist() == [1.0, 0.0]


def test_rare_classes_of_many_have_no_bets_of_their_own() -> None:
    rng = np.random.default_rng(0)
    predicted = np.concatenate([np.repeat(np.arange(40, 72), 20), np.arange(40)])
    values = rng.normal(size=(len(predicted), 1))
    bets = Bets(build_profile(("level",), values, predicted, 100))

    g = bets.of(bets.columns.of(values[0]), 5)

    assert bets.classes.tolist() == list(range(40, 72))
    more = [g[i] for i, name in enumerate(bets.names) if name.kind == "more"]
    less = [g[i] for i, name in enumerate(bets.names) if name.kind == "less"]
    assert (sum(more), sum(less)) == (0, 32)
