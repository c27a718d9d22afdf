"""What a drift costs: accuracy as estimated from how the signals moved and how sure the model is, with an interval.

An estimate, never a fact: it knows only shifts that resemble those the converter made up. A few labels beat it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.drift.effects import mixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_models.profile import Context, ImpactModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Accuracy 0..1 and the interval that nine of ten shifts of unknown kinds were in."""

    accuracy: float
    low: float
    high: float


def calibrated_confidence(logits: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """Largest probability of logits (..., c) at a temperature, (...)."""
    z = np.asarray(logits, np.float64) / temperature
    return np.asarray(1.0 / np.exp(z - z.max(-1, keepdims=True)).sum(-1))


def impact_features(
    contexts: Sequence[Context],
    weights: NDArray[np.float64],
    u_mean: NDArray[Any],
    v_mean: NDArray[Any],
    confidence: float,
) -> NDArray[np.float64]:
    """What the impact model looks at, (2k + 1,).

    Args:
        contexts: What the frames are compared with.
        weights: Of their mixture, ``Effects.weights``.
        u_mean: Mean rank of each of the k raw signals.
        v_mean: Mean of abs(2u - 1) of each.
        confidence: Mean of ``calibrated_confidence``.
    """
    k = len(u_mean)
    u = np.asarray(u_mean, np.float64) - mixed(weights, [context.u_mean[:k] for context in contexts])
    v = np.asarray(v_mean, np.float64) - mixed(weights, [context.v_mean[:k] for context in contexts])
    return np.concatenate([u, v, [confidence]])


def estimate(model: ImpactModel, features: NDArray[np.float64]) -> Estimate:
    """The accuracy that features (f,) point to.

    Raises:
        ValueError: They are not as many as the model's.
    """
    if features.shape != model.mean.shape:
        raise ValueError(f"found {features.size} features, expected {model.mean.size}")
    centred = features - model.mean
    accuracy = model.intercept + float(centred / model.std @ model.weights)
    far = float(np.abs(features[:-1]).mean())
    reach = model.residual_90 + model.residual_slope * far
    accuracy = min(max(accuracy, 0.0), 1.0)
    return Estimate(accuracy=accuracy, low=max(accuracy - reach, 0.0), high=min(accuracy + reach, 1.0))
