"""Learn what shifts cost: a line from how the signals of a window moved to the accuracy in it.

Each family of shifts is made up in rising strengths until it costs 40 points; windows mix shifted frames with clean
ones. How good the line is on a kind of shift that it has never seen is measured by leaving each family out in turn, and
that is the interval that a device reports: nine of ten such estimates were nearer to the truth.

The line is the confidence (what CBPE says) and half of what a ridge would add to it, from the signals of the answer and
of the embedding. Half, because families that were never seen differ from all that were; and without the signals of the
input, because they tell that something happened but not what it costs: a darker picture may be as easy as before.
Errors of left-out families on MNIST and digits: 2.8 and 2.4 points; by confidence alone 3.2 and 2.7, with the input's
signals 4.5 and 2.7.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converter.profile.shifts import Family
from edge_models.drift.impact import calibrated_confidence, estimate, impact_features
from edge_models.profile import Context, ImpactModel, Profile

if TYPE_CHECKING:
    from converter.profile.observation import Observed

WINDOW = 300
SHARES = (1.0, 0.6, 0.3)  # of shifted frames in a window
WORST_DROP = 0.4
STRENGTHS = (0.1, 0.2, 0.35, 0.55, 0.8, 1.0)

Observer = Callable[[NDArray[np.float32]], "Observed"]
"""Runs the artifact over inputs."""

_DRAWS = 2  # windows of each shift and share
_CLEAN_WINDOWS = 12
_PENALTY = 0.2  # for each window
_NEVER = 1e6  # a weight that nothing can pay
_TRUST = 0.5  # in what the ridge adds
_QUANTILE = 0.9
_NEAR = 0.02  # a distance that chance alone makes in a window
_TINY = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """Frames of one condition as the impact model sees them: ranks (n, k), calibrated confidence and hits (n,)."""

    u: NDArray[np.float64]
    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shift:
    """Frames that something happened to."""

    family: str
    strength: float
    frames: Frames


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """One window with its features (f,) and its true accuracy."""

    family: str
    strength: float
    share: float
    features: NDArray[np.float64]
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftRow:
    """What was estimated for one window, and what was true.

    Attributes:
        family: Of its shift; empty for none.
        strength: 0..1.
        share: Of shifted frames in the window.
        true: Accuracy in it.
        estimated: By the model.
        low: Lower end of the interval.
        high: Upper end of it.
        cbpe: Mean calibrated confidence, what NannyML's CBPE says.
    """

    family: str
    strength: float
    share: float
    true: float
    estimated: float
    low: float
    high: float
    cbpe: float


def seen_frames(profile: Profile, observed: Observed, y: NDArray[np.int64]) -> Frames:
    """Observed frames of true classes ``y`` (n,) for the impact model; the artifact must have classes."""
    if observed.logits is None or observed.predicted is None:
        raise ValueError("frames of an artifact without classes, expected one that tells some apart")
    k = len(profile.signals)
    columns = profile.columns(observed.signals(profile.embedding))
    return Frames(
        u=profile.ranks(columns)[:, :k].astype(np.float64),
        confidence=calibrated_confidence(observed.logits, profile.temperature),
        right=observed.predicted == y,
    )


def made_up(
    profile: Profile,
    observer: Observer,
    inputs: NDArray[np.float32],
    y: NDArray[np.int64],
    of: Sequence[Family],
    rng: np.random.Generator,
    *,
    strengths: Sequence[float] = STRENGTHS,
    told: Callable[[str], None] | None = None,
) -> list[Shift]:
    """Frames of each family in rising strengths, up to the one that costs 40 points.

    Args:
        profile: Without an impact model yet.
        observer: Runs the artifact.
        inputs: To be shifted, preprocessed, (n, ...).
        y: Class of each, (n,).
        of: The families.
        rng: What chance decides.
        strengths: Rising, 0..1.
        told: Hears the name of each family before it is run.
    """
    clean = float(seen_frames(profile, observer(inputs), y).right.mean())
    found = []
    for family in of:
        if told is not None:
            told(family.name)
        for strength in strengths:
            frames = seen_frames(profile, observer(family.change(inputs, strength, rng)), y)
            cost = clean - float(frames.right.mean())
            if cost > WORST_DROP:
                break
            found.append(Shift(family=family.name, strength=strength, frames=frames))
    return found


def windows(contexts: Sequence[Context], clean: Frames, shifts: Sequence[Shift], seed: int = 0) -> list[Window]:
    """Windows of each shift mixed with clean frames, and of clean frames alone."""
    rng = np.random.default_rng(seed)
    found = [_window(contexts, clean, None, 0.0, rng) for _ in range(_CLEAN_WINDOWS)]
    for shift in shifts:
        found += [_window(contexts, clean, shift, share, rng) for share in SHARES for _ in range(_DRAWS)]
    return found


def learnt_impact(found: Sequence[Window], input_signals: int) -> tuple[ImpactModel, tuple[ShiftRow, ...]]:
    """The model of all windows, and a row for each shifted one: estimate and interval are learnt without its family.

    Args:
        found: Of several families, and clean ones.
        input_signals: How many of the signals, the first ones, are of the input.

    Raises:
        ValueError: Windows of fewer than two families.
    """
    names = _families(found)
    if len(names) < 2:
        raise ValueError(f"windows of {len(names)} families of shifts, expected at least 2 to leave one out")
    held_out: list[tuple[Window, float]] = []
    for name in names:
        rest = [window for window in found if window.family != name]
        model = _line(rest, input_signals)
        held_out += [(window, estimate(model, window.features).accuracy) for window in found if window.family == name]
    residuals = np.array([abs(guess - window.accuracy) for window, guess in held_out])
    distances = np.array([np.abs(window.features[:-1]).mean() for window, _ in held_out])
    model = _line(found, input_signals, *_interval(residuals, distances, len(names)))
    of_family = np.array([window.family for window, _ in held_out])
    reaches = np.empty(len(held_out))
    for name in names:
        others = of_family != name
        constant, slope = _interval(residuals[others], distances[others], len(names) - 1)
        reaches[~others] = constant + slope * distances[~others]
    rows = [
        _row(window, guess, max(guess - reach, 0.0), min(guess + reach, 1.0))
        for (window, guess), reach in zip(held_out, reaches.tolist(), strict=True)
    ]
    return model, tuple(rows)


def measure_impact(profile: Profile, found: Sequence[Window]) -> tuple[ShiftRow, ...]:
    """Rows for windows, such as of shifts that the profile's impact model has not learnt from.

    Raises:
        ValueError: The profile has no impact model.
    """
    if profile.impact is None:
        raise ValueError("profile without an impact model, expected one built from labelled examples")
    rows = []
    for window in found:
        given = estimate(profile.impact, window.features)
        rows.append(_row(window, given.accuracy, given.low, given.high))
    return tuple(rows)


def _row(window: Window, estimated: float, low: float, high: float) -> ShiftRow:
    return ShiftRow(
        family=window.family,
        strength=window.strength,
        share=window.share,
        true=window.accuracy,
        estimated=estimated,
        low=low,
        high=high,
        cbpe=float(window.features[-1]),
    )


def _window(
    contexts: Sequence[Context], clean: Frames, shift: Shift | None, share: float, rng: np.random.Generator
) -> Window:
    shifted = 0 if shift is None else round(share * WINDOW)
    parts = [(clean, rng.choice(len(clean.right), WINDOW - shifted, replace=len(clean.right) < WINDOW))]
    if shift is not None:
        of = len(shift.frames.right)
        parts.append((shift.frames, rng.choice(of, shifted, replace=of < shifted)))
    u = np.concatenate([frames.u[chosen] for frames, chosen in parts])
    confidence = np.concatenate([frames.confidence[chosen] for frames, chosen in parts])
    right = np.concatenate([frames.right[chosen] for frames, chosen in parts])
    weights = np.array([context.n for context in contexts], np.float64)
    features = impact_features(
        contexts, weights / weights.sum(), u.mean(axis=0), np.abs(2 * u - 1).mean(axis=0), float(confidence.mean())
    )
    return Window(
        family="" if shift is None else shift.family,
        strength=0.0 if shift is None else shift.strength,
        share=share,
        features=features,
        accuracy=float(right.mean()),
    )


def _line(
    found: Sequence[Window], input_signals: int, residual_90: float = 0.0, residual_slope: float = 0.0
) -> ImpactModel:
    x, y = _table(found)
    mean, std = x.mean(axis=0), np.maximum(x.std(axis=0), _TINY)
    scaled = (x - mean) / std
    k = x.shape[1] // 2  # features are the means of k ranks, of k distances from the middle, and the confidence
    penalty = np.full(x.shape[1], _PENALTY)
    penalty[:input_signals] = penalty[k : k + input_signals] = _NEVER
    missed = y - x[:, -1]
    added = np.linalg.solve(scaled.T @ scaled + np.diag(penalty * len(x)), scaled.T @ (missed - missed.mean()))
    weights = _TRUST * added
    weights[-1] += std[-1]
    clean = [window.accuracy for window in found if not window.family]
    return ImpactModel(
        mean=_stored(mean),
        std=_stored(std),
        weights=_stored(weights),
        intercept=float(mean[-1] + _TRUST * missed.mean()),
        residual_90=residual_90,
        residual_slope=residual_slope,
        reference_accuracy=float(np.mean(clean)),
    )


def _stored(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Values as a profile keeps them."""
    return values.astype(np.float16).astype(np.float32)


def _table(found: Sequence[Window]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Features (n, f) and true accuracies (n,)."""
    return np.stack([window.features for window in found]), np.array([window.accuracy for window in found])


def _families(found: Sequence[Window]) -> list[str]:
    return sorted({window.family for window in found if window.family})


def _interval(residuals: NDArray[np.float64], distances: NDArray[np.float64], of_families: int) -> tuple[float, float]:
    """A constant and a slope over the distance that cover nine of ten residuals of a further family.

    Residuals grow with the distance (MNIST: nine of ten below .03 where signals hardly moved, .25 where they left the
    reference); one width for all would be too wide for the small drifts and too narrow for the large. Windows of one
    family resemble each other, so families are what is counted: with F of them the quantile is .9 (F + 1) / F, as in
    split conformal prediction.
    """
    quantile = min(_QUANTILE * (of_families + 1) / of_families, 1.0)
    slope = float(np.quantile(residuals / (distances + _NEAR), quantile))
    return slope * _NEAR, slope
