"""One temperature for all logits, so that confidence means probability (Guo et al. 2017)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST, HIGHEST = 0.2, 10.0

_ROUNDS = 40  # of golden section, each 0.62 times the last interval
_GOLDEN = (5**0.5 - 1) / 2


def fitted_temperature(logits: NDArray[np.float64], y: NDArray[np.int64]) -> float:
    """The temperature whose probabilities make the true classes (n,) most likely, given logits (n, c).

    Examples:
        >>> rng = np.random.default_rng(0)
        >>> logits = rng.normal(size=(4000, 3))
        >>> chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        >>> y = (rng.random((4000, 1)) > chances.cumsum(1)).sum(1)
        >>> round(fitted_temperature(3 * logits, y), 1)
        3.0
    """
    low, high = np.log(LOWEST), np.log(HIGHEST)
    for _ in range(_ROUNDS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if negative_log_likelihood(logits, y, np.exp(left)) < negative_log_likelihood(logits, y, np.exp(right)):
            high = right
        else:
            low = left
    return float(np.exp((low + high) / 2))


def negative_log_likelihood(logits: NDArray[np.float64], y: NDArray[np.int64], temperature: float) -> float:
    """Mean surprise by the true classes, in nats."""
    z = logits / temperature
    z = z - z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]).mean())
