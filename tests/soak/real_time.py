"""``python -m tests.soak.real_time [MINUTES]``: a real agent with broker and registry, watched from outside.

Two updates come in the first quarter; what is judged is the second half.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.agent.brokers import Embedded
from tests.integration.agent.device import Device, until
from tests.integration.updates.site import Server
from tests.kill.site import Site
from tests.soak.trend import Trend, trend

SAMPLE_S = 5.0
PUBLISHED = {"second": 0.08, "third": 0.16}  # at these shares of the time
JUDGED_FROM = 0.5  # rings and histograms of the last worker fill in its first 25,000 frames
MIN_SAMPLES = 2  # a line through fewer says nothing
RATE_HZ = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What grew, in KB an hour, and what was written, in MB an hour, by process."""

    growth_kb: dict[str, Trend]
    rss_mb: dict[str, float]
    written_mb: dict[str, float]
    restarts: int

    def __str__(self) -> str:
        rows = [
            f"{name}: RSS {self.rss_mb[name]:.1f} MB, grows by {growth} KB an hour, writes "
            f"{self.written_mb[name]:.2f} MB an hour"
            for name, growth in self.growth_kb.items()
        ]
        return "\n".join([*rows, f"workers that died: {self.restarts}"])


def soak(minutes: float) -> Found:
    """Run an agent for so long."""
    with tempfile.TemporaryDirectory(prefix="driftline-soak-") as folder, _agent(Path(folder)) as (device, site, link):
        started_s = time.monotonic()
        end_s = started_s + 60 * minutes
        samples: list[tuple[float, dict[str, tuple[float, float]]]] = []
        to_publish = dict(PUBLISHED)
        while (now_s := time.monotonic()) < end_s:
            share = (now_s - started_s) / (60 * minutes)
            for name in [name for name, at in to_publish.items() if share >= at]:
                del to_publish[name]
                fresh = link.with_name(f"public-of-{name}")
                fresh.symlink_to(site.public[name])
                fresh.replace(link)
            if share >= JUDGED_FROM and (sample := _sample(device)) is not None:
                samples.append((now_s / 3600, sample))
            time.sleep(SAMPLE_S)
        assert device.record("active.json")["bundle"] == site.bundles["third"].id
        assert len(samples) > MIN_SAMPLES, f"one worker was there {len(samples)} times"
        return _found(samples, device.log.read_text().count("worker died"))


def _sample(device: Device) -> dict[str, tuple[float, float]] | None:
    """KB in memory and MB written so far, of each process; None while a worker comes or goes."""
    workers = device.children()
    if len(workers) != 1:
        return None
    return {name: _figures(pid) for name, pid in (("supervisor", device.pid), ("worker", workers[0].pid))}


def _figures(pid: int) -> tuple[float, float]:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return float(status["VmRSS"].split()[0]), int(io["write_bytes"]) / 1e6


def _found(samples: list[tuple[float, dict[str, tuple[float, float]]]], restarts: int) -> Found:
    hours = [at for at, _ in samples]
    took = hours[-1] - hours[0]
    names = ("supervisor", "worker")
    return Found(
        growth_kb={name: trend(hours, [each[name][0] for _, each in samples]) for name in names},
        rss_mb={name: samples[-1][1][name][0] / 1024 for name in names},
        written_mb={name: (samples[-1][1][name][1] - samples[0][1][name][1]) / took for name in names},
        restarts=restarts,
    )


@contextmanager
def _agent(directory: Path) -> Iterator[tuple[Device, Site, Path]]:
    with ExitStack() as opened:
        site = Site(directory)
        link = directory / "public"
        link.symlink_to(site.public["first"])
        server = Server(link)
        opened.callback(server.stop)
        broker = Embedded()
        broker.start()
        opened.callback(broker.stop)
        device = Device(
            directory,
            bundle=str(site.bundles["first"].directory),
            mqtt={"host": "127.0.0.1", "port": broker.port},
            source={"type": "replay", "path": str(site.recording), "rate_hz": RATE_HZ, "loop": True},
            drift={"window": 1000},  # a row of statistics each 10 s, as at 20 Hz
            report={"state_s": 5, "predictions_hz": 1},
            update={
                "url": server.url,
                "root": str(site.root),
                "poll_s": 10,
                "shadow": {"frames": 40, "deadline_s": 30, "max_slowdown": 1000},
                "provisional": {"frames": 40, "deadline_s": 30, "max_slowdown": 1000},
            },
        )
        opened.callback(device.stop)
        device.start()
        until(lambda: device.record("active.json"), "the first model", log=device.log)
        yield device, site, link


if __name__ == "__main__":
    print(soak(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0))
