"""How much memory a running agent takes: supervisor and worker, idle and working.

A real agent (`python -m agent run`) with the embedded broker on this machine and the fixture model. PSS is what Linux
charges a process: its own pages and its share of those that it shares. Other Python programs on this machine make
that share smaller than it would be on a Pi, so `alone_mb` counts pages of files that both processes map once and those
that are shared with others in full: the upper bound, on a machine where nothing else runs.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from deploy.broker.embedded import EmbeddedBroker
from tests.benchmarks.harness import Report, Row, Target, Value

ROOT = Path(__file__).parents[2]
BUNDLE, FRAMES = "bundle", "frames.npz"
SETTLE_S = 10.0
START_S = 30.0
SUPERVISOR_MB = 20.0  # DESIGN: the supervisor imports neither numpy nor a runtime
IDLE_MB = 72.0  # both processes, with LiteRT and River's witness
WORKING_HZ = 50.0
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ [0-9a-f]+ \S+ \d+\s*(.*)$")


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """Memory of one process in MB, and of each file that it maps how much of it."""

    pss_mb: float
    rss_mb: float
    own_mb: float
    files_mb: dict[str, float]


def run() -> Report:
    """Measure an agent that waits for frames and one that runs them."""
    with tempfile.TemporaryDirectory(prefix="driftline-") as folder, EmbeddedBroker() as broker:
        directory = Path(folder)
        # In a process of its own: numpy and the runtime loaded here would share their pages with the agent's.
        subprocess.run([sys.executable, "-m", "tests.benchmarks.memory", folder], cwd=ROOT, check=True)
        sources: dict[str, dict[str, object]] = {
            "idle": {"type": "mqtt", "topic": "driftline-benchmark/frames", "encoding": "raw"},
            "working": {"type": "replay", "path": str(directory / FRAMES), "rate_hz": WORKING_HZ, "loop": True},
        }
        measured = {
            name: _measured(_write_config(directory / name, broker.port, directory / BUNDLE, source))
            for name, source in sources.items()
        }
    rows = [row for name, processes in measured.items() for row in _rows(name, processes)]
    worst_mb = max(processes["supervisor"].pss_mb for processes in measured.values())
    notes = (
        f"measured {SETTLE_S:.0f} s after the first frame could come; working is {WORKING_HZ:.0f} frames a second",
        "pss_mb: smaps_rollup; alone_mb: as if no other program on the machine shared a page; rss_mb counts them twice",
    )
    idle_mb = sum(process.pss_mb for process in measured["idle"].values())
    targets = (
        Target(name="supervisor, PSS in MB", value=worst_mb, op="<=", target=SUPERVISOR_MB),
        Target(name="idle, sum of PSS in MB", value=idle_mb, op="<=", target=IDLE_MB),
    )
    return Report(rows=rows, targets=targets, notes=notes)


def prepare(directory: Path) -> None:
    """Write the bundle and the frames that the agent is to run."""
    from tests.factories.bundles import make_bundle
    from tests.factories.frames import digit_frames, write_recording

    make_bundle(directory / BUNDLE)
    write_recording(directory / FRAMES, digit_frames(2000, seed=1)[0])


def _write_config(directory: Path, port: int, bundle: Path, source: dict[str, object]) -> Path:
    directory.mkdir()
    path = directory / "agent.yaml"
    document = {
        "id": f"bench-{directory.name}",
        "model": "digits",
        "state_dir": "state",
        "bundle": str(bundle),
        "mqtt": {"host": "127.0.0.1", "port": port},
        "source": source,
        "report": {"state_s": 1.0, "predictions_hz": 1.0},
    }
    path.write_text(yaml.safe_dump(document))
    return path


def _measured(config: Path) -> dict[str, Memory]:
    with _agent(config) as pid:
        worker = _worker_of(pid)
        if worker is None:
            raise RuntimeError(f"no worker within {START_S:.0f} s; the agent said: {_read(_log_of(config))[-500:]}")
        time.sleep(SETTLE_S)
        return {"supervisor": _memory(pid), "worker": _memory(worker)}


@contextmanager
def _agent(config: Path) -> Iterator[int]:
    with _log_of(config).open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "agent", "run", "-c", str(config)], cwd=ROOT, stdout=output, stderr=output
        )
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _log_of(config: Path) -> Path:
    return config.with_suffix(".log")


def _worker_of(pid: int) -> int | None:
    """The supervisor's worker, once it has a runtime loaded; None if it never has."""
    deadline_s = time.monotonic() + START_S
    while time.monotonic() < deadline_s:
        for child in _read(Path(f"/proc/{pid}/task/{pid}/children")).split():
            if "_pywrap" in _read(Path(f"/proc/{child}/maps")):
                return int(child)
        time.sleep(0.1)
    return None


def _memory(pid: int) -> Memory:
    rollup = _fields(_read(Path(f"/proc/{pid}/smaps_rollup")))
    files_mb: dict[str, float] = {}
    name = ""
    for line in _read(Path(f"/proc/{pid}/smaps")).splitlines():
        mapping = _MAPPING.match(line)
        if mapping:
            name = mapping.group(1)
        elif line.startswith(("Shared_Clean:", "Shared_Dirty:")) and name.startswith("/"):
            files_mb[name] = files_mb.get(name, 0.0) + int(line.split()[1]) / 1024
    own_mb = rollup["Private_Clean"] + rollup["Private_Dirty"]
    return Memory(pss_mb=rollup["Pss"], rss_mb=rollup["Rss"], own_mb=own_mb, files_mb=files_mb)


def _rows(name: str, processes: dict[str, Memory]) -> list[Row]:
    rows = [Row(name=f"{name}, {which}", values=_values([memory])) for which, memory in processes.items()]
    return [*rows, Row(name=f"{name}, sum", values=_values(list(processes.values())))]


def _values(memories: list[Memory]) -> dict[str, Value]:
    files: dict[str, float] = {}
    for memory in memories:
        for file, size_mb in memory.files_mb.items():
            files[file] = max(files.get(file, 0.0), size_mb)
    return {
        "pss_mb": round(sum(memory.pss_mb for memory in memories), 1),
        "alone_mb": round(sum(memory.own_mb for memory in memories) + sum(files.values()), 1),
        "rss_mb": round(sum(memory.rss_mb for memory in memories), 1),
    }


def _fields(text: str) -> dict[str, float]:
    """Sizes in MB by name."""
    lines = (line.split() for line in text.splitlines() if line.endswith("kB"))
    return {line[0].rstrip(":"): int(line[1]) / 1024 for line in lines}


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


if __name__ == "__main__":
    prepare(Path(sys.argv[1]))
