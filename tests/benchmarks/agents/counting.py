"""How many points a device can be killed at in each kind of update; `python3 -m tests kill` goes through them all."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.harness import Row, Target
from tests.kill.scenario import SCENARIOS, Suite

Part = tuple[list[Row], list[Target]]


def counts() -> Part:
    """One update of each kind, in which nothing is killed."""
    with tempfile.TemporaryDirectory(prefix="driftline-") as folder:
        suite = Suite(Path(folder))
        found = {scenario.name: len(suite.prepare(scenario)) for scenario in SCENARIOS}
    rows = [Row(name=f"kill points, {name}", values={"points": count}) for name, count in found.items()]
    return rows, [Target(name="kill points in all (Mender: 66)", value=sum(found.values()), op=">", target=66)]
