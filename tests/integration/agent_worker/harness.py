"""A worker process with the test in the supervisor's place."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from agent.ipc import Configure, Message
from agent.ipc_frames import FrameReader, encode_frame
from edge_models.bundle import Bundle
from tests.factories.bundles import INT8

ROOT = Path(__file__).parents[3]
PATIENCE_S = 30.0

M = TypeVar("M")


class WorkerProcess:
    """``python -m agent.worker``, killed at the end if it has not ended by itself."""

    def __init__(self) -> None:
        self.connection, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agent.worker", "--fd", str(theirs.fileno())],
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stderr=subprocess.PIPE,
            )
        self.messages: list[tuple[Message, bytes]] = []
        self._reader = FrameReader()
        self._looked_at = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        self.process.kill()
        self.process.wait()
        if self.process.stderr is not None:
            self.process.stderr.close()

    def send(self, message: Message, body: bytes = b"") -> None:
        """Say something to the worker."""
        self.connection.sendall(encode_frame(message, body))

    def wait_for(self, kind: type[M], accept: Callable[[M], bool] = lambda _: True) -> M:
        """The next message of a kind that the test has not waited past."""
        deadline_s = time.monotonic() + PATIENCE_S
        while True:
            while self._looked_at < len(self.messages):
                message, _ = self.messages[self._looked_at]
                self._looked_at += 1
                if isinstance(message, kind) and accept(message):
                    return message
            if not self._receive(deadline_s - time.monotonic()):
                raise AssertionError(f"no {kind.__name__}, only {[type(m).__name__ for m, _ in self.messages][-20:]}")

    def body_of(self, wanted: Message) -> bytes:
        """The body that came with a message."""
        return next(body for message, body in self.messages if message is wanted)

    def all_of(self, kind: type[M]) -> list[M]:
        """Messages of a kind so far."""
        return [message for message, _ in self.messages if isinstance(message, kind)]

    def end(self) -> int:
        """Read to the end of the stream; the exit code."""
        while self._receive(PATIENCE_S):
            pass
        return self.process.wait(PATIENCE_S)

    def _receive(self, timeout_s: float) -> bool:
        self.connection.settimeout(max(0.01, timeout_s))
        try:
            data = self.connection.recv(1 << 20)
        except (TimeoutError, ConnectionResetError):
            return False
        self.messages += self._reader.feed(data)
        return bool(data)


def configure(bundle: Bundle, **fields: object) -> Configure:
    """A Configure message for the bundle's int8 artifact."""
    settings: dict[str, object] = {"role": "active", "artifact": INT8} | fields
    return Configure(bundle_dir=str(bundle.directory), bundle=bundle.id, **settings)  # type: ignore[arg-type]
