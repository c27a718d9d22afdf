"""Bringing signals to 0..1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.worker.drift.scale import OwnPastScale, ReferenceScale

numbers = st.floats(-1e6, 1e6, width=32)
edge_lists = st.lists(numbers, min_size=2, max_size=33).map(sorted)


@given(edges=edge_lists, values=st.lists(numbers, min_size=2, max_size=10))
def test_the_reference_scale_rises_with_the_value_and_stays_in_its_range(
    edges: list[float], values: list[float]
) -> None:
    scale = ReferenceScale({"s": edges})

    scaled = [u for value in sorted(values) if (u := scale("s", value)) is not None]

    assert len(scaled) == len(values)
    assert all(0.0 <= u <= 1.0 for u in scaled)
    assert scaled == sorted(scaled)


def test_values_like_the_reference_are_spread_evenly() -> None:
    rng = np.random.default_rng(0)
    edges = np.quantile(rng.normal(5, 2, 20_000), np.linspace(0, 1, 33)).tolist()
    scale = ReferenceScale({"s": edges})

    scaled = np.array([scale("s", value) for value in rng.normal(5, 2, 20_000)])

    assert scaled.mean() == pytest.approx(0.5, abs=0.01)
    assert scaled.std() == pytest.approx(1 / np.sqrt(12), abs=0.01)


def test_a_value_that_the_reference_often_had_lies_in_the_middle_of_its_share() -> None:
    scale = ReferenceScale({"s": [0.0, 1.0, 1.0, 1.0, 2.0]})

    assert scale("s", 1.0) == 0.5
    assert scale("s", 0.9) == pytest.approx(0.225)
    assert scale("s", 1.5) == pytest.approx(0.875)


def test_a_signal_that_was_constant_in_the_reference_still_tells_less_from_more() -> None:
    scale = ReferenceScale({"s": [3.0, 3.0, 3.0]})

    assert [scale("s", value) for value in (2.9, 3.0, 3.1)] == [0.0, 0.5, 1.0]


def test_without_a_reference_the_first_frames_set_the_scale() -> None:
    scale = OwnPastScale(frames=3)

    learning = [scale("s", value) for value in (1.0, 2.0, 3.0)]

    assert learning == [None, None, None]
    assert scale("s", 2.0) == 0.5
    assert scale("s", 1e9) == 1.0
    assert scale("s", 4.0) == pytest.approx(0.75)


def test_without_a_reference_a_constant_signal_has_a_scale_too() -> None:
    scale = OwnPastScale(frames=2)
    for _ in range(2):
        scale("s", 7.0)

    assert scale("s", 7.0) == 0.5
