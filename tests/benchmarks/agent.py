"""What an agent costs and how it bears being killed: every figure that the issue "cannot be bricked" asks for.

Real programs on this machine, the fixture models, the embedded broker and the registry's own web server. Each part is
a module of tests/benchmarks/agents; memory is the benchmark `memory`, which can be run alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.benchmarks import memory
from tests.benchmarks.agents.counting import counts
from tests.benchmarks.agents.deployment import deployments
from tests.benchmarks.agents.overhead import overheads
from tests.benchmarks.agents.polling import polls
from tests.benchmarks.agents.starting import starts
from tests.benchmarks.agents.swapping import swaps
from tests.benchmarks.harness import Report, Row, Target

Part = tuple[list[Row], list[Target]]
PARTS: dict[str, Callable[[], Part]] = {
    "kill points and crash states": counts,
    "bytes written": deployments,
    "idle looks": polls,
    "swaps": swaps,
    "overhead": overheads,
    "start": starts,
}
NOTES = (
    "kill points: SIGKILL before each durable operation and after those that nothing follows; `python3 -m tests kill`",
    (
        "bytes written: /proc/PID/io write_bytes of supervisor and children, from publication to commit, on the "
        "file system of the temporary directory; the same figure that Greengrass lite publishes (24 to 47 MB)"
    ),
    "idle looks: TCP bytes of requests and answers, headers included, without TLS",
    "swaps: predictions as they come to the broker; a frame each 50 ms, a prediction for each frame asked for",
    "overhead: CPU time of the thread, mean over 6,000 frames, the quickest of three processes",
    "start: from the start of the program to the first prediction at the broker, model already on the disk",
)


def run() -> Report:
    """Measure all parts, one after the other."""
    rows: list[Row] = []
    targets: list[Target] = []
    for name, part in PARTS.items():
        started_s = time.monotonic()
        found = part()
        print(f"{name}: {time.monotonic() - started_s:.0f} s", flush=True)
        rows += found[0]
        targets += found[1]
    held = memory.run()
    return Report(rows=[*rows, *held.rows], targets=[*targets, *held.targets], notes=[*NOTES, *held.notes])
