"""Real candidates by the hundred: the worker's program, forked from a process that has imported everything.

``python -m tests.integration.agent_worker.forked --fd N`` is that process; ``Forks`` the test's end of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from agent import ipc
from agent.ipc_frames import FrameReader
from agent.process import WorkerProcess

ROOT = Path(__file__).parents[3]
END_WAIT_S = 0.2


class Forks:
    """Starts workers."""

    def __init__(self) -> None:
        self._line, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", __name__, str(theirs.fileno())]
            self._process = subprocess.Popen(command, cwd=ROOT, pass_fds=[theirs.fileno()], stderr=subprocess.DEVNULL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()
        self._process.wait(10)

    def spawn(self, configure: ipc.Configure) -> WorkerProcess:
        """As ``CandidateSlot`` wants it."""
        return ForkedWorker(configure, self)

    def start(self, theirs: socket.socket) -> int:
        """Fork; the process id."""
        socket.send_fds(self._line, [b"{}"], [theirs.fileno()])
        return int(json.loads(self._line.recv(100)))

    def end(self, pid: int) -> str:
        """Wait a moment, kill; how it ended."""
        self._line.send(json.dumps({"pid": pid}).encode())
        code = int(json.loads(self._line.recv(100)))
        return f"signal {-code}" if code < 0 else f"exit code {code}"


class ForkedWorker(WorkerProcess):
    """A worker that was forked instead of started."""

    def __init__(self, configure: ipc.Configure, forks: Forks) -> None:
        self.bundle = configure.bundle
        self.dropped = 0
        self._forks = forks
        self._reader = FrameReader()
        self._unsent = bytearray()
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._socket.settimeout(0.0)
            self._pid = forks.start(theirs)
        self.send(configure)

    @property
    def pid(self) -> int:
        return self._pid

    def end(self) -> str:
        self._socket.close()
        return self._forks.end(self._pid)


def serve(line: socket.socket) -> None:
    """Fork for each descriptor that comes, until the line is closed."""
    from agent.worker import candidate  # noqa: F401 - what a fork then need not import
    from agent.worker.__main__ import main
    from edge_models.engines.tflite import find_runtime

    find_runtime()
    while True:
        data, fds, _, _ = socket.recv_fds(line, 100, 1)
        if not data:
            return
        if not fds:
            line.send(json.dumps(_ended(int(json.loads(data)["pid"]))).encode())
            continue
        pid = os.fork()
        if pid == 0:
            line.close()
            os._exit(main(["--fd", str(fds[0])]))
        os.close(fds[0])
        line.send(json.dumps(pid).encode())


def _ended(pid: int) -> int:
    until_s = time.monotonic() + END_WAIT_S
    while time.monotonic() < until_s:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
