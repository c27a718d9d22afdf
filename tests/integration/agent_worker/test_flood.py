"""A worker that never stops talking."""

from __future__ import annotations

import os
import signal

import pytest

from agent.ipc import MAX_BODY_BYTES, Configure, FrameIn, ShadowOn
from agent.process import WorkerProcess

MOST = 4000  # small ones, of one read of 256 KB

pytestmark = pytest.mark.integration


def test_a_worker_that_never_stops_talking_does_not_keep_the_supervisor() -> None:
    configure = Configure(role="candidate", bundle_dir="/", bundle="0" * 64, artifact="x")
    worker = WorkerProcess(configure, module="tests.integration.agent_worker.flooding_worker")
    heard = 0
    try:
        while heard < 4000:
            messages, is_open = worker.receive()
            assert is_open
            assert len(messages) < MOST
            heard += len(messages)
    finally:
        worker.end()


def test_a_worker_that_is_behind_loses_frames_and_no_orders() -> None:
    configure = Configure(role="candidate", bundle_dir="/", bundle="0" * 64, artifact="x")
    worker = WorkerProcess(configure, module="tests.integration.agent_worker.flooding_worker")
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        taken = [worker.send(FrameIn(origin="mqtt"), bytes(MAX_BODY_BYTES)) for _ in range(5)]

        assert taken[0]
        assert not taken[-1]
        assert worker.send(ShadowOn(on=True))
    finally:
        worker.end()
