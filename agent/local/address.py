"""Where the local socket is, as ``bind`` and ``connect`` take it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.config import AgentConfig
from agent.local.messages import SOCKET_NAME

LONGEST_BYTES = 107  # unix(7): sun_path has 108 with its zero


def socket_path(config: AgentConfig) -> Path:
    """The file of the socket that this configuration means."""
    return Path(config.state_dir) / SOCKET_NAME if config.local.path is None else Path(config.local.path)


@contextmanager
def short(path: Path) -> Iterator[str]:
    """A name for this path that a socket address holds, while the ``with`` block runs."""
    if len(os.fsencode(path)) <= LONGEST_BYTES:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)  # opens nothing for writing
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
