"""A TCP proxy in front of a registry: slow, and with a memory for the requests that pass."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from dataclasses import dataclass

_CHUNK_BYTES = 2048


@dataclass(frozen=True)
class Seen:
    """One request on its way through."""

    path: str
    range: str | None


class Proxy:
    """Forwards connections to ``port`` and limits what comes back.

    Args:
        port: Of the server on this machine.
        rate_bytes_s: Upper bound on the answers' rate; None for no bound.
    """

    def __init__(self, port: int, *, rate_bytes_s: float | None = None) -> None:
        self._upstream = ("127.0.0.1", port)
        self.rate_bytes_s = rate_bytes_s
        self.requests: list[Seen] = []
        self.passed_bytes = 0  # in both directions
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._is_open = True
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def asked(self, path: str) -> list[str | None]:
        """The ranges in which a path was asked for."""
        return [seen.range for seen in self.requests if seen.path == path]

    def cut(self) -> None:
        """End all connections, with what is in their buffers."""
        for pair in self._pairs:
            _close(*pair)
        self._pairs.clear()

    def close(self) -> None:
        self._is_open = False
        self.cut()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while self._is_open:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            try:
                server = socket.create_connection(self._upstream, timeout=10)
            except OSError:
                client.close()
                continue
            self._pairs.append((client, server))
            for target in (self._up, self._down):
                thread = threading.Thread(target=target, args=(client, server))
                thread.start()
                self._threads.append(thread)

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                self._note(data)
                self.passed_bytes += len(data)
                server.sendall(data)
        _close(client, server)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while self._is_open and (data := server.recv(_CHUNK_BYTES)):
                self.passed_bytes += len(data)
                client.sendall(data)
                if self.rate_bytes_s is not None:
                    time.sleep(len(data) / self.rate_bytes_s)
        _close(client, server)

    def _note(self, data: bytes) -> None:
        line = re.match(rb"GET (\S+) HTTP", data)
        if line:
            span = re.search(rb"(?i)\r\nrange: ([^\r]+)", data)
            self.requests.append(Seen(line[1].decode(), span[1].decode() if span else None))


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
