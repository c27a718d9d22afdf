"""Half an hour of a real agent: nothing grows, and what is written is counted."""

from __future__ import annotations

import pytest

from tests.soak.real_time import soak

pytestmark = [pytest.mark.soak, pytest.mark.timeout(2400)]

MINUTES = 30.0
MAX_GROWTH_KB_PER_HOUR = 1024.0  # of which half an hour can be sure
MAX_WRITTEN_MB_PER_HOUR = 30.0  # a stats row each 10 s costs most of it


def test_half_an_hour_grows_nothing_and_writes_little(capfd: pytest.CaptureFixture[str]) -> None:
    found = soak(MINUTES)

    with capfd.disabled():
        print(f"\n{found}")
    assert found.restarts == 0
    for name, growth in found.growth_kb.items():
        assert growth.low < MAX_GROWTH_KB_PER_HOUR, f"{name} grows by {growth} KB an hour"
        assert found.written_mb[name] < MAX_WRITTEN_MB_PER_HOUR
