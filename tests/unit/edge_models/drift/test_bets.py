"""No bet wins on average while nothing is wrong."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_models.drift import Bets
from edge_models.drift.bets import wilson_upper
from tests.unit.edge_models.drift.references import day_and_night, frames, reference

BETS = Bets(reference())


def _payoff(mean: NDArray[np.float64], bets: Bets) -> NDArray[np.float64]:
    """What each bet pays on average when its function has this mean; a bet is linear, so nothing else counts."""
    return 1 + bets.stakes.astype(np.float64) * (mean - bets.bound.astype(np.float64))


def test_the_reference_itself_stays_below_every_bound() -> None:
    values, predicted = frames(np.random.default_rng(0), 2000)  # the very frames of the reference

    mean = BETS.batch(BETS.columns.batch(values), predicted).mean(axis=0, dtype=np.float64)

    assert (mean < BETS.bound).all()
    assert (_payoff(mean, BETS)[BETS.stakes > 0] < 1).all()


def test_a_shift_inside_the_dead_band_wins_nothing() -> None:
    profile, band = reference(), 0.1
    bets = Bets(profile, None, band)
    context = profile.contexts[0]
    j = len(context.u_mean)
    shifted = context.u_mean + band * context.u_std

    assert (shifted <= bets.bound[:j]).all()
    assert (1 - context.u_mean + band * context.u_std <= bets.bound[j : 2 * j]).all()


@settings(max_examples=60, deadline=None)
@given(
    support=st.lists(st.floats(0, 1), min_size=1, max_size=5),
    weights=st.lists(st.floats(0.01, 1), min_size=5, max_size=5),
    pick=st.integers(0, len(BETS.names) - 1),
)
def test_every_discrete_null_inside_the_bound_pays_at_most_one(
    support: list[float], weights: list[float], pick: int
) -> None:
    """Any distribution of g whose mean is scaled down to the bound, in exact arithmetic on what float32 stores."""
    share = np.array(weights[: len(support)]) / sum(weights[: len(support)])
    points = np.array(support)
    bound = float(BETS.bound[pick])
    mean = float(points @ share)
    if mean > bound:
        points = points * (bound / mean)

    pays = 1 + BETS.stakes[:, pick].astype(np.float64)[:, None] * (points - bound)

    assert (pays >= 0.0499).all()
    assert (pays @ share <= 1 + 1e-12).all()


def test_the_bounds_allow_for_what_float32_rounds_up() -> None:
    """One update in float32, averaged over nulls at the bound without its allowance, is 1 at most."""
    rng = np.random.default_rng(0)
    stakes, bound = BETS.stakes, BETS.bound
    honest = bound.astype(np.float64) - 4e-6  # what the mean may be, before the allowance
    sums = rng.uniform(0.05, 1e6, (400, *stakes.shape)).astype(np.float32)
    pays = []
    for g in (np.zeros_like(bound), np.ones_like(bound)):  # a null of two points, one with probability ``honest``
        factors = stakes * (g - bound)
        factors += 1
        pays.append(((sums + 1) * factors).astype(np.float64) / (sums.astype(np.float64) + 1))

    mean = pays[0] * (1 - honest) + pays[1] * honest

    assert mean.max() <= 1


def test_frames_of_any_context_in_any_order_stay_below_the_bounds() -> None:
    profile = day_and_night()
    bets, rng = Bets(profile), np.random.default_rng(3)
    values = [frames(rng, 2000, shift) for shift in (0.0, 3.0)]

    for part, predicted in values:
        mean = bets.batch(bets.columns.batch(part), predicted).mean(axis=0, dtype=np.float64)
        assert (mean < bets.bound).all()


def test_a_learnt_context_only_raises_bounds() -> None:
    profile = reference()
    shifted = dataclasses.replace(profile.contexts[0], name="night", n=400, u_mean=np.full(7, 0.8, np.float32))

    more = Bets(profile, (*profile.contexts, shifted))

    assert (more.bound >= BETS.bound).all()
    assert (more.bound[:7] > 0.8).all()


def test_stakes_never_risk_all_and_stop_where_nothing_can_be_won() -> None:
    context = dataclasses.replace(reference().contexts[0], high=np.ones(7, np.float32))

    bets = Bets(reference(), (context,))

    assert (bets.stakes * bets.bound <= 0.9501).all()
    dead = np.array([name.kind == "high" for name in bets.names])
    assert (bets.stakes[:, dead] == 0).all()


@pytest.mark.parametrize("n", [100, 2000])
def test_wilsons_interval_holds_what_a_binomial_can_hide(n: int) -> None:
    """The chance that n frames show no more than they did is tiny at the upper end, for none seen as well."""
    for seen in (0, 1, n // 10):
        upper = float(wilson_upper(np.array(seen / n), n))
        chances = [math.comb(n, i) * upper**i * (1 - upper) ** (n - i) for i in range(seen + 1)]

        assert sum(chances) < 0.001


@pytest.mark.parametrize("band", [-0.1, float("nan")])
def test_a_dead_band_that_is_none_is_refused(band: float) -> None:
    with pytest.raises(ValueError, match="dead band"):
        Bets(reference(), None, band)
