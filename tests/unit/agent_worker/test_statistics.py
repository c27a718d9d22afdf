"""The plain figures are those of River."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.worker.drift import loader
from agent.worker.drift.statistics import PlainMean, PlainRollingQuantile, PlainVariance

VALUES = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=60)


@given(VALUES)
def test_mean_and_variance_are_those_of_river(values: list[float]) -> None:
    for plain, river in ((PlainMean(), loader.statistic("Mean")), (PlainVariance(), loader.statistic("Var"))):
        for value in values:
            plain.update(value)
            river.update(value)
        assert plain.get() == pytest.approx(river.get(), rel=1e-6, abs=1e-3)


@given(VALUES, st.sampled_from([0.0, 0.5, 0.95, 1.0]), st.integers(1, 20))
def test_a_rolling_quantile_is_that_of_river(values: list[float], q: float, size: int) -> None:
    plain = PlainRollingQuantile(q=q, window_size=size)
    river = loader.statistic("RollingQuantile", q=q, window_size=size)
    for value in values:
        plain.update(value)
        river.update(value)
        assert plain.get() == pytest.approx(river.get(), rel=1e-9, abs=1e-6)


def test_before_the_first_value_there_is_no_quantile() -> None:
    assert PlainRollingQuantile(q=0.5, window_size=3).get() is None
