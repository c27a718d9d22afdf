"""Effect sizes: what no mixture of contexts explains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_models.drift.effects import Effects, class_effect, effects, mixture_weights
from edge_models.profile import Profile, build_profile

RNG = np.random.default_rng(0)
N = 4000
NIGHT = np.arange(N) % 2 == 1
VALUES = RNG.normal(size=(N, 3)) + NIGHT[:, None] * [2.0, 0.0, 0.0]
PROFILE = build_profile(("level", "tone", "place"), VALUES, NIGHT.astype(int), 2, groups={"night": NIGHT})


def effects_of(values: NDArray[np.float64], profile: Profile = PROFILE) -> Effects:
    ranks = profile.ranks(profile.columns(values))
    return effects(profile.contexts, profile.histogram(values), ranks.mean(axis=0))


def fresh(n: int, night: float) -> NDArray[np.float64]:
    rng = np.random.default_rng(1)
    light = np.where(rng.random((n, 1)) < night, np.array([2.0, 0.0, 0.0]), 0.0)
    return np.asarray(rng.normal(size=(n, 3)) + light)


@pytest.mark.parametrize("night", [0.0, 0.3, 0.8, 1.0])
def test_any_mixture_of_the_contexts_is_no_effect(night: float) -> None:
    found = effects_of(fresh(2000, night))

    assert found.weights == pytest.approx([1 - night, night], abs=0.06)
    assert PROFILE.contexts[found.context].name == ("night" if night > 0.5 else "reference")
    assert found.distance.max() < 0.05
    assert np.abs(found.signature).max() < 0.05


def test_what_is_outside_of_the_mixtures_is_an_effect_with_its_direction() -> None:
    found = effects_of(fresh(2000, 0.5) - np.array([0.0, 1.0, 0.0]))

    assert found.distance.argmax() == 1
    assert found.distance[1] == pytest.approx(0.38, abs=0.05)  # sup |Phi(x) - Phi(x - 1)| = 0.383
    assert found.signature[1] < -0.3
    assert np.abs(np.delete(found.signature, 1)).max() < 0.05


def test_effects_of_no_frames_are_a_callers_mistake() -> None:
    with pytest.raises(ValueError, match="no frames"):
        effects(PROFILE.contexts, np.zeros((3, 32), np.uint32), np.full(3, 0.5))


def test_classes_are_compared_with_those_of_the_mixture() -> None:
    weights = np.array([0.25, 0.75])  # by day class 0, by night class 1

    assert class_effect(PROFILE.contexts, weights, np.array([25, 75])) == pytest.approx(0.0, abs=1e-3)
    assert class_effect(PROFILE.contexts, weights, np.array([75, 25])) == pytest.approx(0.5, abs=1e-3)
    assert class_effect(PROFILE.contexts, weights, np.zeros(2)) == 0.0


@given(st.integers(1, 4), st.integers(0, 1000))
def test_weights_are_shares_and_find_the_mixture_that_was_mixed(m: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    known = np.cumsum(rng.dirichlet(np.full(32, 0.3), (m, 5)), axis=2)
    true = rng.dirichlet(np.ones(m))

    weights = mixture_weights(known, np.tensordot(true, known, 1))

    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    np.testing.assert_allclose(weights, true, atol=0.02)
