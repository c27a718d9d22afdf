"""``python -m tests.integration.agent.moody_agent ... CONFIG``: the agent with the worker that grows when told to."""

from __future__ import annotations

import logging
import random
import sys
from functools import partial
from pathlib import Path

from agent.adapters import Adapters
from agent.clock import SystemClock
from agent.config import load_config
from agent.log_format import LOG_FORMAT
from agent.process import WorkerProcess
from agent.runner import build


def main(config: Path) -> int:
    """Run until something ends it."""
    logging.basicConfig(level=logging.DEBUG, format=LOG_FORMAT, stream=sys.stderr)
    spawn = partial(WorkerProcess, module="tests.integration.agent.moody_worker")
    adapters = Adapters(spawn_worker=spawn)
    return build(load_config(config), clock=SystemClock(), rng=random.SystemRandom(), adapters=adapters).run()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[-1])))
