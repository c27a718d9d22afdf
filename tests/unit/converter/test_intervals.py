"""Intervals: known answers, properties, and that they cover as often as they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from converter.measure import auc, auc_estimate, wilson
from converter.measure.auc import compare_auc, roc
from converter.measure.proportion import compare_accuracy, paired_drop

Scores = NDArray[Any]
COUNTS = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [  # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(hits: int, n: int, low: float, high: float) -> None:
    found = wilson(hits, n)

    assert [found.low, found.high] == pytest.approx([low, high], abs=5e-5)


@given(COUNTS)
def test_wilson_holds_its_value_has_a_width_and_is_symmetric(counts: tuple[int, int]) -> None:
    hits, n = counts
    found, mirrored = wilson(hits, n), wilson(n - hits, n)

    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high
    assert found.low == pytest.approx(1 - mirrored.high, abs=1e-12)


def test_shares_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="0 hits of 0"):
        wilson(0, 0)
    with pytest.raises(ValueError, match="3 lost and 2 won of 4"):
        paired_drop(3, 2, 4, np.random.default_rng(0))


def test_the_paired_bootstrap_agrees_with_the_normal_interval_of_many_pairs() -> None:
    lost, won, n = 300, 200, 10_000

    found = paired_drop(lost, won, n, np.random.default_rng(1))

    half = 1.96 * np.sqrt((lost + won) / n - ((lost - won) / n) ** 2) / np.sqrt(n)
    assert found.value == 0.01
    assert [found.low, found.high] == pytest.approx([0.01 - half, 0.01 + half], rel=0.08)


def test_the_paired_bootstrap_is_the_one_that_resamples_examples() -> None:
    rng = np.random.default_rng(2)
    difference = np.repeat([1, -1, 0], [9, 3, 588])
    plain = [rng.choice(difference, len(difference)).mean() for _ in range(4000)]

    found = paired_drop(9, 3, 600, rng)

    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(plain, [0.025, 0.975])), abs=2 / 600)


@given(COUNTS, st.integers(0, 2**31))
def test_a_drop_lies_in_its_interval_and_depends_on_the_seed_alone(counts: tuple[int, int], seed: int) -> None:
    lost, n = counts
    won = (n - lost) // 2
    first, again = (paired_drop(lost, won, n, np.random.default_rng(seed)) for _ in range(2))

    assert first == again
    assert first.low <= first.value <= first.high or n < 30
    assert -1 <= first.low <= first.high <= 1


def test_equal_answers_lose_nothing_however_wrong() -> None:
    right = np.array([True, False, False])

    found = compare_accuracy(right, right, np.random.default_rng(0))

    assert found.drop is not None
    assert (found.drop.low, found.drop.value, found.drop.high) == (0, 0, 0)
    assert found.artifact == found.float32


def test_pairs_make_the_interval_narrower_than_two_shares_would() -> None:
    rng = np.random.default_rng(3)
    float_right = rng.random(2000) < 0.9
    right = float_right & (rng.random(2000) > 0.005)

    found = compare_accuracy(right, float_right, rng)

    assert found.drop is not None
    assert found.drop.high - found.drop.low < 0.4 * (found.artifact.high - found.artifact.low)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=60))
def test_auc_is_the_share_of_pairs_in_order_with_ties_as_halves(examples: list[tuple[int, bool]]) -> None:
    scores, y = np.array([float(score) for score, _ in examples]), np.array([int(kind) for _, kind in examples])
    if len(set(y.tolist())) < 2:
        with pytest.raises(ValueError, match="both kinds"):
            auc(scores, y)
        return
    pairs = [(p > n) + 0.5 * (p == n) for p in scores[y == 1] for n in scores[y == 0]]

    assert auc(scores, y) == pytest.approx(np.mean(pairs))
    assert auc(-scores, y) == pytest.approx(1 - np.mean(pairs))
    assert auc(np.exp(scores), y) == pytest.approx(np.mean(pairs))


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 2**31))
@settings(max_examples=30)
def test_an_auc_lies_in_its_interval(positives: int, negatives: int, seed: int) -> None:
    y = np.repeat([1, 0], [positives, negatives])
    found = auc_estimate(np.random.default_rng(seed).normal(size=len(y)) + y, y)

    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


def test_a_perfect_auc_has_an_interval_that_shrinks_with_more_examples() -> None:
    few, many = (auc_estimate(np.arange(2.0 * n), np.repeat([0, 1], n)) for n in (10, 1000))

    assert few.value == few.high == many.high == 1
    assert 0.6 < few.low < many.low < 1


def test_95_of_100_intervals_of_an_auc_hold_the_true_one() -> None:
    rng = np.random.default_rng(4)
    y = np.repeat([0, 1], [80, 40])
    true = 0.8556  # of two normal distributions 1.5 apart: Phi(1.5 / sqrt(2))
    found = [auc_estimate(rng.normal(size=120) + 1.5 * y, y) for _ in range(300)]

    covered = np.mean([one.low <= true <= one.high for one in found])

    assert 0.92 <= covered <= 0.985


def test_the_bootstrap_of_an_auc_drop_agrees_with_delong() -> None:
    rng = np.random.default_rng(5)
    y = np.repeat([0, 1], [300, 200])
    exact = rng.normal(size=500) + 1.5 * y
    given_scores = exact + 0.4 * rng.normal(size=500)

    found = compare_auc(given_scores, exact, y, rng).drop

    assert found is not None
    half = 1.96 * delong_error(exact, given_scores, y)
    assert found.value == pytest.approx(auc(exact, y) - auc(given_scores, y))
    assert [found.low, found.high] == pytest.approx([found.value - half, found.value + half], abs=0.15 * half)


def delong_error(first: Scores, second: Scores, y: Scores) -> float:
    """Standard error of the difference of two areas on the same examples: DeLong, DeLong & Clarke-Pearson 1988."""
    components = []
    for scores in (first, second):
        above = scores[y == 1][:, None] > scores[y == 0][None]
        components.append((above.mean(axis=1), above.mean(axis=0)))
    variance = 0.0
    for kind in (0, 1):
        difference = components[0][kind] - components[1][kind]
        variance += difference.var(ddof=1) / len(difference)
    return float(np.sqrt(variance))


def test_the_drop_of_equal_scores_is_none_at_all() -> None:
    scores, y = np.array([0.1, 0.3, 0.2, 0.9]), np.array([0, 0, 1, 1])

    found = compare_auc(2 * scores, scores, y, np.random.default_rng(0))

    assert found.drop is not None
    assert (found.drop.low, found.drop.value, found.drop.high) == (0, 0, 0)


def test_the_area_under_the_points_of_a_roc_is_the_auc() -> None:
    rng = np.random.default_rng(6)
    y = np.repeat([0, 1], [700, 300])
    scores = rng.normal(size=1000) + y

    x, detected = np.array(roc(scores, y, 120)).T

    assert (x[0], detected[0], x[-1], detected[-1]) == (0, 0, 1, 1)
    assert (np.diff(x) >= 0).all()
    assert len(x) <= 125
    assert np.trapezoid(detected, x) == pytest.approx(auc(scores, y), abs=0.005)
