"""How far one device, or several together, are from what their model was made for: counts against its profile.

A device counts frames on its profile's bins; counts add, so a group's deviation is measured on the sum of its sketches
exactly as a device's on its own. Neighbouring frames resemble each other: only ``frames / thin`` of them say anything
new, and that number decides how much chance alone may explain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_models.drift.effects import mixed, mixture_weights
from edge_models.profile import Profile
from edge_models.sketch import Sketch

DEAD_BAND = 0.05  # Kolmogorov-Smirnov distance that is never drift, however sure it is
KS_AT_RISK = 2.2  # times 1/sqrt(n): chance exceeds it once in 8000 signals (Kolmogorov's 2 exp(-2 c^2))
RANK_DEAD_BAND = 0.03  # mean rank and mean spread of ranks, as 0.1 standard deviations of a normal signal move it
RANK_AT_RISK = 4.0  # standard errors: chance exceeds it once in 16,000 numbers
_RANK_STD = 0.289  # of a uniform rank, and of abs(2u - 1)
JOINT_DEAD_BAND = 0.15  # standard deviations that all signals together may be off, uncorrelated
JOINT_AT_RISK = 4.5  # standard deviations of the noncentral chi-squared statistic
_LONGEST_ROW = 4.5  # 1/sqrt(eigenvalue): directions with less variance would blow up how ranks differ from values
CLASS_DEAD_BAND = 0.02  # total variation of the predicted classes, in the same sense
CLASS_AT_RISK = 1.6  # McDiarmid: above its mean by this / sqrt(n) at most once in 160, in practice far less


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeviceSketch:
    """What one device has counted.

    Attributes:
        device: Its id.
        sketch: Counts of its latest frames.
        profile: On whose bins they are.
        thin: Of so many frames one counts as independent.
        labels: What it shares with others, such as ``region`` and ``hardware``.
    """

    device: str
    sketch: Sketch
    profile: Profile
    thin: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_effective(self) -> float:
        """Independent frames."""
        return self.sketch.n / max(self.thin, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deviation:
    """How far counts are from a profile.

    Attributes:
        effects: Kolmogorov-Smirnov distance of each signal, 0 to 1.
        class_effect: Total variation of the predicted classes, 0 to 1.
        shifts: Shift of each signal's mean rank, -1 to 1.
        classes: Shift of each class's share, by index, -1 to 1.
        direction: Shifts in place and in spread and of the classes, in one vector, to compare devices by.
        strength: Largest effect as a multiple of what chance and the dead-band explain; drift above 1.
    """

    effects: Mapping[str, float]
    class_effect: float
    shifts: Mapping[str, float]
    classes: Mapping[int, float]
    direction: NDArray[np.float64]
    strength: float


def deviation(sketch: Sketch, profile: Profile, n_effective: float) -> Deviation:
    """Measure counts against the mixture of the profile's contexts that comes nearest to them.

    Args:
        sketch: At least one frame, on the bins of ``profile``.
        profile: The reference.
        n_effective: Independent frames among those counted, above 0.
    """
    seen = np.cumsum(sketch.counts, axis=1) / sketch.n
    known = np.stack([np.cumsum(context.histogram, axis=1) / context.n for context in profile.contexts])
    weights = mixture_weights(known, seen)
    reference = mixed(weights, [context.histogram / context.n for context in profile.contexts])
    prior = mixed(weights, [context.class_prior for context in profile.contexts])
    ks = np.abs(seen - np.cumsum(reference, axis=1)).max(axis=1)
    up, out = sketch.shift(reference)
    moved, total_variation, class_limit = _class_shift(sketch, prior, n_effective, profile.n_ref)
    error = math.sqrt(1 / n_effective + 1 / profile.n_ref)
    ks_limit = DEAD_BAND + KS_AT_RISK * error
    rank_limit = RANK_DEAD_BAND + RANK_AT_RISK * _RANK_STD * error
    rank_shift = float(np.abs([up, out]).max(initial=0.0))  # sees a small shift of a whole signal before KS does
    strengths = (
        float(ks.max(initial=0.0)) / ks_limit,
        rank_shift / rank_limit,
        _joint_strength(up, profile, error),
        total_variation / class_limit,
    )
    return Deviation(
        effects=dict(zip(sketch.signals, ks.tolist(), strict=True)),
        class_effect=total_variation,
        shifts=dict(zip(sketch.signals, up.tolist(), strict=True)),
        classes=dict(enumerate(moved.tolist())),
        direction=np.concatenate([up, out, moved]),
        strength=max(strengths),
    )


def _joint_strength(up: NDArray[np.float64], profile: Profile, error: float) -> float:
    """How far mean ranks are off together, taking signals for as correlated as in the reference.

    Sees what moves many signals a little. Whitened and in standard errors the shifts of k signals are k independent
    normal numbers, so their sum of squares is noncentral chi-squared with mean k + c and variance 2k + 4c, where the
    dead-band gives c.
    """
    rows = profile.whitening[np.linalg.norm(profile.whitening, axis=1) <= _LONGEST_ROW].astype(np.float64)
    if not len(rows):
        return 0.0
    distance = float(np.linalg.norm(rows @ up)) / (_RANK_STD * error)
    k, c = len(rows), (JOINT_DEAD_BAND / error) ** 2
    return distance / math.sqrt(k + c + JOINT_AT_RISK * math.sqrt(2 * k + 4 * c))


def _class_shift(
    sketch: Sketch, prior: NDArray[np.float64], n_effective: float, n_ref: int
) -> tuple[NDArray[np.float64], float, float]:
    """Shift of each class's share, total variation, and how much of it is nothing to speak of."""
    counted = int(sketch.classes.sum())
    if not prior.size or counted == 0:
        return np.zeros(prior.size), 0.0, 1.0
    n = n_effective * counted / sketch.n
    moved = sketch.classes / counted - prior
    # Mean of |difference| of two shares (normal approximation), summed over classes and halved.
    spread = np.sqrt(2 / math.pi * prior * (1 - prior) * (1 / n + 1 / n_ref))
    limit = float(spread.sum()) / 2 + CLASS_AT_RISK / math.sqrt(n) + CLASS_DEAD_BAND
    return moved, float(np.abs(moved).sum()) / 2, limit
