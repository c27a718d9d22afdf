"""Errors that labels show."""

from __future__ import annotations

import numpy as np
import pytest

from edge_models.drift import ErrorRate
from edge_models.errors import DriftStateError


def _run(detector: ErrorRate, rate: float, n: int, seed: int) -> int | None:
    for i, is_wrong in enumerate((np.random.default_rng(seed).random(n) < rate).tolist()):
        if detector.update(is_wrong):
            return i + 1
    return None


@pytest.mark.parametrize("reference", [0.0, 0.07, 0.5, 0.9])
def test_an_answer_wrong_with_the_allowed_probability_pays_one(reference: float) -> None:
    detector = ErrorRate(reference, 1e9)
    bound, stakes = detector._bound, detector._stakes

    pays = bound * (1 + stakes * (1 - bound)) + (1 - bound) * (1 + stakes * (0 - bound))

    assert (pays <= 1 + 1e-12).all()
    assert (1 - stakes * bound > 0.049).all()


def test_the_average_run_length_is_the_threshold_at_least() -> None:
    lengths = np.array([_run(ErrorRate(0.07, 50), 0.09, 2000, seed) or 2000 for seed in range(150)])

    assert lengths.mean() - 3 * lengths.std() / np.sqrt(len(lengths)) >= 50


@pytest.mark.parametrize(("rate", "within"), [(0.30, 150), (0.55, 60)])
def test_more_errors_are_found(rate: float, within: int) -> None:
    found = [_run(ErrorRate(0.07, 2.6e6), rate, 1000, seed) for seed in range(9)]

    assert all(found)
    assert np.median([length for length in found if length]) <= within


def test_a_model_that_is_always_wrong_on_its_reference_is_not_watched() -> None:
    assert _run(ErrorRate(0.99, 10), 1.0, 500, 0) is None


def test_a_restored_one_goes_on_bit_by_bit() -> None:
    one, other = ErrorRate(0.1, 1e6), ErrorRate(0.1, 1e6)
    _run(one, 0.2, 50, 0)

    other.restore(one.save())

    assert other.save() == one.save()
    assert [other.update(True), other.value] == [one.update(True), one.value]


def test_after_an_alarm_it_begins_anew_and_is_saved_empty() -> None:
    detector = ErrorRate(0.1, 10)
    while not detector.update(True):
        pass

    other = ErrorRate(0.1, 10)
    other.restore(detector.save())
    detector.update(False)

    assert other.value == 0
    assert detector.value < 1


def test_a_state_of_something_else_is_refused() -> None:
    detector = ErrorRate(0.1, 10)
    for data in (b"", b"XXXX" + detector.save()[4:], detector.save()[:8] + b"\xff" * 32):
        with pytest.raises(DriftStateError, match="state of error_rate"):
            detector.restore(data)


@pytest.mark.parametrize(("error", "threshold", "tolerance"), [(-0.1, 10, 0.0), (0.1, 0, 0.0), (0.1, 10, -1.0)])
def test_arguments_that_make_no_sense_are_refused(error: float, threshold: float, tolerance: float) -> None:
    with pytest.raises(ValueError, match="expected"):
        ErrorRate(error, threshold, tolerance)
