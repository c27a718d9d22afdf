"""Accuracy as estimated from signals: bounds, intervals, and what it is compared with."""

from __future__ import annotations

import numpy as np
import pytest

from edge_models.drift.impact import calibrated_confidence, estimate, impact_features
from edge_models.profile import ImpactModel, build_profile

MODEL = ImpactModel(
    mean=np.zeros(3, np.float32),
    std=np.ones(3, np.float32),
    weights=np.array([-0.5, 0.0, 1.0], np.float32),
    intercept=0.2,
    residual_90=0.05,
    residual_slope=0.1,
    reference_accuracy=0.9,
)


def test_an_estimate_is_the_models_line_with_an_interval_that_widens_with_the_distance() -> None:
    near, far = (estimate(MODEL, np.array([shift, 0.0, 0.7])) for shift in (0.0, 0.4))

    assert near.accuracy == pytest.approx(0.9)
    assert [near.low, near.high] == pytest.approx([0.85, 0.95])
    assert far.accuracy == pytest.approx(0.7)
    assert far.high - far.low == pytest.approx(2 * (0.05 + 0.1 * 0.2))


def test_estimates_stay_shares() -> None:
    best, worst = estimate(MODEL, np.array([-1.0, 0.0, 0.9])), estimate(MODEL, np.array([2.0, 0.0, 0.0]))

    assert (best.accuracy, best.high) == (1.0, 1.0)
    assert (worst.accuracy, worst.low) == (0.0, 0.0)


def test_features_of_another_model_are_refused() -> None:
    with pytest.raises(ValueError, match="found 2 features, expected 3"):
        estimate(MODEL, np.zeros(2))


def test_the_reference_itself_has_no_shift() -> None:
    values = np.random.default_rng(0).normal(size=(1000, 4))
    profile = build_profile(("a", "b", "c", "d"), values, None, 0)
    u = profile.ranks(profile.columns(values))[:, :4]

    features = impact_features(
        profile.contexts, np.ones(1), u.mean(axis=0), np.abs(2 * u - 1).mean(axis=0), confidence=0.8
    )

    assert features == pytest.approx([0.0] * 8 + [0.8], abs=1e-3)


def test_confidence_falls_with_the_temperature() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 1.0]])

    np.testing.assert_allclose(calibrated_confidence(logits, 1.0), 1 / (1 + np.exp([-2.0, -1.0])))
    assert (calibrated_confidence(logits, 3.0) < calibrated_confidence(logits, 1.0)).all()
