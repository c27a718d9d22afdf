"""A server that answers everything with what an attacker likes, without end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ENDLESS = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"


class HostileServer:
    """Serves the files of ``public``; paths that ``is_target`` picks get ``body`` until nobody listens.

    Args:
        public: The served folder of a registry.
        is_target: Picks paths.
        body: Pieces of the hostile answer, from its status line on.
    """

    def __init__(self, public: Path, is_target: Callable[[str], bool], body: Callable[[], Iterator[bytes]]) -> None:
        self._public = public
        self._is_target = is_target
        self._body = body
        self.sent_bytes = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self._listener.accept()[0]
                thread = threading.Thread(target=self._answer, args=(client,))
                thread.start()
                self._threads.append(thread)

    def _answer(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            request = client.recv(65536).decode()
            if not request:
                return
            path = request.split(" ")[1]
            if self._is_target(path):
                for piece in self._body():
                    client.sendall(piece)
                    self.sent_bytes += len(piece)
                return
            file = self._public / path.lstrip("/")
            body = file.read_bytes() if file.is_file() else b""
            status = "200 OK" if file.is_file() else "404 Not Found"
            client.sendall(
                f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body
            )


def endless() -> Iterator[bytes]:
    """Data that never ends."""
    yield ENDLESS
    while True:
        yield b"0" * 16_384


def trickle() -> Iterator[bytes]:
    """A byte now and then: each one just in time for a timeout between bytes."""
    yield b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n"
    while True:
        time.sleep(0.05)
        yield b"0"


def compressed() -> Iterator[bytes]:
    """A body with a coding that nobody asked for."""
    yield b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nabcd"


def said(*pieces: bytes) -> Callable[[], Iterator[bytes]]:
    """These pieces, and then the end of the connection."""
    return lambda: iter(pieces)
