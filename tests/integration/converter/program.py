"""The converter as a program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.architecture.tree import ROOT

PATIENCE_S = 240.0  # a build takes 10 s on an idle machine


def command(*arguments: object) -> list[str]:
    """The command line of the program."""
    return [sys.executable, "-m", "converter", *map(str, arguments)]


def convert(*arguments: object, temporary: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env=environment(temporary),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )


def start(*arguments: object, temporary: Path) -> subprocess.Popen[str]:
    """Start the program with its progress as lines on a pipe; its temporary files go to a directory of their own."""
    return subprocess.Popen(
        command(*arguments, "--progress", "json"),
        cwd=ROOT,
        env=environment(temporary),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A runner in the background ignores SIGINT, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - no threads
    )


def environment(temporary: Path | None) -> dict[str, str]:
    """The test's own, with another place for temporary files."""
    return dict(os.environ) if temporary is None else {**os.environ, "TMPDIR": str(temporary)}


def answer(*arguments: object) -> dict[str, Any]:
    """What a successful command prints with --json."""
    ended = convert(*arguments, "--json")
    assert ended.returncode == 0, ended.stderr
    found: dict[str, Any] = json.loads(ended.stdout)
    return found
