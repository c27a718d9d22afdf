"""``python -m tests.kill.update_client``: the update client, whose storage is watched and whose writes are counted."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from agent.update_client.__main__ import main
from tests.kill.agent import watched_storage
from tests.kill.point import PLAN, Plan


def note_written() -> None:
    """Add what this process wrote to the disk to a file beside the trace."""
    io = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    with Plan.read(Path(os.environ[PLAN])).written.open("a") as file:
        file.write(io["write_bytes"] + "\n")


if __name__ == "__main__":
    code = main(lambda root: watched_storage("client", root))
    note_written()
    sys.exit(code)
