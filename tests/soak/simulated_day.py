"""``python -m tests.soak.simulated_day [HOURS]``: a day of an agent in a few seconds; prints a line of JSON each hour.

Core, hands, storage, outbox and update client are the real ones. The broker goes away for four hours and for a minute
now and then; three times a newer bundle is published.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

from agent.adapters import Adapters
from agent.clock import SystemClock
from agent.config import AgentConfig, load_config
from agent.mqtt_link import MqttLink
from agent.process import JobProcess, WorkerProcess
from agent.runner import build
from agent.storage import Operation, Storage
from tests.kill.site import Site
from tests.soak.simulated_time import World
from tests.soak.stand_ins import Broker, Jobs, Worker
from tests.unit.update_client.fakes import BASE

HOUR_S = 3600.0
AWAY_HOURS = (6.0, 10.0)
FLAPS_HOURS = (2.5, 5.5, 12.5, 15.0, 18.5, 22.0)
PUBLISHED_HOURS = {"second": 3.0, "third": 11.0, "deadly": 17.0}


class Counts:
    """An observer of all storages."""

    def __init__(self) -> None:
        self.steps: Counter[str] = Counter()
        self.bytes = 0

    def __call__(self, operation: Operation) -> None:
        self.steps[operation.step] += 1
        self.bytes += len(operation.data)


class Day:
    """One agent and its surroundings.

    Args:
        directory: Empty.
        say: Takes one object each hour.
    """

    def __init__(self, directory: Path, say: Callable[[dict[str, object]], None]) -> None:
        self._say = say
        self._site = Site(directory)
        self._world = World(SystemClock().utc_s() or 0.0)  # signatures are of today
        self._counts = Counts()
        self._broker = Broker(self._world)
        self._jobs = Jobs(self._world, self._open_storage, BASE)
        self._jobs.public = self._site.public["first"]
        adapters = Adapters(
            open_storage=self._open_storage,
            open_link=lambda *_: cast("MqttLink", self._broker),
            spawn_worker=lambda configure, **_: cast("WorkerProcess", Worker(self._world, configure)),
            spawn_job=lambda *given, **named: cast("JobProcess", self._jobs.spawn(*given, **named)),
            new_poll=self._world.new_poll,
        )
        self._state = directory / "state"
        self._supervisor = build(
            _config(directory, self._site), clock=self._world, rng=random.Random(1), adapters=adapters
        )

    def run(self, hours: int) -> int:
        """Live through it; the agent's exit code."""
        for hour in range(1, hours + 1):
            self._world.after(hour * HOUR_S, lambda hour=hour: self._report(hour))  # type: ignore[misc]
        self._world.after(AWAY_HOURS[0] * HOUR_S, self._broker.go)
        self._world.after(AWAY_HOURS[1] * HOUR_S, self._broker.come_back)
        for flap in FLAPS_HOURS:
            self._world.after(flap * HOUR_S, self._broker.go)
            self._world.after(flap * HOUR_S + 60.0, self._broker.come_back)
        for name, hour_published in PUBLISHED_HOURS.items():
            self._world.after(hour_published * HOUR_S, lambda name=name: self._publish(name))  # type: ignore[misc]
        self._world.after(hours * HOUR_S + 1.0, self._supervisor.stop)
        return self._supervisor.run()

    def _publish(self, name: str) -> None:
        self._jobs.public = self._site.public[name]

    def _open_storage(self, root: Path) -> Storage:
        return Storage(root, observer=self._counts)

    def _report(self, hour: int) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        io = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
        active = json.loads((self._state / "active.json").read_bytes())
        names = {bundle.id: name for name, bundle in self._site.bundles.items()}
        self._say(
            {
                "hour": hour,
                "rss_kb": pages * os.sysconf("SC_PAGE_SIZE") // 1024,
                "storage_bytes": self._counts.bytes,
                "fsyncs": self._counts.steps["fsync"] + self._counts.steps["fsync_dir"],
                "written_bytes": int(io["write_bytes"]),
                "published": sum(self._broker.published.values()),
                "stats": self._broker.published["stats"],
                "active": names[active["bundle"]],
                "provisional": active["provisional"],
            }
        )


def _config(directory: Path, site: Site) -> AgentConfig:
    path = directory / "agent.yaml"
    document = {
        "id": "pi-1",
        "model": "digits",
        "state_dir": "state",
        "bundle": str(site.bundles["first"].directory),
        "source": {"type": "mqtt", "topic": "frames", "encoding": "raw"},
        "update": {"url": BASE, "root": str(site.root)},
        "local": {"enabled": False},
    }
    path.write_text(json.dumps(document))
    return replace(load_config(path), state_dir=str(directory / "state"))


def main(hours: int) -> int:
    """Live through so many hours."""
    with tempfile.TemporaryDirectory(prefix="driftline-soak-") as folder:
        return Day(Path(folder), lambda found: print(json.dumps(found), flush=True)).run(hours)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 24))
