"""How many moments a device can be killed at, and how many states of the disk a power cut can leave, by kind of update.

Kill points are counted in an update each in which nothing is killed; `python3 -m tests kill` goes through them. Crash
states are gone through right here, as `tests/integration/crash_states` does it: one that does not recover ends this.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from tests.benchmarks.harness import Row, Target
from tests.integration.crash_states.exploration import Exploration
from tests.integration.crash_states.scenarios import SCENARIOS as POWER_CUTS
from tests.integration.crash_states.scenarios import bundles_of
from tests.kill.scenario import SCENARIOS, Suite
from tests.unit.update_client.memory import memory_directory

Part = tuple[list[Row], list[Target]]


def counts() -> Part:
    """Both suites' counts."""
    with tempfile.TemporaryDirectory(prefix="driftline-") as folder, memory_directory(Path(folder)) as directory:
        prepared = Suite(directory).prepare_all(SCENARIOS)
        points = {scenario.name: len(found) for scenario, found in zip(SCENARIOS, prepared, strict=True)}
        states = _crash_states(directory / "power")
    rows = [Row(name=f"kill points, {name}", values={"points": count}) for name, count in points.items()]
    rows += [
        Row(name=f"power cuts, {name}", values={"points": found.points, "states": found.states})
        for name, found in states.items()
    ]
    in_all = sum(points.values())
    return rows, [
        Target(name="kill points in all (Mender's suite: 66)", value=in_all, op=">", target=66),
        Target(name="crash states that recover", value=sum(one.states for one in states.values()), op=">", target=66),
    ]


def _crash_states(directory: Path) -> dict[str, Exploration]:
    directory.mkdir()
    bundles = bundles_of(directory)
    states = {}
    logging.disable(logging.WARNING)  # torn files are put aside with a warning, some thousand times here
    for scenario in POWER_CUTS:
        name = scenario.__name__.replace("_", " ")
        states[name] = Exploration(scratch=directory)
        states[name].explore(scenario(directory / scenario.__name__, bundles))
    logging.disable(logging.NOTSET)
    return states
