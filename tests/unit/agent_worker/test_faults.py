"""Inputs that are no measurement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent.worker.drift.faults import Faults

RNG = np.random.default_rng(0)


def look(faults: Faults, x: NDArray[Any], *, refused: bool = False, out: bool = False) -> dict[str, int]:
    faults.look(x, is_refused=refused, is_out_of_range=out)
    return faults.take()


def test_ordinary_frames_have_no_faults() -> None:
    faults = Faults()

    assert [look(faults, RNG.integers(0, 255, (28, 28, 3), np.uint8)) for _ in range(5)] == [{}] * 5


def test_each_kind_is_counted() -> None:
    faults = Faults()

    assert look(faults, np.full(4, np.nan), refused=True) == {"nan": 1, "refused": 1}
    assert look(faults, np.arange(5), refused=True) == {"refused": 1}
    assert look(faults, np.arange(4.0), out=True) == {"out_of_range": 1}
    assert look(faults, np.zeros((8, 8), np.uint8)) == {"constant": 1}


def test_the_same_frame_again_is_repeated_and_runs_are_measured() -> None:
    faults, x = Faults(), RNG.integers(0, 255, (8, 8), np.uint8)
    look(faults, x)

    assert [look(faults, x.copy()) for _ in range(3)] == [{"repeated": 1}] * 3
    assert faults.repeats == 3

    x[7, 7] ^= 1  # one bit of one value is not the same
    assert look(faults, x) == {}
    assert faults.repeats == 0


def test_a_source_that_uses_its_memory_again_is_no_frozen_one() -> None:
    faults, memory = Faults(), np.zeros(64)
    memory[:] = RNG.normal(size=64)
    look(faults, memory)
    memory[:] = RNG.normal(size=64)

    assert look(faults, memory) == {}


@pytest.mark.parametrize("x", [np.zeros(0), np.array(3.0), np.zeros((0, 5)), np.array([1.0])])
def test_frames_of_no_or_one_value_are_looked_at_without_complaint(x: NDArray[Any]) -> None:
    assert look(Faults(), x) == {}


def test_frames_of_other_shapes_follow_each_other() -> None:
    faults = Faults()
    look(faults, np.arange(6.0))

    assert look(faults, np.arange(6.0).reshape(2, 3)) == {"repeated": 1}
    assert look(faults, np.arange(5.0)) == {}
    assert look(faults, np.arange(5)) == {}
