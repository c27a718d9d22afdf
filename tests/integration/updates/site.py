"""A registry behind its real HTTP server, and a device with the update client in and out of this process."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from agent.clock import SystemClock
from agent.storage import Storage
from agent.update_client.job import read_job
from agent.update_client.report import Report
from agent.update_client.run import Tools, run
from agent.update_client.transport import HttpTransport
from deploy.clock import Clock
from deploy.registry import Registry
from deploy.registry.server import build_server, listen, url_of
from edge_models.bundle import Bundle
from edge_models.channel import Channel
from tests.unit.registry.bundles import make_bundle

INT8_FILES = ("model.tflite", "profile.npz", "probe.npz")
Event = dict[str, Any]


class Server:
    """The registry's HTTP server in a thread."""

    def __init__(self, public: Path, *, port: int = 0) -> None:
        self._listener = listen("127.0.0.1", port)
        self.url = url_of(self._listener)
        self.port = int(self._listener.getsockname()[1])
        self._server = build_server(public)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})
        self._thread.start()

    def stop(self) -> None:
        self._server.force_exit = True  # as a crash would: transfers are cut, not finished
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()


class Site:
    """One registry and one device.

    Args:
        directory: Empty; everything lies under it.
        model_bytes: Size of the model's file in the bundles.
        clock: Of the registry.
    """

    def __init__(self, directory: Path, *, model_bytes: int = 20_000, clock: Clock | None = None) -> None:
        self.directory = directory
        self.model_bytes = model_bytes
        self.registry = Registry.create(directory / "registry", clock=clock)
        self.state = directory / "state"
        self.server = Server(self.registry.public)
        self.url = self.server.url
        self._serial = 0
        self._rev = 0

    def close(self) -> None:
        self.server.stop()

    def publish(self, *, on_channel: bool = True) -> Bundle:
        """A new bundle with the next serial; the channel stable names it and it alone."""
        self._serial += 1
        directory = self.directory / f"bundle-{self._serial}"
        bundle = make_bundle(directory, serial=self._serial, model_bytes=self.model_bytes)
        self.registry.publish(bundle.directory)
        if on_channel:
            self.choose(bundle)
        return bundle

    def choose(self, bundle: Bundle) -> None:
        self._rev += 1
        listed = {bundle.id: bundle.manifest.serial}
        self.registry.set_channel(
            Channel(model="digits", channel="stable", rev=self._rev, bundle=bundle.id, listed=listed)
        )

    def job(self, op: str, **fields: object) -> dict[str, object]:
        job: dict[str, object] = {
            "op": op,
            "state_dir": str(self.state),
            "metadata_url": f"{self.url}/metadata",
            "targets_url": f"{self.url}/targets",
            "root": str(self.registry.trusted_root),
            "model": "digits",
            "timeout_s": 20,
        }
        own: dict[str, object] = {"channel": "stable"} if op == "check" else {"runtimes": ["ai-edge-litert"]}
        return job | own | fields

    def check(self, **fields: object) -> Event:
        """The last event of a check, run in this process."""
        return self._run(self.job("check", **fields))[-1]

    def fetch(self, bundle: Bundle | str, **fields: object) -> Event:
        """The last event of a fetch, run in this process."""
        name = bundle if isinstance(bundle, str) else bundle.id
        return self._run(self.job("fetch", bundle=name, **fields))[-1]

    def _run(self, job: dict[str, object]) -> list[Event]:
        events: list[Event] = []
        transport = HttpTransport(user_agent="driftline-test")
        tools = Tools(
            storage=Storage,
            transport=transport,
            time=SystemClock(),
            rng=random.Random(1),
            free_bytes=lambda _: 1 << 30,
        )
        report = Report(lambda line: events.append(json.loads(line)), SystemClock())
        run(read_job(json.dumps(job).encode()), tools, report)
        transport.close()
        return events

    def is_installed(self, bundle: Bundle) -> bool:
        directory = self.state / "bundles" / bundle.id
        return directory.is_dir() and all(
            (directory / name).read_bytes() == (bundle.directory / name).read_bytes()
            for name in (*INT8_FILES, "manifest.json")
        )

    def blob(self, bundle: Bundle, name: str = "model.tflite") -> Path:
        """Where the registry has a file of a bundle."""
        return self.registry.public / "targets/blobs" / bundle.manifest.files[name].sha256


class Child:
    """``python -m agent.update_client`` with its job on the way."""

    def __init__(self, job: dict[str, object]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "agent.update_client"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        with stream_of(self._process.stdin) as stdin:
            stdin.write(json.dumps(job) + "\n")

    def events(self) -> Iterator[Event]:
        """Events as they come."""
        for line in self._process.stdout or ():
            yield json.loads(line)

    def finish(self) -> list[Event]:
        """All further events; the process has ended well."""
        events = list(self.events())
        assert self._process.wait(20) == 0
        self._close()
        return events

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal; the exit code that follows."""
        self._process.send_signal(number)
        code = self._process.wait(20)
        self._close()
        return code

    def _close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            stream_of(self._process.stdout).close()


def stream_of(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        raise ValueError("no pipe")
    return stream
