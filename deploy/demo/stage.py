"""The machine room of the demo: directories, configurations, and every program of the fleet as a process of its own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import yaml

from deploy import process
from deploy.demo.errors import DemoStalledError
from deploy.demo.options import CHANNEL, MODEL, DemoOptions, DevicePlan

LOG_LINES_SHOWN = 8
SAMPLES_PER_DEVICE = 220


class Stage:
    """Starts the programs and stops them all again, last started first, however the demo ends.

    Attributes:
        folder: Everything that the run writes lies below it.
        mqtt_port: Where the broker listens.
        registry_port: Where the registry is served.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mqtt_port, self.registry_port = _free_ports(2)
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._files = contextlib.ExitStack()

    def __enter__(self) -> Self:
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, module: str, *arguments: str | Path) -> None:
        """Start ``python -m module arguments`` with its output in ``logs/NAME.log``."""
        log = self._files.enter_context(self.log(name).open("ab"))
        self._programs[name] = process.start(_python(module, *arguments), stdout=log, stderr=log, cwd=self.folder)

    def stop(self) -> None:
        """End every program, the last started first."""
        for name in reversed(list(self._programs)):
            process.stop(self._programs.pop(name))
        self._files.close()

    def check(self) -> None:
        """Notice a program that has died.

        Raises:
            DemoStalledError: One has; the end of its log is in the text.
        """
        for name, program in self._programs.items():
            if program.poll() is not None:
                raise DemoStalledError(f"{name} ended with code {program.returncode}: {_tail(self.log(name))}")

    def call(
        self, module: str, *arguments: str | Path, on_progress: Callable[[str], None] | None = None, log: str = "calls"
    ) -> str:
        """Run a program to its end and return its standard output.

        Args:
            module: What to run.
            arguments: Its command line.
            on_progress: Called with each line of its standard error.
            log: Name of the log that keeps its standard error.

        Raises:
            DemoStalledError: It failed; its last line is in the text.
        """
        with self.log(log).open("a", encoding="utf-8") as kept, self._out(log).open("w+b") as out:
            program = process.start(_python(module, *arguments), stdout=out, stderr=subprocess.PIPE, cwd=self.folder)
            with process.running(program):
                for line in _lines(program.stderr):
                    kept.write(line + "\n")
                    if on_progress is not None:
                        on_progress(line)
                code = program.wait()
            out.seek(0)
            text = out.read().decode()
        if code != 0:
            raise DemoStalledError(f"{module} {arguments[0]} ended with code {code}: {_tail(self.log(log))}")
        return text

    def log(self, name: str) -> Path:
        """Where a program's output goes."""
        return self.folder / "logs" / f"{name}.log"

    def _out(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.out"

    def write_fleet_config(self, recipe: Path, options: DemoOptions) -> Path:
        """Write fleet.yaml for the controller and the retrain worker."""
        path = self.folder / "fleet.yaml"
        document = {
            "database": "sqlite:///fleet.sqlite",
            "registry": "registry",
            "model": MODEL,
            "channel": CHANNEL,
            "work_dir": "jobs",
            "recipe": str(recipe),
            "mqtt": {"host": "127.0.0.1", "port": self.mqtt_port, "protocol": "5"},
            "rollout": {"canary": 1, "wave_timeout_s": 120, "back_timeout_s": 60},
            "retrain": {
                "settle_s": 20,
                "settle_most_s": 40,
                "samples": SAMPLES_PER_DEVICE,
                "min_samples": SAMPLES_PER_DEVICE - 20,
                "wait_s": 60,
                "device_cap": SAMPLES_PER_DEVICE,
                "timeout_s": 600,
                "artifact": options.artifact,
            },
        }
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return path

    def write_agent_config(self, plan: DevicePlan, options: DemoOptions) -> Path:
        """Write agent.yaml of one device; nothing in it knows about the drift to come."""
        folder = self.folder / "devices" / plan.id
        folder.mkdir(parents=True, exist_ok=True)
        document = {
            "id": plan.id,
            "model": MODEL,
            "channel": CHANNEL,
            "artifact": options.artifact,
            "state_dir": "state",
            "mqtt": {"host": "127.0.0.1", "port": self.mqtt_port, "protocol": "5"},
            "update": {
                "url": f"http://127.0.0.1:{self.registry_port}",
                "root": str(self.folder / "registry" / "root.json"),
                "poll_s": 30,
                "shadow": {"frames": 60, "deadline_s": 15, "rate_hz": 20},
                "provisional": {"frames": 50, "deadline_s": 15},
            },
            "source": {"type": "replay", "path": "stream.npz", "rate_hz": options.rate_hz},
            "drift": {
                "window": 100,
                "window_effective": 100,
                "commissioning": {"hours": 0, "n_effective": 200},  # the demo has minutes where a site has days
            },
            "report": {"state_s": 2, "predictions_hz": 1000},
            "samples": {"enabled": True, "budget_per_day": SAMPLES_PER_DEVICE, "rate_hz": 20},
            "labels": {"site": "demo"},
        }
        path = folder / "agent.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
        return path


def _python(module: str, *arguments: str | Path) -> Sequence[str | Path]:
    return [sys.executable, "-m", module, *arguments]


def _lines(stream: IO[bytes] | None) -> list[str] | map[str]:
    return [] if stream is None else map(lambda line: line.decode(errors="replace").rstrip(), stream)  # noqa: C417


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return " / ".join(line.strip() for line in lines[-LOG_LINES_SHOWN:] if line.strip()) or f"nothing in {log}"


def _free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now; held open together so that they differ."""
    with contextlib.ExitStack() as open_sockets:
        sockets = [open_sockets.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def stage_folder(report: Path) -> Path:
    """Where a run keeps its files: beside the report."""
    return report.absolute().parent / "demo-run"
