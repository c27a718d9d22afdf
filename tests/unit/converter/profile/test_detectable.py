"""What the report tells of drift: conditions, smallest shifts and the worth of estimates."""

from __future__ import annotations

import pytest

from converter.profile import ShiftRow
from converter.profile.detectable import found_drift
from converter.profile.honesty import cost_found
from tests.factories.bundles import INPUT
from tests.unit.converter.profile.digits import INPUTS, int8, taken


def row(family: str, *, true: float, estimated: float, cbpe: float) -> ShiftRow:
    return ShiftRow(
        family=family,
        strength=0.5,
        share=1.0,
        true=true,
        estimated=estimated,
        low=estimated - 0.05,
        high=estimated + 0.05,
        cbpe=cbpe,
    )


def test_estimates_are_held_against_the_truth_by_family_the_costliest_first() -> None:
    rows = (
        row("", true=0.9, estimated=0.9, cbpe=0.9),
        row("blur", true=0.8, estimated=0.82, cbpe=0.7),
        row("noise", true=0.5, estimated=0.6, cbpe=0.8),
        row("noise", true=0.7, estimated=0.7, cbpe=0.8),
    )

    found = cost_found(rows, 0.91)

    assert found is not None
    assert [one.family for one in found.families] == ["noise", "blur"]
    assert found.families[0].worst == 0.5
    assert found.families[0].error == pytest.approx(0.05)
    assert found.families[0].covered == 0.5
    assert found.families[0].confidence_error == pytest.approx(0.2)
    assert (found.whole.windows, found.whole.covered) == (4, 0.75)


def test_no_rows_are_no_estimates() -> None:
    assert cost_found((), 0.9) is None


def test_what_devices_know_comes_from_the_profile_and_from_families_left_out() -> None:
    made = taken()

    found = found_drift(int8(), INPUT, made.profile, INPUTS, cost=made.cost)

    assert [(one.name, one.frames) for one in found.conditions] == [("reference", 400)]
    assert {one.signal for one in found.signals} == set(made.profile.signals)
    assert found.cost is not None
    assert "blur" in {one.family for one in found.cost.families}
    assert 0 < found.cost.whole.error < 0.15


def test_too_few_examples_tell_no_smallest_shift_but_what_is_known() -> None:
    found = found_drift(int8(), INPUT, taken().profile, INPUTS[:49])

    assert (found.signals, found.frames, found.cost) == ((), 49, None)
    assert found.conditions
