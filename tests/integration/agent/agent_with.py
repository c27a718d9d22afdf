"""The agent's program with another worker: the tests' own modules begin it with ``run_with``."""

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


def run_with(worker: str) -> int:
    """Run until something ends it; the configuration is the last argument, the worker a module of this directory."""
    logging.basicConfig(level=logging.DEBUG, format=LOG_FORMAT, stream=sys.stderr)
    adapters = Adapters(spawn_worker=partial(WorkerProcess, module=f"{__package__}.{worker}"))
    config = load_config(Path(sys.argv[-1]))
    return build(config, clock=SystemClock(), rng=random.SystemRandom(), adapters=adapters).run()
