"""``python -m agent.worker --fd N``: an inference worker, started by the supervisor and of no use alone."""

from __future__ import annotations

import argparse
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.child import die_with_parent
from agent.clock import SystemClock
from agent.ipc import Configure, Go
from agent.log_format import log_to_stderr
from agent.worker.limits import limit_active, limit_candidate
from agent.worker.link import SupervisorLink
from agent.worker.loop import Loop, Role

if TYPE_CHECKING:
    from agent.worker.opened_model import OpenedModel


def main(
    argv: Sequence[str] | None = None, *, open_link: Callable[[socket.socket], SupervisorLink] = SupervisorLink
) -> int:
    """Serve the supervisor at the other end of the socket; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m agent.worker", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="descriptor of the socket to the supervisor")
    arguments = parser.parse_args(argv)
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the supervisor ends its workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # nothing here has to be saved
    log_to_stderr()
    try:
        connection = socket.socket(fileno=arguments.fd)
    except OSError as exc:
        print(
            f"driftline-agent worker: error: --fd {arguments.fd} is no socket ({exc.strerror}), expected the one that "
            "the supervisor hands over; start driftline-agent run instead",
            file=sys.stderr,
        )
        return 2
    return Loop(link=open_link(connection), open_role=_open_role, clock=SystemClock()).run()


def _open_role(configure: Configure, link: SupervisorLink) -> Role:
    if configure.role == "candidate":
        from agent.worker.candidate import Candidate

        limit_candidate(configure.memory_mb)
        return Candidate(configure, link, time.thread_time_ns)
    from agent.worker.active import Active

    limit_active(configure.memory_mb)

    def open_active(model: OpenedModel | None, go: Go) -> Active:
        return Active(
            replace(configure, position=go.position, mark=go.mark),
            link,
            now_s=time.monotonic(),
            clock_ns=time.perf_counter_ns,
            cpu_ns=time.thread_time_ns,
            rng=random.SystemRandom(),
            model=model,
        )

    if configure.standby:
        from agent.worker.standby import Standby

        return Standby(configure, link, open_active, time.perf_counter_ns)
    return open_active(None, Go(position=configure.position, mark=configure.mark))


if __name__ == "__main__":
    sys.exit(main())
