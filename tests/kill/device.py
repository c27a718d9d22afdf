"""One device of the kill suite: an agent with its own registry server, started, killed, started again, and judged."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from edge_models.bundle import open_bundle
from edge_models.errors import BundleError
from tests.integration.updates.site import Server
from tests.kill.point import PLAN, Plan, Point
from tests.kill.site import Site

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
RESTING = ("idle", "committed", "rolled_back", "rejected", "failed")
LOOK_EVERY_S = 0.02


class Device:
    """The program with its files; use as a context manager.

    Args:
        directory: Empty, or with a ``state`` to begin with.
        site: Where its bundles come from.
        offered: Which of the registries it meets first.
        provisional_frames: How long a model has to prove itself.
    """

    def __init__(self, directory: Path, site: Site, *, offered: str, provisional_frames: int = 20) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.log = directory / "agent.log"
        self._site = site
        self._public = directory / "public"
        self._public.symlink_to(site.public[offered])
        self._server = Server(self._public)
        self._process: subprocess.Popen[bytes] | None = None
        self._lives = 0
        self._kill_at: Point | None = None
        self._trace = Path()
        self._config = directory / "agent.yaml"
        self._config.write_text(json.dumps(self._document(provisional_frames)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._server.stop()

    def offer(self, name: str) -> None:
        """The registry goes on to the moment when this bundle was published."""
        link = self._public.with_suffix(".next")
        link.symlink_to(self._site.public[name])
        link.replace(self._public)

    def start(self, kill_at: Point | None = None) -> Path:
        """Start it; the file in which its operations are written down."""
        self._lives += 1
        self._kill_at = kill_at
        self._trace = trace = self.directory / f"trace-{self._lives}"
        trace.touch()
        plan = self.directory / f"plan-{self._lives}.json"
        Plan(trace=trace, kill_at=kill_at).write(plan)
        with self.log.open("ab") as log:
            log.write(b"-- start %d\n" % self._lives)
            log.flush()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.kill.agent", str(self._config)],
                cwd=ROOT,
                stderr=log,
                env={**os.environ, PLAN: str(plan)},
                start_new_session=True,
            )
        return trace

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(PATIENCE_S)
            self._process = None

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        """Whether it was killed, or gave up."""
        return self._process is None or self._process.poll() is not None

    @property
    def was_killed_there(self) -> bool:
        """Whether it was the point that ended it: not an end of its own, nor one at another operation."""
        code = None if self._process is None else self._process.poll()
        return code == -signal.SIGKILL and self._kill_at is not None and self._kill_at.is_where(self._trace)

    def record(self, name: str) -> dict[str, Any]:
        """One of the documents in the state directory; empty when there is none that can be read."""
        try:
            value = json.loads((self.state / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    @property
    def phase(self) -> str:
        """Of the update."""
        return str(self.record("update.json").get("phase", "idle"))

    def is_settled_with(self, name: str) -> bool:
        """Whether nothing is under way and this bundle is the one that runs."""
        active = self.record("active.json")
        runs = active.get("bundle") == self._site.bundles[name].id and not active.get("provisional")
        return runs and self.phase in RESTING

    def wait(self, is_so: Callable[[], bool], what: str, *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until something is so.

        Raises:
            AssertionError: It never was; with the end of the log.
        """
        deadline_s = time.monotonic() + timeout_s
        while not is_so():
            if time.monotonic() > deadline_s:
                raise AssertionError(f"waited {timeout_s:g} s for {what}\n{self.log.read_text()[-4000:]}")
            time.sleep(LOOK_EVERY_S)

    def faults(self, name: str) -> list[str]:
        """What is wrong with a device that has settled with this bundle."""
        active, found = self.record("active.json"), []
        for which in (active, active.get("previous")):
            if which and (problem := self._problem_of(which)) is not None:
                found.append(problem)
        if active.get("bundle") != self._site.bundles[name].id:
            found.append(f"bundle {active.get('bundle')} is active, expected {name}")
        if "worker ready" not in self.log.read_text().rpartition("-- start ")[2]:
            found.append("no worker has loaded a model since the last start")
        return found

    def _problem_of(self, version: dict[str, Any]) -> str | None:
        identity, artifact = str(version["bundle"]), str(version["artifact"])
        directory = self.state / "bundles" / identity
        whole = next(bundle for bundle in self._site.bundles.values() if bundle.id == identity)
        chosen = whole.manifest.artifacts[artifact]
        needed = [name for name in (chosen.file, chosen.profile, chosen.probe.file) if name]
        try:
            open_bundle(directory, expected_id=identity, files=needed)
        except BundleError as exc:
            return f"bundle {identity[:12]} is pinned and damaged: {exc}"
        return None

    def _document(self, provisional_frames: int) -> dict[str, object]:
        quick = {"deadline_s": 20, "max_slowdown": 1000}  # the machine may be busy with other tests
        return {
            "id": "pi-1",
            "model": "digits",
            "state_dir": "state",
            "bundle": str(self._site.bundles["first"].directory),
            "mqtt": {"host": "127.0.0.1", "port": 1},
            "source": {"type": "replay", "path": str(self._site.recording), "rate_hz": 100, "loop": True},
            "report": {"state_s": 5, "predictions_hz": 0},
            "homeassistant": {"enabled": False},
            "update": {
                "url": self._server.url,
                "root": str(self._site.root),
                "poll_s": 1,
                "shadow": {**quick, "frames": 20, "rate_hz": 100},
                "provisional": {**quick, "frames": provisional_frames},
            },
        }
