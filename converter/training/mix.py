"""What an epoch is made of: training frames through a slightly shaken camera, and what devices saw and delivered."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.corruptions import Corruption, Images, corrupt, from_unit, to_unit
from converter.evidence.lookalike import POOR, Lookalike
from converter.recipe import AugmentRecipe
from converter.training.augment import augmented, shaken

Epoch = tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float32]]
"""Frames (n, ...), classes (n,) and weights (n,) float32, in random order."""
EpochSource = Callable[[int, np.random.Generator], Epoch]
"""Makes the epoch of this number."""

GENTLE = Corruption(rotation_deg=4, shift_x=0.025, shift_y=0.025, zoom=1.04)
"""How much a delivered sample is moved each time it is seen: hundreds of them have to stand for thousands."""
_LOOKALIKE_SHARE = 0.75  # of a device's examples, when its lookalike is perfect; the rest are its samples
_FULL_VOICE = 100  # samples with which a device without a lookalike gets its whole share


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What is to be learnt of one device.

    Attributes:
        samples: Its frames (n, ...) as the source delivers them; n may be 0.
        labels: Their true classes (n,).
        lookalike: How to take training pictures like it; None for data that are no pictures.
    """

    samples: NDArray[Any]
    labels: NDArray[np.int64]
    lookalike: Lookalike | None

    @property
    def lookalike_share(self) -> float:
        """Share of its examples that are training pictures taken like it; the better they fit, the more."""
        if self.lookalike is None or self.lookalike.distance > POOR:
            return 0.0
        return 1.0 if not len(self.labels) else _LOOKALIKE_SHARE * math.sqrt(1 - self.lookalike.distance)

    @property
    def voice(self) -> float:
        """0 to 1: how much of its share of an epoch there is something to fill with."""
        return 1.0 if self.lookalike_share else min(1.0, len(self.labels) / _FULL_VOICE)


def plain_epochs(
    x: NDArray[Any],
    y: NDArray[np.int64],
    augment: AugmentRecipe | None,
    value_range: tuple[float, float],
    size: int | None = None,
) -> EpochSource:
    """Every epoch the same frames in another order, a share of them augmented anew.

    Args:
        x: Frames (n, ...).
        y: Classes (n,).
        augment: How; None for not at all.
        value_range: Smallest and largest value of a frame.
        size: Examples in an epoch; n when left out.
    """

    def epoch(_: int, rng: np.random.Generator) -> Epoch:
        chosen = dealt(len(y), size or len(y), rng)
        frames = x[chosen] if augment is None else augmented(x[chosen], augment, value_range, rng)
        return frames, y[chosen], np.ones(len(chosen), np.float32)

    return epoch


def mixed_epochs(
    x: NDArray[Any],
    y: NDArray[np.int64],
    lessons: Sequence[Lesson],
    augment: AugmentRecipe | None,
    value_range: tuple[float, float],
    *,
    clean_share: float,
    size: int,
) -> EpochSource:
    """Epochs of original frames, original frames taken like a device's, and delivered samples.

    Args:
        x: Original frames (n, ...).
        y: Their classes (n,).
        lessons: One for each device.
        augment: Of the original frames, before anything else is done to them.
        value_range: Smallest and largest value of a frame.
        clean_share: Of an epoch, for the original frames.
        size: Examples in an epoch.
    """
    share = (1 - clean_share) / max(len(lessons), 1)

    def epoch(number: int, rng: np.random.Generator) -> Epoch:
        parts = []
        for lesson in lessons:
            count = round(size * share * lesson.voice)
            alike = round(count * lesson.lookalike_share)
            if alike and lesson.lookalike is not None:
                frames, classes, _ = plain_epochs(x, y, augment, value_range, alike)(number, rng)
                taken = lesson.lookalike.take(to_unit(frames, value_range), rng)
                parts.append((from_unit(taken, frames, value_range), classes))
            if count > alike:
                parts.append(_delivered(lesson, count - alike, value_range, rng))
        rest = size - sum(len(classes) for _, classes in parts)
        frames, classes, _ = plain_epochs(x, y, augment, value_range, rest)(number, rng)
        xs, ys = zip(*parts, (frames, classes), strict=True)
        order = rng.permutation(size)
        return np.concatenate(xs)[order], np.concatenate(ys)[order], np.ones(size, np.float32)

    return epoch


def dealt(n: int, count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """``count`` of n indices in random order; none comes again before all have come."""
    rounds = [rng.permutation(n) for _ in range(-(-count // n))]
    return np.concatenate(rounds)[:count]


def _delivered(
    lesson: Lesson, count: int, value_range: tuple[float, float], rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    chosen = dealt(len(lesson.labels), count, rng)
    frames, labels = lesson.samples[chosen], lesson.labels[chosen]
    is_pinned = lesson.lookalike is not None and lesson.lookalike.pixel_map is not None
    if lesson.lookalike is None or is_pinned:  # what is bound to pixels must not be moved against them
        return frames, labels
    unit: Images = to_unit(frames, value_range)
    return from_unit(corrupt(unit, shaken(GENTLE, count, rng), rng), frames, value_range), labels
