"""A gate is missed by more than it allows, and every missed one is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from converter.errors import GateError
from converter.gates import Figures, check_gates
from converter.recipe import GatesRecipe

GATES = GatesRecipe(drop=0.01, size_ratio=0.5, float_difference=1e-3, metric=0.9)
GOOD = Figures(
    float_accuracy=0.95,
    int8_accuracy=0.95,
    float_bytes=1000,
    int8_bytes=300,
    float_difference=1e-5,
    agreement=1.0,
    sqnr_db=40.0,
    n_test=500,
)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"int8_accuracy": 0.94},  # in floating point 0.95 - 0.94 is more than 0.01
        {"int8_accuracy": 1.0},
        {"int8_bytes": 500},
        {"float_difference": 1e-3},
        {"float_accuracy": 0.9, "int8_accuracy": 0.9},
    ],
)
def test_a_build_at_its_gates_passes(change: dict[str, Any]) -> None:
    check_gates(replace(GOOD, **change), GATES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"int8_accuracy": 0.938}, "drop: int8 loses 0.0120, allowed 0.0100; calibrate with more examples"),
        ({"int8_bytes": 501}, "size_ratio: int8 file is 0.501 of the float one, allowed 0.500; "),
        (
            {"float_difference": 0.5},
            "float_difference: Keras and float TFLite differ by 5.00e-01, allowed 1.00e-03",
        ),
        ({"float_difference": float("nan")}, "float_difference: Keras and float TFLite differ by nan"),
        (
            {"float_accuracy": 0.89, "int8_accuracy": 0.89},
            "metric: int8 reaches 0.8900, wanted 0.9000; train longer or bring more data",
        ),
    ],
)
def test_a_missed_gate_is_named_with_what_to_try(change: dict[str, Any], said: str) -> None:
    with pytest.raises(GateError) as caught:
        check_gates(replace(GOOD, **change), GATES)

    assert str(caught.value).startswith(said)
    assert caught.value.exit_code == 1


def test_all_missed_gates_are_named_at_once() -> None:
    bad = replace(GOOD, int8_accuracy=0.5, int8_bytes=900, float_difference=1.0)

    with pytest.raises(GateError) as caught:
        check_gates(bad, GATES)

    assert [part.split(":")[0] for part in str(caught.value).split("; ") if ":" in part] == [
        "drop",
        "size_ratio",
        "float_difference",
        "metric",
    ]
