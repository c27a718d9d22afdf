"""Histograms of durations: how right they are, and what is no histogram."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.errors import FieldError
from edge_models.latency import BUCKETS, MAX_ENCODED_CHARS, Latency

DURATIONS = st.lists(st.floats(min_value=1.0, max_value=2e8), min_size=1, max_size=200)


def counted(durations_us: list[float]) -> Latency:
    latency = Latency()
    for duration_us in durations_us:
        latency.add(duration_us)
    return latency


@given(DURATIONS, st.floats(min_value=0, max_value=1))
def test_every_quantile_is_within_4_4_percent(durations_us: list[float], share: float) -> None:
    exact = sorted(durations_us)[int(share * (len(durations_us) - 1))]

    assert counted(durations_us).quantile_us(share) == pytest.approx(exact, rel=0.044)


@given(DURATIONS)
def test_what_is_encoded_is_decoded_as_it_was(durations_us: list[float]) -> None:
    latency = counted(durations_us)

    again = Latency.decoded(latency.encoded())

    assert (again.encoded(), again.n) == (latency.encoded(), latency.n)


@pytest.mark.parametrize("duration_us", [0.0, -5.0, 0.3, 1e12])
def test_what_no_bucket_holds_counts_in_the_nearest(duration_us: float) -> None:
    assert counted([duration_us]).encoded() in {"0:1", f"{BUCKETS - 1}:1"}


def test_largest_text_can_be_read_back() -> None:
    text = ",".join(f"{bucket}:{10**16 - 1}" for bucket in range(BUCKETS))

    assert len(text) <= MAX_ENCODED_CHARS
    assert Latency.decoded(text).encoded() == text


@pytest.mark.parametrize("text", ["1:0", "999:1", "1:1,", "1:-1", "1:1e3", "1:" + "9" * 4900, "nonsense", "\n", "1"])
def test_what_is_no_histogram_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="expected BUCKET:COUNT"):
        Latency.decoded(text)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(FieldError):
        assert Latency.decoded(text).n >= 0


def test_longer_text_than_any_is_refused() -> None:
    with pytest.raises(FieldError, match="at most"):
        Latency.decoded("1:1," * MAX_ENCODED_CHARS)


def test_nothing_counted_has_no_quantile() -> None:
    assert Latency().quantile_us(0.5) is None
