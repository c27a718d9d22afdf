"""Real brokers for tests: the embedded one always, Mosquitto where it is installed."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy import process
from deploy.broker.embedded import EmbeddedBroker

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Ports:
    """Where a broker listens: with MQTT 5 and with MQTT 3.1.1; Mosquitto speaks both on one port."""

    mqtt5: int
    mqtt311: int


@contextlib.contextmanager
def embedded_broker() -> Iterator[Ports]:
    with EmbeddedBroker() as broker:
        yield Ports(mqtt5=broker.port, mqtt311=broker.port_v3)


@contextlib.contextmanager
def mosquitto_broker(directory: Path, *, config: str | None = None) -> Iterator[Ports]:
    """Mosquitto on the loopback address, open to everybody unless ``config`` says otherwise."""
    if MOSQUITTO is None:
        raise RuntimeError("mosquitto is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    text = config or "listener {port} 127.0.0.1\nallow_anonymous true\nmax_packet_size 1048576\n"
    file = directory / "mosquitto.conf"
    file.write_text(text.replace("{port}", str(port)), encoding="utf-8")
    child = process.start([MOSQUITTO, "-c", file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with process.running(child):
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=0.5):
                break
            if time.monotonic() > deadline or child.poll() is not None:
                raise RuntimeError("mosquitto does not start")
            time.sleep(0.02)
        yield Ports(mqtt5=port, mqtt311=port)


def until(what: str, timeout_s: float = 20.0) -> Iterator[None]:
    """Loop until the caller breaks out; fail when that takes too long."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s:g} s: {what}")
