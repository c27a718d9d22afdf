"""How far a stretch of frames is from a profile: effect sizes against the best mixture of its contexts.

A day is neither "day" nor "night"; so what was counted is compared with the mixture of contexts that fits it best, and
only what no mixture explains is an effect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_models.profile import Context

_STEPS = 200  # of the fit; four contexts settle in some tens


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Effects:
    """What separates a stretch of frames from the reference.

    Attributes:
        weights: Share of each context in the best mixture, (m,) float64; they sum to 1.
        context: Index of the heaviest one.
        distance: Kolmogorov-Smirnov distance of each signal from the mixture, (k,) 0..1.
        signature: Shift of each signal's mean rank, (k,) -1..1.
    """

    weights: NDArray[np.float64]
    context: int
    distance: NDArray[np.float64]
    signature: NDArray[np.float64]


def effects(contexts: Sequence[Context], histogram: NDArray[Any], u_mean: NDArray[Any]) -> Effects:
    """Effects of frames that were counted and ranked.

    Args:
        contexts: Of the profile, and learnt ones.
        histogram: The frames in the bins of each signal, (k, 32); each row sums to their number, above 0.
        u_mean: Mean rank of each signal, (k,); more columns behind them are not looked at.

    Raises:
        ValueError: No frame was counted.
    """
    if not histogram[:1].sum():
        raise ValueError("effects of no frames, expected some counts in the histogram")
    seen = _cumulated(histogram)
    known = np.stack([_cumulated(context.histogram) for context in contexts])
    weights = mixture_weights(known, seen)
    k = len(histogram)
    expected = mixed(weights, [context.u_mean[:k] for context in contexts])
    return Effects(
        weights=weights,
        context=int(weights.argmax()),
        distance=np.abs(seen - np.tensordot(weights, known, 1)).max(axis=1),
        signature=np.clip(2 * (np.asarray(u_mean, np.float64)[:k] - expected), -1, 1),
    )


def class_effect(contexts: Sequence[Context], weights: NDArray[np.float64], counts: NDArray[Any]) -> float:
    """Total variation 0..1 of predicted classes, counted (c,), from those of the mixture; 0 when there are none."""
    total = float(counts.sum())
    if not total:
        return 0.0
    expected = mixed(weights, [context.class_prior for context in contexts])
    return float(np.abs(counts / total - expected).sum() / 2)


def mixed(weights: NDArray[np.float64], values: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """The mean of one array for each context, weighted."""
    return np.asarray(np.tensordot(weights, np.stack(values).astype(np.float64), 1))


def mixture_weights(known: NDArray[np.float64], seen: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (m,) on the simplex whose mixture of distributions (m, k, b) is nearest to (k, b) in least squares.

    Projected gradient on the m x m normal equations; the step is the inverse of their largest eigenvalue.

    Examples:
        >>> known = np.array([[[0.0, 0.0, 1.0]], [[1.0, 1.0, 1.0]]])
        >>> mixture_weights(known, np.array([[0.25, 0.25, 1.0]])).round(3).tolist()
        [0.75, 0.25]
    """
    m = len(known)
    weights = np.full(m, 1 / m)
    if m == 1:
        return weights
    flat = known.reshape(m, -1)
    normal, target = flat @ flat.T, flat @ seen.reshape(-1)
    step = 1 / max(float(np.linalg.eigvalsh(normal)[-1]), 1e-12)
    pulled, before = weights, 1.0
    for _ in range(_STEPS):  # Nesterov's momentum: histograms of contexts resemble each other
        following = _on_simplex(pulled - step * (normal @ pulled - target))
        speed = (1 + (1 + 4 * before * before) ** 0.5) / 2
        pulled = following + (before - 1) / speed * (following - weights)
        weights, before = following, speed
    return weights


def _cumulated(histogram: NDArray[Any]) -> NDArray[np.float64]:
    counts = np.cumsum(histogram, axis=1, dtype=np.int64)
    return np.asarray(counts / np.maximum(counts[:, -1:], 1))


def _on_simplex(point: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest point whose numbers are not negative and sum to 1 (Duchi et al. 2008, figure 1)."""
    falling = np.sort(point)[::-1]
    excess = (np.cumsum(falling) - 1) / np.arange(1, len(point) + 1)
    kept = int(np.flatnonzero(falling > excess)[-1])
    return np.asarray(np.maximum(point - excess[kept], 0.0))
