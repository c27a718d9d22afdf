"""Shares and their differences with 95 % intervals, for examples that are independent of each other.

Windows that overlap are not independent; their true intervals are wider than those given here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from converter.measure.figures import Comparison, Estimate

Z_95 = 1.959963984540054  # 97.5 % quantile of the normal distribution
RESAMPLES = 2000  # the 2.5 % and 97.5 % quantiles then vary by about 3 % of the interval's width from seed to seed
INTERVAL = (0.025, 0.975)


def wilson(hits: int, n: int) -> Estimate:
    """Share of ``hits`` in ``n`` trials with Wilson's score interval (Wilson 1927; Brown, Cai & DasGupta 2001).

    Unlike the textbook interval it has a width at 0 and at 1 and stays inside of them.

    Args:
        hits: 0 to n.
        n: At least 1.

    Examples:
        >>> one = wilson(9, 10)
        >>> one.value, round(one.low, 4), round(one.high, 4)
        (0.9, 0.5958, 0.9821)
    """
    if not 0 <= hits <= n or not n:
        raise ValueError(f"found {hits} hits of {n}, expected 0 to n of at least 1")
    share, square = hits / n, Z_95**2
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    high = 1.0 if hits == n else min(1.0, centre + half)
    return Estimate(value=share, low=low, high=high)


def paired_drop(lost: int, won: int, n: int, rng: np.random.Generator) -> Estimate:
    """Accuracy that is lost from one model to another, with the percentile interval of a paired bootstrap.

    Only the examples on which one of both is right count. A resample of n pairs is a draw of their three kinds from a
    multinomial distribution, so that none has to be made one by one: the result is the same bootstrap.

    Args:
        lost: Examples that only the first model gets right.
        won: Examples that only the second one gets right.
        n: All examples, at least 1.
        rng: Draws the resamples.

    Examples:
        >>> paired_drop(6, 2, 1000, np.random.default_rng(0)).value
        0.004
    """
    if lost < 0 or won < 0 or not 0 < n >= lost + won:
        raise ValueError(f"found {lost} lost and {won} won of {n} examples")
    drawn = rng.multinomial(n, [lost / n, won / n, (n - lost - won) / n], size=RESAMPLES)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / n, INTERVAL)
    return Estimate(value=(lost - won) / n, low=float(low), high=float(high))


def compare_accuracy(
    right: NDArray[np.bool_], float_right: NDArray[np.bool_] | None, rng: np.random.Generator
) -> Comparison:
    """Accuracy of the artifact beside that of float32 on the same n examples.

    Args:
        right: Whether the artifact's answer is right, (n,).
        float_right: The same of float32; None without a reference.
        rng: For the bootstrap.
    """
    artifact = wilson(int(right.sum()), len(right))
    if float_right is None:
        return Comparison(artifact=artifact, float32=None, drop=None)
    lost, won = int((float_right & ~right).sum()), int((right & ~float_right).sum())
    return Comparison(
        artifact=artifact,
        float32=wilson(int(float_right.sum()), len(right)),
        drop=paired_drop(lost, won, len(right), rng),
    )
