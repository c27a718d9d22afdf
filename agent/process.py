"""Child processes: how the supervisor starts them, talks to them without ever waiting, and ends them.

Workers hang on a socketpair and speak ``agent.ipc``; jobs read one document from stdin and write lines of JSON to
stdout. All of them ask the kernel to die with the supervisor (``agent.child``).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from agent import ipc
from agent.errors import ChildError, IpcError
from agent.ipc_frames import FrameReader, encode_frame

MAX_UNSENT_BYTES = 8 << 20  # for a worker; more than that means that it does not keep up
MAX_LINE_BYTES = 512 * 1024  # a channel document of 256 KB is the longest line of a job
_READ_BYTES = 1 << 18
_ENOUGH = 256  # messages, or the bytes of the largest one, at a time: everybody else is heard as well
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_END_WAIT_S = 0.1
_KILL_WAIT_S = 2.0


class WorkerProcess:
    """One ``python -m agent.worker``.

    Args:
        configure: Its first message.
        module: Which module to run; tests bring their own worker.

    Raises:
        ChildError: It cannot be started.
    """

    def __init__(self, configure: ipc.Configure, *, module: str = "agent.worker") -> None:
        self.bundle = configure.bundle
        self._reader = FrameReader()
        self._unsent = bytearray()
        ours, theirs = socket.socketpair()
        with theirs:
            ours.settimeout(0.0)
            self._socket = ours
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", module, "--fd", str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=sys.stderr,
                )
            except OSError as exc:
                ours.close()
                raise ChildError(f"worker cannot be started: {exc.strerror}") from exc
        self.send(configure)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def wants_write(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._unsent)

    def fileno(self) -> int:
        """The socket."""
        return self._socket.fileno()

    def send(self, message: ipc.ToWorker, body: bytes = b"") -> bool:
        """Send now what the socket takes, the rest later; False for a frame that is dropped, as too much waits.

        What is no frame goes even then: a worker that is behind with its frames has to hear stop all the same.
        """
        frame = encode_frame(message, body)
        most_bytes = MAX_UNSENT_BYTES * (1 if isinstance(message, ipc.FrameIn) else 2)
        if len(self._unsent) + len(frame) > most_bytes:
            return False
        self._unsent += frame
        self.flush()
        return True

    def flush(self) -> None:
        """Write what the socket takes."""
        with contextlib.suppress(BlockingIOError, OSError):  # a dead one is noticed by reading
            while self._unsent:
                sent = self._socket.send(self._unsent)
                del self._unsent[:sent]

    def receive(self) -> tuple[list[tuple[ipc.Message, bytes]], bool]:
        """Messages that have come, and whether more may come; of one that never stops talking, some.

        Raises:
            IpcError: The worker sent something that is no message.
        """
        frames: list[tuple[ipc.Message, bytes]] = []
        read_bytes = 0
        try:
            while len(frames) < _ENOUGH and read_bytes < ipc.MAX_BODY_BYTES:
                data = self._socket.recv(_READ_BYTES)
                if not data:
                    return frames, False
                read_bytes += len(data)
                frames += self._reader.feed(data)
        except BlockingIOError:
            return frames, True
        except OSError:
            return frames, False
        return frames, True

    def resident_kb(self) -> int:
        """Resident memory in KiB; 0 where /proc does not tell, and once it has ended."""
        try:
            fields = Path(f"/proc/{self.pid}/statm").read_bytes().split()
            return int(fields[1]) * _PAGE_BYTES // 1024
        except (OSError, IndexError, ValueError):
            return 0

    def has_ended(self) -> bool:
        """Whether it has ended by itself; a process that has is freed."""
        return self._process.poll() is not None

    def end(self) -> str:
        """Kill it if it still runs, free everything, and say how it ended."""
        self._socket.close()
        return _end(self._process)


class JobProcess:
    """One short-lived child that does one thing.

    Args:
        arguments: After ``python -m``.
        document: For its stdin.
        stays_open: Whether more will be sent to its stdin.

    Raises:
        ChildError: It cannot be started.
    """

    def __init__(self, arguments: Sequence[str], document: bytes = b"", *, stays_open: bool = False) -> None:
        self._pending = bytearray()
        self._unsent = bytearray()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        except OSError as exc:
            raise ChildError(f"{arguments[0]} cannot be started: {exc.strerror}") from exc
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("Popen made no pipes")
        self._stdin = self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._stdin.write(document)  # shorter than a pipe holds, so this does not wait
            self._stdin.flush()
        if stays_open:
            os.set_blocking(self._stdin.fileno(), False)
        else:
            self._close_stdin()
        self._stdout = self._process.stdout
        os.set_blocking(self._stdout.fileno(), False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def fileno(self) -> int:
        """Its stdout."""
        return self._stdout.fileno()

    @property
    def unsent_fileno(self) -> int | None:
        """Its stdin while something waits to be written there."""
        return self._stdin.fileno() if self._unsent and not self._stdin.closed else None

    def send(self, line: bytes) -> None:
        """Send now what its stdin takes, the rest later; a line for a child that does not keep up is dropped."""
        if len(self._unsent) + len(line) <= MAX_LINE_BYTES:
            self._unsent += line + b"\n"
            self.flush()

    def flush(self) -> None:
        """Write what its stdin takes."""
        try:
            while self._unsent:
                del self._unsent[: os.write(self._stdin.fileno(), self._unsent)]
        except BlockingIOError:
            pass
        except (OSError, ValueError):  # it has ended, or its stdin was closed at the start: it needs no answers
            self._unsent.clear()

    def receive(self) -> tuple[list[dict[str, object]], bool]:
        """Objects that have come, and whether more may come.

        Raises:
            IpcError: A line is too long, or no JSON object.
        """
        open_ = True
        while open_:
            try:
                data = os.read(self._stdout.fileno(), _READ_BYTES)
            except BlockingIOError:
                break
            open_ = bool(data)
            self._pending += data
            if len(self._pending) > MAX_LINE_BYTES + _READ_BYTES:
                raise IpcError(f"a job wrote more than {MAX_LINE_BYTES} bytes in one line")
        *lines, rest = bytes(self._pending).split(b"\n")
        self._pending = bytearray(rest)
        return [_parsed(line) for line in lines if line.strip()], open_

    def end(self) -> str:
        """Kill it if it still runs, free everything, and say how it ended."""
        self._stdout.close()
        self._close_stdin()
        return _end(self._process)

    def _close_stdin(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._stdin.close()


def _parsed(line: bytes) -> dict[str, object]:
    try:
        value = json.loads(line)
    except ValueError as exc:
        raise IpcError(f"a job wrote a line that is not JSON: {exc}") from exc
    if not isinstance(value, dict):
        raise IpcError(f"a job wrote {type(value).__name__}, expected an object")
    return value


def _end(process: subprocess.Popen[bytes]) -> str:
    with contextlib.suppress(subprocess.TimeoutExpired):  # one that is ending by itself keeps its own exit code
        process.wait(_END_WAIT_S)
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    try:
        code = process.wait(_KILL_WAIT_S)
    except subprocess.TimeoutExpired:
        return "still there after SIGKILL"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
