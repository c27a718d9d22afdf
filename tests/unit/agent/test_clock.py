"""Which time of the machine counts as right."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent import clock
from agent.clock import RELEASED_S, SystemClock

NOW = RELEASED_S + 1e6


def machine(
    monkeypatch: pytest.MonkeyPatch, *, now_s: float, directory: Path | None = None, synced: bool = False
) -> None:
    """A machine whose clock shows a time, with or without systemd-timesyncd."""
    monkeypatch.setattr("time.time", lambda: now_s)
    folder = directory or Path("/nonexistent")
    monkeypatch.setattr(clock, "TIMESYNC_DIRECTORY", folder)
    monkeypatch.setattr(clock, "TIMESYNC_FILE", folder / "synchronized")
    if synced:
        (folder / "synchronized").touch()


@pytest.mark.parametrize("now_s", [0.0, 1.0, RELEASED_S - 3650 * 86_400, RELEASED_S - 1])
def test_time_before_the_release_is_no_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, now_s: float) -> None:
    machine(monkeypatch, now_s=now_s, directory=tmp_path, synced=True)

    assert SystemClock().utc_s() is None


def test_time_service_that_has_not_answered_means_no_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, now_s=NOW, directory=tmp_path)
    assert SystemClock().utc_s() is None

    (tmp_path / "synchronized").touch()

    assert SystemClock().utc_s() == NOW


def test_machine_without_that_service_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, now_s=NOW)

    assert SystemClock().utc_s() == NOW
