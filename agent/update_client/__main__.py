"""``python -m agent.update_client``: one JSON job on a line of stdin, events on stdout.

Exit code 0 when a result was reported, which an ``error`` event is too; 2 when there was no job to do.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from importlib import metadata
from itertools import count
from pathlib import Path

from agent.child import die_with_parent
from agent.clock import SystemClock
from agent.storage import Storage
from agent.update_client.blocks import BlockTransport, PipeQuestions
from agent.update_client.errors import JobError
from agent.update_client.job import MAX_JOB_BYTES, Job, read_job
from agent.update_client.report import Report
from agent.update_client.run import Tools, run
from agent.update_client.transport import HttpTransport, Transport


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
        job = read_job(_first_line(sys.stdin.fileno()))
    except JobError as exc:
        report.error(exc.code, str(exc), is_transient=exc.IS_TRANSIENT)
        return 2
    rng = random.SystemRandom()
    transport = _transport(job, report, clock, rng)
    tools = Tools(storage=open_storage, transport=transport, time=clock, rng=rng, free_bytes=_free_bytes)
    run(job, tools, report)
    return 0


def _transport(job: Job, report: Report, clock: SystemClock, rng: random.Random) -> Transport:
    if job.over == "http":
        return HttpTransport(user_agent=f"driftline-agent/{metadata.version('driftline')}")
    token = f"{rng.getrandbits(48):012x}"  # blocks that a former child asked for may still be on their way
    return BlockTransport(
        PipeQuestions(report.question, sys.stdin.fileno()),
        clock,
        base_url=job.metadata_url.rpartition("/")[0],
        new_id=(f"{token}-{number}" for number in count()).__next__,
    )


def _first_line(fd: int) -> bytes:
    """The job; what follows it is left for the transport, which a buffered reader would not do."""
    line = bytearray()
    while len(line) <= MAX_JOB_BYTES and (byte := os.read(fd, 1)) not in (b"", b"\n"):
        line += byte
    return bytes(line)


def _free_bytes(directory: Path) -> int:
    stat = os.statvfs(directory)
    return stat.f_bavail * stat.f_frsize


def _write_line(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
