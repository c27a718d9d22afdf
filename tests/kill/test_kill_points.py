"""Every kill point of every scenario, none left out; the counts are printed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kill.scenario import SCENARIOS, Scenario, Suite

pytestmark = [pytest.mark.kill, pytest.mark.timeout(900)]

PARTS = 8  # so that one test is some dozen of them


@pytest.fixture(scope="module")
def suite() -> Iterator[Suite]:
    # SIGKILL loses nothing of the page cache: a file system in memory shows the same and is quicker.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="driftline-kill-", dir=memory if memory.is_dir() else None) as folder:
        yield Suite(Path(folder))


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_device_comes_back_whole_wherever_it_is_killed(
    suite: Suite, scenario: Scenario, part: int, capfd: pytest.CaptureFixture[str]
) -> None:
    points = suite.prepare(scenario)
    chosen = points[part::PARTS]

    faults = suite.run_all([(scenario, point) for point in chosen])

    with capfd.disabled():
        whole = len(chosen) - len(faults)
        print(f"\nkill points, {scenario.name}, part {part + 1} of {PARTS}: {whole} of {len(chosen)} come back whole")
        if part == PARTS - 1:
            print(f"kill points, {scenario.name}: {len(points)} in all")
    assert faults == []
    assert len(points) > 40
