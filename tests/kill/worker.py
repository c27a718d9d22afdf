"""``python -m tests.kill.worker``: the real worker; one version of the model ends it soon after it became active."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from agent import ipc
from agent.worker.__main__ import main
from agent.worker.link import SupervisorLink
from edge_models.bundle import open_manifest

DEADLY = "deadly"  # a version that passes every test and cannot stand being active
FRAMES_BEFORE_DEATH = 5


class DeadlyLink(SupervisorLink):
    """Ends the process in the middle of its work when it runs the deadly model as the active one."""

    _is_deadly = False

    def receive(self) -> list[tuple[ipc.Message, bytes]]:
        received = super().receive()
        for message, _ in received:
            if isinstance(message, ipc.Configure) and message.role == "active":
                self._is_deadly = open_manifest(Path(message.bundle_dir)).manifest.version == DEADLY
        return received

    def send(self, message: ipc.Message, body: bytes = b"", *, droppable: bool = False) -> None:
        if self._is_deadly and isinstance(message, ipc.Heartbeat) and message.seq >= FRAMES_BEFORE_DEATH:
            os._exit(9)
        super().send(message, body, droppable=droppable)


if __name__ == "__main__":
    sys.exit(main(open_link=DeadlyLink))
