"""Brokers for tests: the embedded one, and Mosquitto where it is installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Protocol

from deploy.broker.embedded import EmbeddedBroker

PATIENCE_S = 20.0


class Broker(Protocol):
    """What a test needs of one."""

    port: int

    def start(self) -> None:
        """Start, again on the same port after a stop."""

    def stop(self) -> None:
        """End."""


class Embedded:
    """iotcore, which can be started again on the same ports."""

    def __init__(self) -> None:
        self.port = self.port_v3 = 0
        self._broker: EmbeddedBroker | None = None

    def start(self) -> None:
        self._broker = EmbeddedBroker(port=self.port, port_v3=self.port_v3)
        self._broker.start()
        self.port, self.port_v3 = self._broker.port, self._broker.port_v3

    def stop(self) -> None:
        if self._broker is not None:
            self._broker.stop()
            self._broker = None


class Mosquitto:
    """Debian's mosquitto with a configuration of the test's."""

    def __init__(self, directory: Path, *lines: str) -> None:
        self.port = free_port()
        self._directory = directory
        self._lines = lines
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def program() -> str | None:
        return shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")

    def start(self) -> None:
        program = self.program()
        if program is None:
            raise RuntimeError("mosquitto is not installed")
        config = self._directory / "mosquitto.conf"
        anonymous = [] if any(line.startswith("allow_anonymous") for line in self._lines) else ["allow_anonymous true"]
        config.write_text("\n".join([f"listener {self.port} 127.0.0.1", "user root", *anonymous, *self._lines]) + "\n")
        self._process = subprocess.Popen(
            [program, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline_s = time.monotonic() + PATIENCE_S
        while not _accepts(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"mosquitto did not start with {config.read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)
            self._process = None


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.5):
            return True
    except OSError:
        return False
