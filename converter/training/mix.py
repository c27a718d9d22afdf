"""What an epoch is made of: training images seen through a slightly shaken camera, and what devices delivered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.corruptions import BOUNDS, NEUTRAL, Corruption, Settings, corrupt, from_unit, to_unit
from converter.recipe import AugmentRecipe

Epoch = tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float32]]
"""Frames (n, ...), classes (n,) and weights (n,) float32."""
EpochSource = Callable[[int, np.random.Generator], Epoch]
"""Makes the epoch of this number."""


def plain_epochs(
    x: NDArray[Any], y: NDArray[np.int64], augment: AugmentRecipe | None, value_range: tuple[float, float]
) -> EpochSource:
    """Every epoch the same frames, a share of them augmented anew."""

    def epoch(_: int, rng: np.random.Generator) -> Epoch:
        frames = x if augment is None else augmented(x, augment, value_range, rng)
        return frames, y, np.ones(len(y), np.float32)

    return epoch


def augmented(
    x: NDArray[Any], augment: AugmentRecipe, value_range: tuple[float, float], rng: np.random.Generator
) -> NDArray[Any]:
    """Frames of which a random share went through randomly shaken cameras."""
    chosen = np.flatnonzero(rng.random(len(x)) < augment.share)
    out = x.copy()
    if len(chosen):
        unit = to_unit(x[chosen], value_range)
        out[chosen] = from_unit(corrupt(unit, shaken(augment.spread, len(chosen), rng), rng), x, value_range)
    return out


def shaken(spread: Corruption, count: int, rng: np.random.Generator) -> Settings:
    """For each picture a setting about neutral; the distance of ``spread`` from neutral is the standard deviation."""
    found: Settings = {}
    for field in fields(Corruption):
        neutral, width = getattr(NEUTRAL, field.name), getattr(spread, field.name) - getattr(NEUTRAL, field.name)
        if width:
            low, high = BOUNDS[field.name]
            drawn = neutral + width * rng.standard_normal(count)
            if low == neutral:  # noise, blur: only one side exists
                drawn = neutral + np.abs(drawn - neutral)
            found[field.name] = np.clip(drawn, low, high).astype(np.float32)
    return found
