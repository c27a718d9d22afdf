"""The embedded broker: iotcore (rumqttd in a wheel) in a child process, the only place that knows it.

rumqttd speaks MQTT 5 and MQTT 3.1.1 on separate ports over one set of topics. It has neither access control nor a
shutdown call: it listens on this machine only unless told otherwise, and it ends with its process. It keeps nothing on
disk: retained messages are published again by their owners when they connect, as the contract has it.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy import process
from deploy.clock import Clock, SystemClock
from deploy.errors import BrokerError

log = logging.getLogger(__name__)

DEFAULT_PORT = 1883
MAX_PAYLOAD_BYTES = 4 << 20  # rumqttd's own 20 KB would cut off a device that sends one sample
START_TIMEOUT_S = 20.0
_POLL_S = 0.02

# Segments are the in-memory log of each topic: their product bounds how much a persistent session may lag behind.
_CONFIG = """\
id = 0

[router]
id = 0
max_connections = 10010
max_outgoing_packet_count = 200
max_segment_size = 16777216
max_segment_count = 4
"""
_LISTENER = """
[{version}.1]
name = "mqtt-{version}"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[{version}.1.connections]
connection_timeout_ms = 60000
max_payload_size = {max_payload_bytes}
max_inflight_count = 100
dynamic_filters = true
"""


class EmbeddedBroker:
    """An MQTT broker in a child process, for the length of a ``with`` block.

    Args:
        host: Address to listen on. There is no access control: anything but a loopback address opens it to the network.
        port: Port for MQTT 5; 0 takes a free one.
        port_v3: Port for MQTT 3.1.1; 0 takes a free one.
        max_payload_bytes: Largest message.
        clock: Measures the start.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        port_v3: int = 0,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        clock: Clock | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.port_v3 = port_v3
        self._max_payload_bytes = max_payload_bytes
        self._clock = clock or SystemClock()
        self._resources = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the broker's process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the broker and return when it accepts connections.

        Raises:
            BrokerError: A port is taken, or the broker does not come up.
        """
        if self._process is not None:
            raise RuntimeError("the broker has been started before")
        with contextlib.ExitStack() as resources:
            self.port, self.port_v3 = _reserved(self.host, self.port, self.port_v3)
            directory = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="driftline-broker-")))
            config = directory / "rumqttd.toml"
            config.write_text(self._config(), encoding="utf-8")
            # -P: a folder named iotcore in the working directory must not take the package's place.
            command = [sys.executable, "-P", "-m", "iotcore", "--config", str(config), "--log-level", "CRITICAL"]
            self._process = process.start(command, stdout=subprocess.DEVNULL)
            resources.enter_context(process.running(self._process))
            self._wait_until_ready(self._process)
            self._resources = resources.pop_all()
        log.info("broker listens host=%s mqtt5=%d mqtt311=%d", self.host, self.port, self.port_v3)

    def stop(self) -> None:
        """End the broker; harmless when it has ended."""
        self._resources.close()
        self._process = None

    def wait(self, timeout_s: float) -> bool:
        """Wait until the broker's process has ended, which it does only by accident; tell whether it has."""
        if self._process is None:
            return True
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)
        return not self.is_running

    def _config(self) -> str:
        listeners = (("v5", self.port), ("v4", self.port_v3))
        return _CONFIG + "".join(
            _LISTENER.format(version=version, host=self.host, port=port, max_payload_bytes=self._max_payload_bytes)
            for version, port in listeners
        )

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> None:
        deadline_s = self._clock.monotonic_s() + START_TIMEOUT_S
        while not all(_accepts(self.host, port) for port in (self.port, self.port_v3)):
            if child.poll() is not None:
                raise BrokerError(
                    f"the embedded broker ended with code {child.returncode} while starting on port {self.port}; "
                    "choose other ports with --port and --port-v3"
                )
            if self._clock.monotonic_s() > deadline_s:
                raise BrokerError(
                    f"the embedded broker does not accept connections on port {self.port} after {START_TIMEOUT_S:g} s"
                )
            self._clock.sleep(_POLL_S)


def _reserved(host: str, *ports: int) -> tuple[int, ...]:
    """Check that ``ports`` are free and fill in free ones for 0; another program may still be faster."""
    found = []
    with contextlib.ExitStack() as held:
        for port in ports:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            probe = held.enter_context(socket.socket(family, socket.SOCK_STREAM))
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the broker does: TIME_WAIT is no obstacle
            try:
                probe.bind((host, port))
            except OSError as exc:
                raise BrokerError(
                    f"cannot listen on {host}:{port} ({exc.strerror}); stop the other program or choose another port"
                ) from exc
            found.append(int(probe.getsockname()[1]))
    return tuple(found)


def _accepts(host: str, port: int) -> bool:
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - what to call, not where to listen
    try:
        with socket.create_connection((target, port), timeout=0.5):
            return True
    except OSError:
        return False
