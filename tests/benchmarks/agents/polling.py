"""What a look at the channel costs that finds nothing new: requests, and bytes on the wire in both directions."""

from __future__ import annotations

import contextlib
import re
import socket
import tempfile
import threading
from pathlib import Path

from tests.benchmarks.harness import Row, Target
from tests.integration.updates.site import Child, Site

LOOKS = 3
Part = tuple[list[Row], list[Target]]


class Meter:
    """Forwards TCP connections to a port and counts what passes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.bytes = self.requests = 0
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self._port))
                for source, sink in ((client, server), (server, client)):
                    thread = threading.Thread(target=self._forward, args=(source, sink), daemon=True)
                    thread.start()
                    self._threads.append(thread)

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.bytes += len(data)
                self.requests += len(re.findall(rb"(?m)^GET \S+ HTTP/1", data))
                sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


def polls() -> Part:
    """The first look of a device, and those after it."""
    with tempfile.TemporaryDirectory(prefix="driftline-") as folder:
        site = Site(Path(folder))
        meter = Meter(site.server.port)
        try:
            site.publish()
            looks = [_look(site, meter) for _ in range(1 + LOOKS)]
        finally:
            meter.close()
            site.close()
    first, *idle = looks
    worst = {key: max(look[key] for look in idle) for key in first}
    rows = [Row(name="look at the channel, first", values=first), Row(name="look at the channel, idle", values=worst)]
    return rows, [
        Target(name="requests of an idle look", value=worst["requests"], op="<=", target=2),
        Target(name="bytes of an idle look, both ways", value=worst["bytes"], op="<=", target=5000),
    ]


def _look(site: Site, meter: Meter) -> dict[str, int]:
    before = meter.requests, meter.bytes
    job = site.job("check", metadata_url=f"{meter.url}/metadata", targets_url=f"{meter.url}/targets")
    last = Child(job).finish()[-1]
    if last["event"] != "channel":
        raise RuntimeError(f"the look failed: {last}")
    return {"requests": meter.requests - before[0], "bytes": meter.bytes - before[1]}
