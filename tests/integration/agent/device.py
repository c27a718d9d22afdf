"""A device: the program ``driftline-agent run`` with its configuration, and an onlooker at the broker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge_models.fields import encode
from edge_models.wire.codec import encode_message

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0  # the machine may be busy with other tests
ID = "pi-1"
ON_A_FULL_DISK = (  # files may have no length any more; pipes and sockets go on working
    "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
    "runpy.run_module('agent', run_name='__main__')"
)


@dataclass(frozen=True)
class Heard:
    """One message, as the onlooker got it."""

    at_s: float
    topic: str
    payload: bytes
    retained: bool

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.payload) if self.payload else {}
        assert isinstance(value, dict)
        return value


class Onlooker:
    """Subscribed to everything."""

    def __init__(self, port: int) -> None:
        self.heard: list[Heard] = []
        self._news = threading.Condition()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._subscribed = threading.Event()
        self._client.on_connect = lambda client, *_: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def of(self, kind: str) -> list[Heard]:
        """All messages of the device of one kind so far."""
        return [heard for heard in self.heard if heard.topic == f"driftline/{ID}/{kind}"]

    def wait_for(
        self,
        kind: str,
        accept: Callable[[Heard], bool] = lambda _: True,
        *,
        after_s: float = 0.0,
        timeout_s: float = PATIENCE_S,
    ) -> Heard:
        """The first message of a kind, heard after a moment, that is accepted."""
        deadline_s = time.monotonic() + timeout_s
        with self._news:
            while True:
                for heard in self.of(kind):
                    if heard.at_s >= after_s and accept(heard):
                        return heard
                left_s = deadline_s - time.monotonic()
                if left_s <= 0 or not self._news.wait(left_s):
                    last = [heard.payload[:300] for heard in self.of(kind)[-3:]]
                    raise AssertionError(f"no such {kind} within {timeout_s} s; the last ones: {last}")

    def say(self, kind: str, payload: bytes, *, retain: bool = False, owner: str = ID) -> None:
        """Publish to the device and wait until the broker has it."""
        info = self._client.publish(f"driftline/{owner}/{kind}", payload, qos=1, retain=retain)
        info.wait_for_publish(PATIENCE_S)

    def desire(self, desired: object) -> None:
        """Publish a retained hint."""
        self.say("desired", encode_message(desired), retain=True)

    def _on_message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        with self._news:
            payload = bytes(message.payload)
            self.heard.append(Heard(time.monotonic(), message.topic, payload, bool(message.retain)))
            self._news.notify_all()


class Device:
    """The program, its files, and how it is doing."""

    def __init__(self, directory: Path, **config: object) -> None:
        self.directory = directory
        self.state = directory / "state"
        self.log = directory / "agent.log"
        document: dict[str, object] = {"id": ID, "model": "digits", "state_dir": "state", "report": {"state_s": 0.5}}
        document.update({key: encode(value) for key, value in config.items()})
        self.config = directory / "agent.yaml"
        self.config.write_text(json.dumps(document))  # YAML is a superset
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(
        self, *, disk_is_full: bool = False, module: str = "agent", environment: Mapping[str, str] | None = None
    ) -> None:
        program = ["-c", ON_A_FULL_DISK] if disk_is_full else ["-m", module]
        # On a full disk the log goes elsewhere, as on a Pi: one that cannot be flushed would be exit code 120.
        with Path(os.devnull if disk_is_full else self.log).open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *program, "-v", "run", "-c", str(self.config)], cwd=ROOT, stderr=log,
                env=os.environ | dict(environment or {}),
            )  # fmt: skip

    def children(self, module: str = "agent.worker") -> list[psutil.Process]:
        """Its children that run a module."""
        try:
            found = psutil.Process(self.pid).children()
        except psutil.NoSuchProcess:
            return []
        return [child for child in found if module in _command(child)]

    def wait_for_child(self, accept: Callable[[psutil.Process], bool] = lambda _: True) -> psutil.Process:
        return until(lambda: next((child for child in self.children() if accept(child)), None), "a worker")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit code. No child is left behind."""
        if self._process is None:
            return 0
        family = psutil.Process(self.pid).children(recursive=True) if self._process.poll() is None else []
        if self._process.poll() is None:
            os.kill(self.pid, number)
        code = self._process.wait(PATIENCE_S)
        self._process = None
        until(lambda: not any(_lives(child) for child in family), "all children to end")
        return code

    def wait_until_it_ends(self) -> int:
        """Wait for it to end by itself; the exit code."""
        assert self._process is not None
        return self._process.wait(PATIENCE_S)

    def record(self, name: str) -> dict[str, Any]:
        """One of the documents in the state directory; empty when there is none that can be read."""
        try:
            value = json.loads((self.state / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return {}
        assert isinstance(value, dict)
        return value

    def wait_until_it_runs(self, bundle: str, *, phase: str = "committed", timeout_s: float = PATIENCE_S) -> None:
        """Wait until the disk says that this bundle runs and the update is in this phase."""

        def arrived() -> bool:
            active = self.record("active.json")
            settled = active.get("provisional") is (phase == "provisional")
            return settled and active.get("bundle") == bundle and self.record("update.json").get("phase") == phase

        until(arrived, f"{bundle[:12]} {phase}", timeout_s=timeout_s, log=self.log)


def until(found: Callable[[], Any], what: str, *, timeout_s: float = PATIENCE_S, log: Path | None = None) -> Any:
    """Wait until something is true or there."""
    deadline_s = time.monotonic() + timeout_s
    while not (value := found()):
        if time.monotonic() > deadline_s:
            tail = "" if log is None else "\n" + log.read_text()[-3000:]
            raise AssertionError(f"waited {timeout_s} s for {what}{tail}")
        time.sleep(0.02)
    return value


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _command(process: psutil.Process) -> list[str]:
    """Its arguments; none where it has ended meanwhile."""
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:  # ZombieProcess is one, too
        return []
