"""``python -m tests.integration.agent.moody_worker``: the real worker, which grows when a signal says so.

SIGUSR1 fills private memory, which the kernel bounds; SIGUSR2 shared memory, which only the supervisor sees.
"""

from __future__ import annotations

import mmap
import signal
import sys

from agent.worker.__main__ import main

GROWTH_BYTES = 300 << 20
_grown: list[object] = []


def _grow_private(*_: object) -> None:
    _grown.append(b"x" * GROWTH_BYTES)


def _grow_shared(*_: object) -> None:
    memory = mmap.mmap(-1, GROWTH_BYTES)
    for at in range(0, GROWTH_BYTES, mmap.PAGESIZE):
        memory[at] = 1
    _grown.append(memory)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, _grow_private)
    signal.signal(signal.SIGUSR2, _grow_shared)
    sys.exit(main())
