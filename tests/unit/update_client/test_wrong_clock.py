"""Looks at a registry while the machine's clock is wrong: 1970, ten years back, ten years ahead, and right again."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.trusted_time import TrustedTime
from deploy.registry import Registry
from edge_models.bundle import Bundle
from tests.unit.update_client.run_site import Site, assert_error, built_registry

DAY_S = 86_400.0
TEN_YEARS_S = 3650 * DAY_S
SetClock = Callable[[float], None]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bundle]:
    return built_registry(tmp_path_factory.mktemp("built"))


@pytest.fixture
def now_s() -> float:
    return dt.datetime.now(dt.UTC).timestamp()


@pytest.fixture
def site(tmp_path: Path, built: tuple[Path, Bundle], now_s: float) -> Site:
    shutil.copytree(built[0], tmp_path / "registry")
    site = Site(tmp_path, Registry(tmp_path / "registry"), built[1])
    site.time.utc = now_s
    return site


@pytest.fixture
def set_clock(site: Site, now_s: float, monkeypatch: pytest.MonkeyPatch) -> SetClock:
    """Sets the machine's clock, so many seconds off: python-tuf reads it itself, and we through our port."""

    def off_by(seconds: float) -> None:
        shown_s = max(now_s + seconds, 0.0)

        class Shown(dt.datetime):
            @classmethod
            def now(cls, tz: dt.tzinfo | None = None) -> Shown:
                return cls.fromtimestamp(shown_s, tz)

        module = type("module", (), {"datetime": Shown, "timezone": dt.timezone})
        monkeypatch.setattr("tuf.ngclient._internal.trusted_metadata_set.datetime", module)
        site.time.utc = None if seconds < 0 else shown_s  # a time before the release is no time

    return off_by


@pytest.mark.parametrize("off_s", [-1e12, -TEN_YEARS_S, -DAY_S, 0.0, DAY_S])
def test_clock_in_the_past_or_a_little_off_changes_nothing(site: Site, set_clock: SetClock, off_s: float) -> None:
    set_clock(off_s)

    assert site.run("check")[-1]["event"] == "channel"


@pytest.mark.parametrize("off_s", [-1e12, -TEN_YEARS_S])
def test_clock_in_the_past_makes_nothing_fresh_that_expired_below_the_floor(
    site: Site, set_clock: SetClock, now_s: float, off_s: float
) -> None:
    set_clock(off_s)

    assert_error(site.run("check", now_floor=now_s + 8 * DAY_S), "expired")


def test_clock_ten_years_ahead_refuses_and_says_what_to_do(site: Site, set_clock: SetClock) -> None:
    set_clock(TEN_YEARS_S)

    events = site.run("check")

    assert_error(events, "expired")
    assert "clock" in events[-1]["message"]


@pytest.mark.parametrize("knows_the_registry", [True, False])
def test_device_whose_clock_jumped_ahead_and_back_is_not_locked_out(
    site: Site, set_clock: SetClock, now_s: float, knows_the_registry: bool
) -> None:
    stored: list[float] = []
    trusted = TrustedTime(site.time, stored_s=0.0, store=stored.append)

    def look() -> str:
        last = site.run("check", now_floor=trusted.floor_s)[-1]
        if "fresh_until" in last:
            trusted.accepted(until_s=last["fresh_until"])
        trusted.tick(0.0)
        return str(last["event"] if last["event"] == "channel" else last["code"])

    if knows_the_registry:
        assert look() == "channel"
    set_clock(TEN_YEARS_S)
    assert [look() for _ in range(3)] == ["expired"] * 3
    set_clock(0.0)
    ahead = look()  # until the registry signs anew where the jump was seen, at once where it was not

    assert max(stored, default=0.0) <= now_s + 7 * DAY_S + 60
    assert ahead == ("expired" if knows_the_registry else "channel")
    set_clock(7 * DAY_S - 60)
    Registry(site.registry.directory, clock=_In(7 * DAY_S - 60)).renew()
    assert look() == "channel"


class _In:
    """A clock that is ahead."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def unix_s(self) -> float:
        return dt.datetime.now(dt.UTC).timestamp() + self._seconds

    def monotonic_s(self) -> float:
        return 0.0

    def sleep(self, duration_s: float) -> None:
        raise AssertionError(duration_s)
