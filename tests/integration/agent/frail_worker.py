"""``python -m tests.integration.agent.frail_worker``: the real worker, whose engine aborts at a frame of one colour."""

from __future__ import annotations

import os
import random
import socket
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.clock import SystemClock
from agent.ipc import Configure
from agent.log_format import log_to_stderr
from agent.worker.active import Active
from agent.worker.engine_report import ready
from agent.worker.link import SupervisorLink
from agent.worker.loop import Loop, Role
from agent.worker.opened_model import open_configured
from edge_models.engines.port import Engine


class FrailEngine:
    """An engine as another one, but for what kills it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, codes: NDArray[Any]) -> dict[str, NDArray[Any]]:
        if np.ptp(codes) == 0:
            os.abort()  # as a runtime does that divides by zero; no handler of Python's sees it
        return self._engine.run(codes)


def open_role(configure: Configure, link: SupervisorLink) -> Role:
    opened = open_configured(configure)
    model = replace(opened, engine=FrailEngine(opened.engine))
    active = Active(
        configure,
        link,
        now_s=time.monotonic(),
        clock_ns=time.perf_counter_ns,
        rng=random.SystemRandom(),
        model=model,
    )
    link.send(ready(model, ""))
    return active


if __name__ == "__main__":
    log_to_stderr()
    connection = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
    sys.exit(Loop(link=SupervisorLink(connection), open_role=open_role, clock=SystemClock()).run())
