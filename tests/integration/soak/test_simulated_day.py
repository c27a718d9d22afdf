"""A day of an agent, with an outage of four hours and three updates, in simulated time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.soak.trend import trend

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
HOURS = 24
SETTLED_HOUR = 12  # two updates and the outage are behind it
MAX_GROWTH_KB_PER_HOUR = 50.0
MAX_WRITTEN_MB = 80.0  # a card that bears 100 times its 16 GB lasts more than 50 years so
MAX_FSYNCS = 1500


def test_a_day_grows_nothing_loses_nothing_and_writes_little() -> None:
    program = [sys.executable, "-m", "tests.soak.simulated_day", str(HOURS)]

    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)

    assert done.returncode == 0, done.stderr[-3000:]
    assert "Traceback" not in done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    last = rows[-1]
    assert (len(rows), last["active"], last["provisional"]) == (HOURS, "deadly", False)  # the one published last
    assert last["stats"] >= 60 * HOURS - 10  # one a minute, but for workers that are just being replaced
    settled = [row for row in rows if row["hour"] >= SETTLED_HOUR]
    growth = trend([row["hour"] for row in settled], [row["rss_kb"] for row in settled])
    assert growth.high < MAX_GROWTH_KB_PER_HOUR, f"{growth} KB an hour"
    assert last["written_bytes"] < MAX_WRITTEN_MB * 1e6
    assert last["fsyncs"] < MAX_FSYNCS
