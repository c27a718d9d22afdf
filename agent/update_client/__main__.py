"""``python -m agent.update_client``: one JSON job on a line of stdin, events on stdout.

Exit code 0 when a result was reported, which an ``error`` event is too; 2 when there was no job to do.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from agent.child import die_with_parent
from agent.clock import SystemClock
from agent.storage import Storage
from agent.update_client.errors import JobError
from agent.update_client.job import MAX_JOB_BYTES, read_job
from agent.update_client.report import Report
from agent.update_client.run import Tools, run
from agent.update_client.transport import HttpTransport


def main(open_storage: Callable[[Path], Storage] = Storage) -> int:
    """Do the job on stdin; tests bring a storage that is watched."""
    die_with_parent()
    try:
        return _run(open_storage)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # nobody listens any more; what is on the disk is what counts
        os._exit(1)


def _run(open_storage: Callable[[Path], Storage]) -> int:
    clock = SystemClock()
    report = Report(_write_line, clock)
    try:
        job = read_job(sys.stdin.buffer.readline(MAX_JOB_BYTES + 1))
    except JobError as exc:
        report.error(exc.code, str(exc), is_transient=exc.IS_TRANSIENT)
        return 2
    transport = HttpTransport(user_agent=f"driftline-agent/{metadata.version('driftline')}")
    tools = Tools(
        storage=open_storage, transport=transport, time=clock, rng=random.SystemRandom(), free_bytes=_free_bytes
    )
    run(job, tools, report)
    return 0


def _free_bytes(directory: Path) -> int:
    stat = os.statvfs(directory)
    return stat.f_bavail * stat.f_frsize


def _write_line(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
