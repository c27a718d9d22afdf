"""Shares of predicted classes: exact against every share in the box, and quick enough to find another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_models.drift import ClassPrior
from edge_models.drift.class_prior import nearest_in_box
from edge_models.errors import DriftStateError
from tests.unit.edge_models.drift.references import day_and_night

PRIOR = np.array([0.1] * 10)


def _run(detector: ClassPrior, shares: np.ndarray, n: int, seed: int) -> int | None:
    for i, predicted in enumerate(np.random.default_rng(seed).choice(len(shares), n, p=shares).tolist()):
        if detector.update(predicted):
            return i + 1
    return None


def _nulls(low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Corners of the box in the simplex, found greedily along random orders: a linear function is largest in one."""
    found = []
    for _ in range(30):
        null = low.copy()
        for c in rng.permutation(len(low)):
            null[c] += min(high[c] - low[c], 1 - null.sum())
        found.append(null)
    return found


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(0, 6), scale=st.floats(1e-3, 1e3))
def test_no_share_in_the_box_pays_more_than_one_on_average(seed: int, steps: int, scale: float) -> None:
    """However well the nearest point was found: from any start, and after any number of frames."""
    rng = np.random.default_rng(seed)
    prior = rng.dirichlet(np.ones(6))
    detector = ClassPrior(prior, 500, 1e9)
    detector._scale[:] = scale
    for predicted in rng.integers(6, size=steps * 40).tolist():
        detector.update(predicted)

    pays = detector._pays()

    for null in _nulls(detector._low, detector._high, rng):
        assert null.sum() == pytest.approx(1)
        assert (pays @ null <= 1 + 1e-12).all()


def test_the_nearest_point_is_the_estimate_itself_inside_the_box() -> None:
    q = np.array([[0.3, 0.7]])

    nearest, scale, allowed = nearest_in_box(q, np.array([0.2, 0.6]), np.array([0.4, 0.8]), np.ones(1))

    np.testing.assert_allclose(nearest, q)
    assert (scale[0], allowed[0]) == (1.0, pytest.approx(1.0))


def test_the_nearest_point_is_the_one_of_a_fine_search() -> None:
    low, high = np.array([0.1, 0.1, 0.3]), np.array([0.3, 0.5, 0.7])
    q = np.array([0.7, 0.2, 0.1])
    grid = [np.array([a, b, 1 - a - b]) for a in np.linspace(0.1, 0.3, 81) for b in np.linspace(0.1, 0.5, 161)]
    inside = [p for p in grid if 0.3 <= p[2] <= 0.7]

    nearest, _, _ = nearest_in_box(q[None], low, high, np.ones(1))

    best = min(inside, key=lambda p: float((q * np.log(q / p)).sum()))
    np.testing.assert_allclose(nearest[0], best, atol=0.005)


def test_classes_three_times_as_frequent_are_found_within_its_target() -> None:
    tripled = np.array([0.3, 0.3, *[0.05] * 8])

    found = [_run(ClassPrior(PRIOR, 4000, 2_592_000 / 0.25), tripled, 2000, seed) for seed in range(15)]

    assert all(found)
    assert np.median([length for length in found if length]) <= 350


def test_shares_inside_the_box_raise_no_alarm() -> None:
    inside = PRIOR + np.array([0.009, -0.009] * 5)

    for seed in range(2):
        assert _run(ClassPrior(PRIOR, 4000, 2000), inside, 2000, seed) is None


def test_it_names_the_classes_that_changed() -> None:
    detector = ClassPrior(PRIOR, 4000, 1e5)

    assert _run(detector, np.array([0.55, *[0.05] * 9]), 1000, 0) is not None
    assert detector.ranked(1)[0][0] == "class_0"
    assert sum(share for _, share in detector.ranked(10)) == pytest.approx(1.0)


def test_the_shares_of_each_context_are_all_right_and_so_is_every_mixture() -> None:
    contexts = (np.array([0.8, 0.1, 0.1]), np.array([0.1, 0.1, 0.8]))
    detector = ClassPrior(np.stack(contexts), [2000, 2000], 2000)

    for shares in (*contexts, (contexts[0] + contexts[1]) / 2):
        assert _run(detector, shares, 800, 1) is None


def test_a_class_that_was_never_predicted_alarms_and_does_not_crash() -> None:
    detector = ClassPrior(np.array([0.5, 0.5, 0.0]), 1000, 1e6)

    assert _run(detector, np.array([0.4, 0.4, 0.2]), 400, 0) is not None
    assert detector.ranked(1)[0][0] == "class_2"


def test_rare_classes_of_many_count_together() -> None:
    prior = np.concatenate([np.full(40, 0.02), np.full(960, 0.2 / 960)])
    detector = ClassPrior(prior / prior.sum(), 5000, 1e6)
    assert len(detector.save()) < 1000

    found = next(i for i in range(1000) if detector.update(900 + i % 60))

    assert found < 200
    assert detector.ranked(1)[0][0] == "class_other"


def test_a_restored_one_goes_on_bit_by_bit() -> None:
    one, other = (ClassPrior(PRIOR, 4000, 1e6) for _ in range(2))
    _run(one, PRIOR, 200, 0)

    other.restore(one.save())

    assert other.save() == one.save()
    for predicted in np.random.default_rng(1).integers(10, size=100).tolist():
        assert one.update(predicted) == other.update(predicted)
        assert one.value == other.value


def test_it_is_made_of_contexts() -> None:
    detector = ClassPrior.of(day_and_night().contexts, 100)

    assert detector.classes.tolist() == [0, 1, 2, 3]


def test_a_state_of_something_else_is_refused() -> None:
    detector = ClassPrior(PRIOR, 4000, 1e6)
    data = detector.save()

    for damaged in (data[:-8], b"XXXX" + data[4:], data[:-8] + b"\xff" * 8):
        with pytest.raises(DriftStateError, match="state of class_prior"):
            detector.restore(damaged)


@pytest.mark.parametrize(
    ("prior", "n_ref", "threshold"),
    [([0.5, 0.4], 100, 10), ([1.0], 100, 10), ([0.5, 0.5], 0, 10), ([0.5, 0.5], 9, 0.5)],
)
def test_arguments_that_make_no_sense_are_refused(prior: list[float], n_ref: int, threshold: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        ClassPrior(np.array(prior), n_ref, threshold)


def test_a_class_that_the_model_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match="class 10"):
        ClassPrior(PRIOR, 4000, 1e6).update(10)


def test_a_saved_scale_of_zero_is_refused_for_nothing_could_be_scaled_from_it() -> None:
    detector = ClassPrior(PRIOR, 4000, 1e5)
    detector.update(3)
    state = bytearray(detector.save())
    at = len(state) - 8 * 3 * (PRIOR.size + 1)  # the sums, then the scales, then the counts
    state[at : at + 24] = bytes(24)

    with pytest.raises(DriftStateError, match="scale of 0"):
        detector.restore(bytes(state))
