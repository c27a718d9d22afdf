"""Runs one long command of the bootstrap and shows that it is alive: a live line on a terminal, plain lines elsewhere.

Standard library alone, like `deploy.bootstrap`. Everything goes to standard error, which leaves standard output to the
program that follows.
"""

from __future__ import annotations

import collections
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

POLL_S = 0.1
PLAIN_EVERY_S = 15.0  # without a terminal: often enough to be seen alive, seldom enough for a log
TAIL_LINES = 15
KILL_AFTER_S = 5.0
# The user's own indexes are not for logs, and the rest would hide for a minute that packages are being installed.
NOT_SHOWN = ("Looking in ", "Attempting uninstall", "Found existing", "Uninstalling", "Successfully uninstalled")


class CommandFailedError(Exception):
    """A command of the bootstrap ended with an error; the message holds its last lines."""


def say(text: str) -> None:
    """Print one plain line about the bootstrap."""
    print(f"driftline: {text}", file=sys.stderr, flush=True)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that no child is left behind."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(command: Sequence[str], what: str, *, cwd: Path, keep_open: Sequence[int] = ()) -> None:
    """Run a command to its end.

    Args:
        command: the program and its arguments.
        what: what it does, for the user: "installing the packages".
        cwd: the folder it runs in.
        keep_open: file descriptors that it inherits, such as a lock that has to outlive a killed parent.

    Raises:
        CommandFailedError: it cannot be started or ended with an error.
    """
    started = time.monotonic()
    lines: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
    process = _started(command, cwd, keep_open)
    reader = threading.Thread(target=_collect, args=(process, lines), daemon=True)
    reader.start()
    try:
        _watch(process, what, started, lines)
    except BaseException:
        _stop(process)
        raise
    finally:
        reader.join(KILL_AFTER_S)
    if process.returncode != 0:
        tail = "".join(f"\n    {line}" for line in lines)
        raise CommandFailedError(f"{what} ended with exit code {process.returncode}; its last lines:{tail}")
    say(f"{what}: done in {time.monotonic() - started:.0f} s")


def _started(command: Sequence[str], cwd: Path, keep_open: Sequence[int]) -> subprocess.Popen[str]:
    try:
        # A session of its own: a signal then reaches the build processes that pip starts as well.
        return subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=tuple(keep_open),
            start_new_session=True,
        )
    except OSError as exc:
        raise CommandFailedError(f"{command[0]} does not start: {exc}") from exc


def _collect(process: subprocess.Popen[str], lines: collections.deque[str]) -> None:
    if process.stdout is None:
        return
    with process.stdout as output:
        for raw in output:
            line = raw.strip()
            if line and not line.startswith(NOT_SHOWN):
                lines.append(line)


def _watch(process: subprocess.Popen[str], what: str, started: float, lines: collections.deque[str]) -> None:
    live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if not live:
        say(f"{what} ...")
    next_line_at = started + PLAIN_EVERY_S
    try:
        while process.poll() is None:
            now = time.monotonic()
            status = f"driftline: {what} [{now - started:.0f} s] {lines[-1] if lines else ''}"
            if live:
                columns = shutil.get_terminal_size().columns
                print(f"\r\x1b[K{status[: columns - 1]}", end="", file=sys.stderr, flush=True)
            elif now >= next_line_at:
                next_line_at = now + PLAIN_EVERY_S
                print(status[:160], file=sys.stderr, flush=True)
            time.sleep(POLL_S)
    finally:
        if live:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _stop(process: subprocess.Popen[str]) -> None:
    """End the command, politely first, and then whatever it started."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(KILL_AFTER_S)
