"""From the start of the program to the first prediction at the broker."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

import psutil

from tests.benchmarks.agents.setup import agent
from tests.benchmarks.harness import Row, Target
from tests.integration.agent.device import Device, Onlooker

REPEATS = 5
MAX_S = 2.0
Part = tuple[list[Row], list[Target]]


def starts() -> Part:
    """A device that has its model; the first start, which installs it, does not count."""
    with tempfile.TemporaryDirectory(prefix="driftline-") as folder, agent(Path(folder), "replay") as setup:
        starts_ = [_start(setup.device, setup.onlooker) for _ in range(1 + REPEATS)][1:]
    took_s = [wall_s for wall_s, _ in starts_]
    values = {
        "median_s": round(median(took_s), 2),
        "worst_s": round(max(took_s), 2),
        "cpu_s": round(median(cpu_s for _, cpu_s in starts_), 2),
    }
    target = Target(name="start to first prediction in s, median", value=median(took_s), op="<=", target=MAX_S)
    return [Row(name="start to first prediction", values=values)], [target]


def _start(device: Device, onlooker: Onlooker) -> tuple[float, float]:
    """Seconds until the first prediction, and seconds of CPU that supervisor and workers have taken by then."""
    started_s = time.monotonic()
    device.start()
    first = onlooker.wait_for("prediction", after_s=started_s)
    program = psutil.Process(device.pid)
    times = [process.cpu_times() for process in (program, *program.children())]
    device.stop()
    return first.at_s - started_s, sum(time_.user + time_.system for time_ in times)
