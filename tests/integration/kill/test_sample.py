"""A seeded sample of the kill points; `python3 -m tests kill` runs them all."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kill.scenario import SCENARIOS, Suite

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(600)]

SEED = 6
OF_EACH = {"success": 7, "rollback": 7, "resume": 5, "supersede": 5}  # 24


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Suite]:
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="driftline-kill-", dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Suite(Path(folder))


def test_device_comes_back_whole_after_each_of_a_sample_of_kills(suite: Suite) -> None:
    rng = random.Random(SEED)
    chosen = [
        (scenario, point)
        for scenario, points in zip(SCENARIOS, suite.prepare_all(SCENARIOS), strict=True)
        for point in rng.sample(points, OF_EACH[scenario.name])
    ]

    faults = suite.run_all(chosen)

    assert len(chosen) == 24
    assert faults == []
