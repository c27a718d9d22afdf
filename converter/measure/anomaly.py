"""How anomaly scores lie for normal and anomalous examples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from converter.measure.auc import roc
from converter.measure.figures import ScoreHistogram

_BINS = 40
_SHOWN = (0.0, 0.99)  # quantiles between which the bins lie: a few wild scores would leave one bin for all others
_ROC_POINTS = 120


def score_histogram(
    scores: NDArray[np.float64], float_scores: NDArray[np.float64] | None, y: NDArray[np.int64]
) -> ScoreHistogram:
    """Where the scores of the artifact lie, and both ROC curves."""
    low, high = np.quantile(scores, _SHOWN)
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    clipped = np.clip(scores, edges[0], edges[-1])
    return ScoreHistogram(
        edges=tuple(edges.tolist()),
        normal=tuple(np.histogram(clipped[y == 0], edges)[0].tolist()),
        anomalous=tuple(np.histogram(clipped[y == 1], edges)[0].tolist()),
        roc=roc(scores, y, _ROC_POINTS),
        float_roc=() if float_scores is None else roc(float_scores, y, _ROC_POINTS),
    )
