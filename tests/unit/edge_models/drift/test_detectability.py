"""What the bank would find at a budget."""

from __future__ import annotations

import numpy as np
import pytest

from edge_models.drift.detectability import SHIFTS_SD, detectability
from edge_models.profile import build_profile
from tests.unit.edge_models.drift.references import CLASSES, NAMES, frames, reference

HELD_OUT, PREDICTED = frames(np.random.default_rng(8), 600)


def test_each_signal_has_its_smallest_shift_and_more_frames_find_smaller_ones() -> None:
    told: list[tuple[int, int]] = []

    found = detectability(
        reference(), HELD_OUT, PREDICTED, threshold=1e4, within=(40, 300), on_signal=lambda *at: told.append(at)
    )

    assert [one.signal for one in found] == list(NAMES)
    assert told == [(1, 3), (2, 3), (3, 3)]
    for one, std in zip(found, reference().std, strict=True):
        few, many = one.shift_sd
        assert few is not None
        assert many is not None
        assert many < few or one.signal == "border"  # of a value that is always the same any shift is seen at once
        assert few <= SHIFTS_SD[-1]
        assert one.shift == pytest.approx((few * std, many * std))


def test_a_smaller_budget_finds_larger_shifts_only() -> None:
    seldom = detectability(reference(), HELD_OUT, None, threshold=1e12, within=(60,))
    often = detectability(reference(), HELD_OUT, None, threshold=1e2, within=(60,))

    for one, other in zip(seldom, often, strict=True):
        assert (one.shift_sd[0] or np.inf) > (other.shift_sd[0] or np.inf)


def test_what_cannot_be_found_in_time_and_what_never_varies_have_no_shift() -> None:
    values = np.stack([HELD_OUT[:, 0], np.full(600, 3.0)], axis=1)
    profile = build_profile(("level", "gain"), values, PREDICTED, CLASSES)

    found = detectability(profile, values, PREDICTED, threshold=1e6, within=(2,))

    assert [one.shift_sd for one in found] == [(None,), (None,)]


@pytest.mark.parametrize("within", [(100, 50), (0,), ()])
def test_numbers_of_frames_that_do_not_rise_are_refused(within: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rise"):
        detectability(reference(), HELD_OUT, None, threshold=10, within=within)


def test_frames_that_alarm_as_they_are_tell_no_smallest_shift() -> None:
    assert detectability(reference(), HELD_OUT + 2.0, None, threshold=1e4, within=(100,)) == ()
