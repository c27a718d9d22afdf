"""Area under the ROC curve with 95 % intervals, alone and as a paired difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.measure.figures import Comparison, Estimate
from converter.measure.proportion import INTERVAL, RESAMPLES, Z_95

_CHUNK = 2_000_000  # numbers in one array of resamples, about 16 MB
_STEPS = 60  # of a bisection: beyond the precision of a float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ranked:
    """Scores as ranks without gaps (equal scores share one), by kind."""

    positive: NDArray[np.intp]
    negative: NDArray[np.intp]
    ranks: int


def auc(scores: NDArray[np.floating], y: NDArray[np.int64]) -> float:
    """Chance that an anomalous example (``y`` 1) has a higher score than a normal one (``y`` 0); ties count a half.

    Args:
        scores: Finite, (n,).
        y: 0 or 1, (n,), both present.

    Examples:
        >>> auc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
        0.75
    """
    ranked = _ranked(scores, y)
    counts = [np.bincount(rank, minlength=ranked.ranks)[None] for rank in (ranked.positive, ranked.negative)]
    return float(_areas(counts[0], counts[1])[0])


def auc_estimate(scores: NDArray[np.floating], y: NDArray[np.int64]) -> Estimate:
    """AUC with Newcombe's score interval, the counterpart of Wilson's.

    It has a width at 1, too, where a bootstrap has none: its ends are the values that lie 1.96 of their own standard
    errors away from what was found. Newcombe 2006, "Confidence intervals for an effect size measure based on the
    Mann-Whitney statistic. Part 2", method 5.
    """
    found = auc(scores, y)
    positives = int((y == 1).sum())
    sizes = positives, len(y) - positives
    return Estimate(value=found, low=_end(found, 0.0, sizes), high=_end(found, 1.0, sizes))


def compare_auc(
    scores: NDArray[np.floating],
    float_scores: NDArray[np.floating] | None,
    y: NDArray[np.int64],
    rng: np.random.Generator,
) -> Comparison:
    """AUC of the artifact beside that of float32, the drop by a bootstrap of pairs, stratified by kind.

    Args:
        scores: Anomaly scores of the artifact, (n,).
        float_scores: Of float32 for the same examples; None without a reference.
        y: 0 normal, 1 anomalous, (n,), both present.
        rng: For the bootstrap.
    """
    artifact = auc_estimate(scores, y)
    if float_scores is None:
        return Comparison(artifact=artifact, float32=None, drop=None)
    exact = auc_estimate(float_scores, y)
    low, high = np.quantile(_resampled_drops(_ranked(float_scores, y), _ranked(scores, y), rng), INTERVAL)
    drop = Estimate(value=exact.value - artifact.value, low=float(low), high=float(high))
    return Comparison(artifact=artifact, float32=exact, drop=drop)


def roc(scores: NDArray[np.floating], y: NDArray[np.int64], points: int) -> tuple[tuple[float, float], ...]:
    """About ``points`` points (false alarm rate, detection rate) from (0, 0) to (1, 1), highest thresholds first."""
    ranked = _ranked(scores, y)
    rates = []
    for rank in (ranked.negative, ranked.positive):
        above = np.bincount(rank, minlength=ranked.ranks)[::-1].cumsum()
        rates.append(np.concatenate([[0.0], above / above[-1]]))
    at = np.unique(np.concatenate([np.searchsorted(rate, np.linspace(0, 1, points // 2)) for rate in rates]))
    return tuple((float(rates[0][i]), float(rates[1][i])) for i in np.minimum(at, ranked.ranks))


def _ranked(scores: NDArray[np.floating], y: NDArray[np.int64]) -> _Ranked:
    if not np.isfinite(scores).all() or not ((y == 0) | (y == 1)).all() or len(np.unique(y)) < 2:
        raise ValueError("AUC needs finite scores of examples of both kinds, 0 and 1")
    values, rank = np.unique(scores, return_inverse=True)
    return _Ranked(positive=rank[y == 1], negative=rank[y == 0], ranks=len(values))


def _areas(positive: NDArray[np.integer], negative: NDArray[np.integer]) -> NDArray[np.float64]:
    """AUC of each row of counts by rank, both (b, ranks)."""
    below = negative.cumsum(axis=1) - negative
    pairs = (positive * (below + 0.5 * negative)).sum(axis=1)
    areas: NDArray[np.float64] = pairs / (positive.sum(axis=1) * negative.sum(axis=1))
    return areas


def _resampled_drops(first: _Ranked, second: _Ranked, rng: np.random.Generator) -> NDArray[np.float64]:
    """AUC of the first minus that of the second on the same resamples, (RESAMPLES,)."""
    rows = max(1, min(RESAMPLES, _CHUNK // max(first.ranks, second.ranks, len(first.positive) + len(first.negative))))
    drops = []
    for start in range(0, RESAMPLES, rows):
        count = min(rows, RESAMPLES - start)
        chosen = [rng.integers(len(rank), size=(count, len(rank))) for rank in (first.positive, first.negative)]
        areas = [
            _areas(_counted(side.positive[chosen[0]], side.ranks), _counted(side.negative[chosen[1]], side.ranks))
            for side in (first, second)
        ]
        drops.append(areas[0] - areas[1])
    return np.concatenate(drops)


def _counted(rank: NDArray[np.intp], ranks: int) -> NDArray[np.intp]:
    """How often each rank is in each row, (b, ranks)."""
    rows = np.arange(len(rank))[:, None] * ranks
    return np.bincount((rank + rows).ravel(), minlength=len(rank) * ranks).reshape(len(rank), ranks)


def _end(found: float, limit: float, sizes: tuple[int, int]) -> float:
    """The value between ``found`` and ``limit`` from which ``found`` is 1.96 standard errors away."""
    near, far = found, limit
    for _ in range(_STEPS):
        middle = (near + far) / 2
        if abs(middle - found) <= Z_95 * _standard_error(middle, sizes):
            near = middle
        else:
            far = middle
    return near


def _standard_error(area: float, sizes: tuple[int, int]) -> float:
    """Hanley & McNeil 1982 with both sizes replaced by their mean in the two last terms, as Newcombe proposes."""
    m, n = sizes
    extra = (m + n) / 2 - 1
    inner = 1 + extra * (1 - area) / (2 - area) + extra * area / (1 + area)
    return math.sqrt(area * (1 - area) * inner / (m * n))
