"""Rhythm and rate limits on a clock that is handed in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.worker.pacing import Pacer, RateLimit


def test_small_delays_do_not_add_up() -> None:
    pacer = Pacer(rate_hz=100.0, start_s=0.0)

    for _ in range(1000):
        pacer.advance(now_s=pacer.due_s + 0.004)

    assert abs(pacer.due_s - 10.0) < 1e-6


def test_a_stream_that_fell_behind_goes_on_from_now() -> None:
    pacer = Pacer(rate_hz=10.0, start_s=0.0)

    pacer.advance(now_s=60.0)

    assert pacer.due_s == 60.0


@given(rate_hz=st.floats(0.1, 100), gaps=st.lists(st.floats(0, 3), max_size=200))
def test_no_more_than_the_rate_is_allowed_in_the_long_run(rate_hz: float, gaps: list[float]) -> None:
    limit = RateLimit(rate_hz=rate_hz)
    now_s, allowed = 0.0, 0

    for gap in gaps:
        now_s += gap
        allowed += limit.allows(now_s)

    assert allowed <= max(1.0, rate_hz) + now_s * rate_hz + 1e-6


def test_a_rate_of_nothing_allows_nothing() -> None:
    limit = RateLimit(rate_hz=0.0)

    assert not any(limit.allows(float(t)) for t in range(100))
