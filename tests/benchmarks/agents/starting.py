"""From the start of the program to the first prediction at the broker."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from tests.benchmarks.agents.setup import agent
from tests.benchmarks.harness import Row, Target
from tests.integration.agent.device import Device, Onlooker

REPEATS = 5
MAX_S = 2.0
Part = tuple[list[Row], list[Target]]


def starts() -> Part:
    """A device that has its model; the first start, which installs it, does not count."""
    with tempfile.TemporaryDirectory(prefix="driftline-") as folder, agent(Path(folder), "replay") as setup:
        took_s = [_start_s(setup.device, setup.onlooker) for _ in range(1 + REPEATS)][1:]
    values = {"median_s": round(median(took_s), 2), "worst_s": round(max(took_s), 2), "starts": REPEATS}
    target = Target(name="start to first prediction in s, median", value=median(took_s), op="<=", target=MAX_S)
    return [Row(name="start to first prediction", values=values)], [target]


def _start_s(device: Device, onlooker: Onlooker) -> float:
    started_s = time.monotonic()
    device.start()
    first = onlooker.wait_for("prediction", after_s=started_s)
    device.stop()
    return first.at_s - started_s
