"""What shifts cost: windows, leave-one-family-out, and intervals that hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.profile.impact import ShiftRow, Window, learnt_impact, made_up, measure_impact, seen_frames, windows
from converter.profile.observation import Observed
from converter.profile.shifts import families
from edge_models.profile import Profile, build_profile
from edge_models.signals import OUTPUT_SIGNALS, Kind, input_signal_names, input_signals_batch

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(4, 6)) * 1.5
Y = np.arange(1200) % 4
X = (CENTRES[Y] + RNG.normal(size=(1200, 6))).astype(np.float32)


def observed(x: NDArray[np.float32]) -> Observed:
    """A linear classifier."""
    logits = x.astype(np.float64) @ CENTRES.T - (CENTRES**2).sum(axis=1) / 2
    return Observed(
        inputs=input_signals_batch("rows", x),
        logits=logits,
        scores=None,
        embeddings=None,
        predicted=logits.argmax(axis=1),
    )


def rows_profile() -> Profile:
    seen = observed(X)
    names = (*input_signal_names("rows", (6,)), *OUTPUT_SIGNALS)
    return build_profile(names, seen.signals(None), seen.predicted, 4, truth=Y)


PROFILE = rows_profile()


def found_windows() -> list[Window]:
    shifts = made_up(PROFILE, observed, X[:300], Y[:300], families("rows", X), np.random.default_rng(1))
    return windows(PROFILE.contexts, seen_frames(PROFILE, observed(X), Y), shifts)


def drop(window: Window) -> float:
    """How far the mean rank of the entropy, the second signal of the answer, is above that of the reference."""
    return float(window.features[7])


def errors(rows: tuple[ShiftRow, ...]) -> tuple[float, float]:
    model = np.mean([abs(row.estimated - row.true) for row in rows])
    confidence = np.mean([abs(row.cbpe - row.true) for row in rows])
    return float(model), float(confidence)


def test_estimates_for_families_never_seen_are_near_and_their_intervals_hold() -> None:
    _, rows = learnt_impact(found_windows(), 6)

    assert np.mean([abs(row.estimated - row.true) for row in rows]) < 0.05
    assert np.mean([row.low <= row.true <= row.high for row in rows]) >= 0.85


def test_a_confidence_that_misleads_is_corrected() -> None:
    flawed = [replace(window, accuracy=window.accuracy - 0.6 * drop(window)) for window in found_windows()]

    _, rows = learnt_impact(flawed, 6)

    model, confidence = errors(rows)
    assert model < 0.85 * confidence


def test_the_interval_of_a_family_is_not_learnt_from_it() -> None:
    alone = [
        replace(window, accuracy=window.accuracy - 0.4) if window.family == "noise" else window
        for window in found_windows()
    ]

    _, rows = learnt_impact(alone, 6)

    inside = [row.low <= row.true <= row.high for row in rows if row.family == "noise"]
    assert np.mean(inside) < 0.5


def test_made_up_shifts_cost_at_most_forty_points() -> None:
    found = found_windows()

    clean = np.mean([window.accuracy for window in found if not window.family])
    assert min(window.accuracy for window in found) > clean - 0.5
    assert len({window.family for window in found}) > 5


def test_fewer_than_two_families_are_refused() -> None:
    one = [window for window in found_windows() if window.family in ("", "noise")]

    with pytest.raises(ValueError, match="1 families"):
        learnt_impact(one, 6)


def test_a_profile_without_an_impact_model_cannot_be_judged() -> None:
    with pytest.raises(ValueError, match="without an impact model"):
        measure_impact(PROFILE, [])


SHAPES: tuple[tuple[Kind, tuple[int, ...]], ...] = (
    ("image", (9, 9, 1)),
    ("image", (8, 8, 3)),
    ("rows", (5,)),
    ("rows", (20, 3)),
    ("audio", (30, 8)),
    ("audio", (400,)),
    ("audio", (20, 8, 1)),
)


@pytest.mark.parametrize(("kind", "shape"), SHAPES)
def test_every_family_changes_inputs_and_keeps_their_form(kind: Kind, shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(2).random((6, *shape)).astype(np.float32)

    for family in families(kind, x):
        shifted = family.change(x, 0.8, np.random.default_rng(3))

        assert shifted.shape == x.shape, family.name
        assert shifted.dtype == np.float32, family.name
        assert np.isfinite(shifted).all(), family.name
        assert not np.array_equal(shifted, x), family.name
