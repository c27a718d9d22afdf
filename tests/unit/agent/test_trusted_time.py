"""How far the floor of time rises, and that no clock can raise it beyond what a device gets out of again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.errors import StorageError
from agent.trusted_time import STORE_PERIOD_S, TrustedTime
from tests.unit.update_client.fakes import FakeTime

NOW = 1.8e9
WEEK_S = 7 * 86_400.0
TEN_YEARS_S = 10 * 365 * 86_400.0


class Device:
    """The floor with its disk."""

    def __init__(self, *, stored_s: float = 0.0) -> None:
        self.clock = FakeTime(utc=NOW)
        self.stored: list[float] = []
        self.is_full = False
        self.time = TrustedTime(self.clock, stored_s=stored_s, store=self._store)

    def _store(self, floor_s: float) -> None:
        if self.is_full:
            raise StorageError("no space left on device")
        self.stored.append(floor_s)

    def looks_at(self, utc_s: float | None) -> float:
        self.clock.utc = utc_s
        assert self.time.tick(0.0) == []
        return self.time.floor_s


def test_floor_follows_a_clock_that_is_right_and_is_stored_once_an_hour() -> None:
    device = Device()
    device.time.accepted(until_s=NOW + WEEK_S)

    for minute in range(180):
        device.looks_at(NOW + 60.0 * minute)

    assert device.stored == [NOW, NOW + STORE_PERIOD_S, NOW + 2 * STORE_PERIOD_S]
    assert device.time.floor_s == NOW + 60.0 * 179


def test_clock_that_is_not_known_to_be_right_raises_nothing() -> None:
    device = Device(stored_s=NOW)
    device.time.accepted(until_s=NOW + WEEK_S)

    assert device.looks_at(None) == NOW


def test_clock_in_the_past_lowers_nothing() -> None:
    device = Device(stored_s=NOW)
    device.time.accepted(until_s=NOW + WEEK_S)

    assert device.looks_at(NOW - TEN_YEARS_S) == NOW


def test_future_clock_raises_it_to_where_accepted_metadata_expire_and_no_further() -> None:
    device = Device()
    device.time.accepted(until_s=NOW + WEEK_S)

    assert device.looks_at(NOW + TEN_YEARS_S) == NOW + WEEK_S
    assert device.looks_at(NOW) == NOW + WEEK_S  # what the registry signs a week from now is above it
    assert max(device.stored) == NOW + WEEK_S


def test_future_clock_of_a_device_that_has_accepted_nothing_raises_nothing() -> None:
    device = Device()

    assert device.looks_at(NOW + TEN_YEARS_S) == 0.0


def test_full_disk_is_tried_again_an_hour_later() -> None:
    device = Device()
    device.time.accepted(until_s=NOW + WEEK_S)
    device.is_full = True
    device.looks_at(NOW)
    device.is_full = False

    device.looks_at(NOW + 60.0)
    assert device.stored == []
    device.looks_at(NOW + STORE_PERIOD_S)
    assert device.stored == [NOW + STORE_PERIOD_S]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, 0.0, NOW - TEN_YEARS_S, NOW, NOW + 3600, NOW + WEEK_S, NOW + TEN_YEARS_S]),
            st.sampled_from([NOW, NOW + WEEK_S, NOW + 2 * WEEK_S]),
        )
    )
)
def test_whatever_the_clock_does_the_floor_never_falls_and_never_exceeds_what_was_signed(
    steps: list[tuple[float | None, float]],
) -> None:
    device = Device()
    highest_s = 0.0

    for utc_s, until_s in steps:
        before_s = device.time.floor_s
        device.time.accepted(until_s=until_s)
        highest_s = max(highest_s, until_s)
        assert before_s <= device.looks_at(utc_s) <= highest_s
