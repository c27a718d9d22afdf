"""``python -m tests.integration.agent.talkative_worker``: the real worker, which has a hundred times as much to say.

As soon as it has a window of frames it tells one like it, and one event, with every prediction, ``SAYINGS`` times.
"""

from __future__ import annotations

import sys

from agent import ipc
from agent.worker.__main__ import main
from agent.worker.link import SupervisorLink

SAYINGS = 300


class TalkativeLink(SupervisorLink):
    """Says more than it is told to."""

    _window: ipc.Window | None = None
    _said = 0

    def send(self, message: ipc.Message, body: bytes = b"", *, droppable: bool = False) -> None:
        if isinstance(message, ipc.Window):
            self._window = message
        if isinstance(message, ipc.PredictionOut) and self._window is not None and self._said < SAYINGS:
            self._said += 1
            super().send(ipc.SourceEnded(position=self._said))
            super().send(self._window)
        super().send(message, body, droppable=droppable)


if __name__ == "__main__":
    sys.exit(main(open_link=TalkativeLink))
