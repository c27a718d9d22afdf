"""``python -m tests.integration.agent_worker.flooding_worker --fd N``: says that it lives, as fast as it can."""

from __future__ import annotations

import contextlib
import socket
import sys

from agent.child import die_with_parent
from agent.ipc import Heartbeat
from agent.ipc_frames import encode_frame

if __name__ == "__main__":
    die_with_parent()
    words = encode_frame(Heartbeat(position=0, seq=0)) * 1000
    connection = socket.socket(fileno=int(sys.argv[-1]))
    with contextlib.suppress(OSError):
        while True:
            connection.sendall(words)
