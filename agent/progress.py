"""How far the active worker has come, noted from its words: the next one goes on from there."""

from __future__ import annotations

import logging
from collections.abc import Callable

from agent import ipc
from agent.figures import Figures
from agent.handover import Handover
from agent.worker_run import WorkerRun

log = logging.getLogger(__name__)

Shadow = Callable[[ipc.ShadowFrame, bytes], None]


class Progress:
    """Notes.

    Args:
        shadow: Takes copies of frames for a candidate.
        handover: Takes what the next worker needs.

    Attributes:
        figures: What ``state`` tells.
        position: Index of the next frame in the source.
        mark: What the source needs to go on there beside the position.
        ended: Whether the source has no more frames.
    """

    def __init__(self, *, shadow: Shadow, handover: Handover) -> None:
        self.figures = Figures()
        self.position = 0
        self.mark = ""
        self.ended = False
        self._shadow = shadow
        self._handover = handover

    def begin(self) -> None:
        """A fresh worker is on the source."""
        self.ended = False
        self.figures.begin()

    def note(self, run: WorkerRun, message: ipc.Message, body: bytes) -> None:
        """Take a word of the worker on the source."""
        match message:
            case ipc.Ready():
                self.loaded(run, message)
            case ipc.Failed():
                run.failed = message
            case ipc.ShadowFrame():
                self._shadow(message, body)
            case ipc.DriftSaved():
                self._handover.note(run.bundle, message, body)
            case ipc.Heartbeat(position=position, mark=mark):
                self.mark = mark or self.mark
                self.figures.beat(message, run.word_s)
                self._reach(position)
            case ipc.PredictionOut(position=int(position)) | ipc.SampleOut(position=int(position)):
                self._reach(position + 1)
            case _:
                self._note_stream(message)

    def loaded(self, run: WorkerRun, ready: ipc.Ready) -> None:
        """It has its model."""
        run.ready = ready
        self.figures.loaded(ready)
        log.info("worker ready artifact=%s runtime=%s rss_kb=%d", ready.artifact, ready.runtime, ready.rss_kb)
        if ready.note:
            log.warning("worker slower than it could be: %s", ready.note)
        if ready.unadaptable:
            log.warning("worker learns nothing: %s", ready.unadaptable)

    def _note_stream(self, message: ipc.Message) -> None:
        match message:
            case ipc.Window(position=position):
                self.figures.window = message
                self._reach(position + 1)
            case ipc.Adapted(rev=rev):  # state follows at once, before the next beat
                self.figures.adapted_rev = rev
            case ipc.SourceEnded(position=position):
                self.ended = True
                self.figures.source_word(message)
                self._reach(position)
            case ipc.SourceDown() | ipc.SourceUp():
                self.figures.source_word(message)
            case _:
                pass

    def _reach(self, position: int) -> None:
        self.position = max(self.position, position)
