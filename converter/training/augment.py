"""Small random changes of training examples: a shaken camera, another moment, level and noise, hidden stretches.

Which of them make sense for which kind of data is checked where the recipe is prepared; here each that the recipe asks
for is done. numpy only, vectorised over a batch, every random number from the caller's generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.corruptions import BOUNDS, NEUTRAL, Corruption, Settings, corrupt, from_unit, to_unit
from converter.recipe import AugmentRecipe
from converter.training.inputs import Inputs

FACTORS = ("zoom", "gamma")
_AT_ONCE = 4096  # examples: their float copies should fit the memory
_SOUND_AXES = 2  # (examples, samples); windows of rows have a third


def augmented(
    x: NDArray[Any], augment: AugmentRecipe, value_range: tuple[float, float], rng: np.random.Generator
) -> NDArray[Any]:
    """Frames (n, ...) of which a random share was changed, of the same shape and dtype."""
    chosen = np.flatnonzero(rng.random(len(x)) < augment.share)
    out = x.copy()
    for start in range(0, len(chosen), _AT_ONCE):
        some = chosen[start : start + _AT_ONCE]
        out[some] = _changed(x[some], augment, value_range, rng)
    return out


def shaken(spread: Corruption, count: int, rng: np.random.Generator) -> Settings:
    """For each picture a setting about neutral; the distance of ``spread`` from neutral is the standard deviation.

    Factors stray by factors: with a gamma of 2 in ``spread``, one half is as likely as two.
    """
    found: Settings = {}
    for field in fields(Corruption):
        neutral, width = getattr(NEUTRAL, field.name), getattr(spread, field.name) - getattr(NEUTRAL, field.name)
        if width:
            low, high = BOUNDS[field.name]
            away = rng.standard_normal(count)
            drawn = np.exp(away * math.log1p(width)) if field.name in FACTORS else neutral + width * away
            if low == neutral:  # noise, blur: only one side exists
                drawn = neutral + np.abs(drawn - neutral)
            found[field.name] = np.clip(drawn, low, high).astype(np.float32)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """Inputs of spectrograms (n, frames, bins) in which a stretch of time and one of frequency are hidden.

    Park et al. 2019, SpecAugment; what is hidden becomes the mean of the example.

    Attributes:
        inputs: Makes the spectrograms.
        augment: Share of the examples, and longest stretch as share of each axis.
        rng: Where stretches come from.
    """

    inputs: Inputs
    augment: AugmentRecipe
    rng: np.random.Generator

    def batch(self, examples: NDArray[Any], /) -> NDArray[np.float32]:
        """Inputs (n, ...) of n examples."""
        x = self.inputs.batch(examples)
        chosen = self.rng.random(len(x)) < self.augment.share
        mean = x.mean(axis=tuple(range(1, x.ndim)), keepdims=True)
        for axis in (1, 2):
            hidden = _stretches(len(x), x.shape[axis], self.augment.spec_mask, self.rng) & chosen[:, None]
            shape = [len(x)] + [x.shape[axis] if other == axis else 1 for other in range(1, x.ndim)]
            x = np.where(hidden.reshape(shape), mean, x)
        return np.asarray(x, np.float32)


def _changed(
    x: NDArray[Any], augment: AugmentRecipe, value_range: tuple[float, float], rng: np.random.Generator
) -> NDArray[Any]:
    if augment.spread != NEUTRAL:
        x = from_unit(corrupt(to_unit(x, value_range), shaken(augment.spread, len(x), rng), rng), x, value_range)
    if augment.flip:
        mirrored = rng.random(len(x)) < 0.5
        x = np.where(mirrored.reshape(-1, *[1] * (x.ndim - 1)), x[:, :, ::-1], x)
    if augment.crop:
        x = _cropped(x, augment.crop, rng)
    if augment.time_shift:
        x = _shifted(x, augment.time_shift, rng)
    if augment.gain_db or augment.noise:
        x = _recorded_again(x, augment, rng)
    return x


def _cropped(x: NDArray[Any], pixels: int, rng: np.random.Generator) -> NDArray[Any]:
    """Pictures (n, h, w, ...) with a black border, cut to their size at a random place."""
    border = [(0, 0), (pixels, pixels), (pixels, pixels)] + [(0, 0)] * (x.ndim - 3)
    top, left = rng.integers(0, 2 * pixels + 1, (2, len(x)))
    rows = top[:, None] + np.arange(x.shape[1])
    columns = left[:, None] + np.arange(x.shape[2])
    bordered: NDArray[Any] = np.pad(x, border)
    return np.asarray(bordered[np.arange(len(x))[:, None, None], rows[:, :, None], columns[:, None, :]])


def _shifted(x: NDArray[Any], share: float, rng: np.random.Generator) -> NDArray[Any]:
    """Examples (n, time, ...) later or earlier: silence comes into sounds, the outermost row again into windows."""
    length = x.shape[1]
    most = int(share * length)
    source = np.arange(length) - rng.integers(-most, most + 1, len(x))[:, None]
    moved: NDArray[Any] = x[np.arange(len(x))[:, None], np.clip(source, 0, length - 1)]
    if x.ndim == _SOUND_AXES:
        moved[(source < 0) | (source >= length)] = 0
    return moved


def _recorded_again(x: NDArray[Any], augment: AugmentRecipe, rng: np.random.Generator) -> NDArray[Any]:
    """The same at another level and with noise that is a share of each example's (and column's) own deviation."""
    each = (-1, *[1] * (x.ndim - 1))
    exact = x.astype(np.float32)
    if augment.gain_db:
        exact *= (10 ** (augment.gain_db * rng.standard_normal(len(x)) / 20)).astype(np.float32).reshape(each)
    if augment.noise:
        deviation = exact.std(axis=1 if x.ndim > 1 else None, keepdims=True)
        exact += augment.noise * deviation * rng.standard_normal(exact.shape, np.float32)
    if x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        exact = np.clip(np.rint(exact), limits.min, limits.max)
    return exact.astype(x.dtype)


def _stretches(count: int, length: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """For each example a random stretch of up to ``share`` of the length, (count, length)."""
    width = rng.integers(0, int(share * length) + 1, count)
    start = np.floor(rng.random(count) * (length - width + 1)).astype(np.int64)
    place = np.arange(length)
    return np.asarray((place >= start[:, None]) & (place < (start + width)[:, None]))
