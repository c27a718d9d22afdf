"""``python -m tests.kill.agent CONFIG``: the agent with its real parts, whose storage is watched in every process."""

from __future__ import annotations

import logging
import os
import random
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from agent.adapters import Adapters
from agent.child import die_with_parent
from agent.clock import SystemClock
from agent.config import load_config
from agent.log_format import LOG_FORMAT
from agent.process import JobProcess, WorkerProcess
from agent.runner import build
from agent.storage import Storage
from tests.kill.point import PLAN, Plan, Role, Watch

MODULES = {"agent.update_client": "tests.kill.update_client"}


def watched_storage(role: Role, root: Path) -> Storage:
    """The state directory, with every operation in this process's hands."""
    return Storage(root, observer=Watch(role, root.absolute(), Plan.read(Path(os.environ[PLAN]))))


def spawn_watched(arguments: Sequence[str], document: bytes = b"") -> JobProcess:
    """Start the watched twin of a job."""
    return JobProcess([MODULES.get(arguments[0], arguments[0]), *arguments[1:]], document)


def main(config: Path) -> int:
    """Run until something ends it, the end of the suite too."""
    die_with_parent()
    logging.basicConfig(level=logging.DEBUG, format=LOG_FORMAT, stream=sys.stderr)
    supervisor = build(
        load_config(config),
        clock=SystemClock(),
        rng=random.SystemRandom(),
        adapters=Adapters(
            open_storage=lambda root: watched_storage("supervisor", root),
            spawn_worker=partial(WorkerProcess, module="tests.kill.worker"),
            spawn_job=spawn_watched,
        ),
    )
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
