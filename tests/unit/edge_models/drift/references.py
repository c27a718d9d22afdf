"""Profiles and frames that the tests of drift detection share."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from edge_models.profile import Profile, build_profile

NAMES = ("level", "tone", "border")
CLASSES = 4
SHARES = np.array([0.5, 0.3, 0.15, 0.05])


def frames(rng: np.random.Generator, n: int, shift: float = 0.0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Signals (n, 3), two of them correlated and one saturated, and predicted classes (n,)."""
    level = rng.normal(shift, 1, n)
    tone = 0.6 * level + 0.8 * rng.normal(size=n)
    border = np.where(rng.random(n) < 0.7, 1.0, rng.random(n))
    return np.stack([level, tone, border], axis=1), rng.choice(CLASSES, n, p=SHARES)


@cache
def reference(n: int = 2000, seed: int = 0) -> Profile:
    values, predicted = frames(np.random.default_rng(seed), n)
    return build_profile(NAMES, values, predicted, CLASSES)


@cache
def day_and_night(n: int = 2000) -> Profile:
    """A profile of two contexts whose levels are three standard deviations apart."""
    rng = np.random.default_rng(3)
    day, by_day = frames(rng, n)
    night, by_night = frames(rng, n, shift=3.0)
    is_night = np.arange(2 * n) >= n
    return build_profile(
        NAMES,
        np.concatenate([day, night]),
        np.concatenate([by_day, by_night]),
        CLASSES,
        groups={"day": ~is_night, "night": is_night},
    )
