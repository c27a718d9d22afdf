"""One worker as the supervisor sees it: what it runs, when it last said something, and how much memory it holds."""

from __future__ import annotations

import select
from collections.abc import Callable
from dataclasses import dataclass

from agent import ipc
from agent.core import events as ev
from agent.core.backoff import STEADY_S
from agent.errors import IpcError
from agent.parts import Watched
from agent.process import WorkerProcess

START_S = 60.0  # to load the model; a Pi Zero takes most of it for Python and numpy
ENDED = "ended"  # how a worker goes that closes its link
LEAVE_S = 2.0  # for a process that has closed its link to be gone
LOOK_S = 1.0  # between two looks at the memory of a worker that has a bound


@dataclass(slots=True, kw_only=True)
class WorkerRun:
    """A worker's process and what is known of it.

    Attributes:
        process: The process.
        artifact: What it runs of its bundle.
        started_s: When its time as what it is began.
        word_s: When it last said something.
        silence_s: How long it may say nothing.
        memory_mb: Resident memory at which it is ended; None for no bound.
        ready: What it said when it had its model; None before.
        failed: What it said when it could not go on; None before.
        stop_by_s: When it is killed, once it was told to stop; None before.
        is_steady: Whether it was told that it runs well.
        look_s: When its memory is looked at next.
    """

    process: WorkerProcess
    artifact: str
    started_s: float
    word_s: float
    silence_s: float
    memory_mb: float | None
    look_s: float
    ready: ipc.Ready | None = None
    failed: ipc.Failed | None = None
    stop_by_s: float | None = None
    is_steady: bool = False

    @property
    def bundle(self) -> str:
        """What it runs."""
        return self.process.bundle

    @property
    def silent_at_s(self) -> float:
        """When it has said nothing for too long."""
        return self.word_s + (self.silence_s if self.ready is not None else START_S)

    @property
    def due_s(self) -> float:
        """When it has to be looked at at the latest."""
        if self.stop_by_s is not None:
            return self.stop_by_s
        is_proving = self.ready is not None and not self.is_steady
        return min(self.fault_due_s, self.started_s + STEADY_S) if is_proving else self.fault_due_s

    @property
    def fault_due_s(self) -> float:
        """When ``fault`` has to be asked at the latest."""
        return self.silent_at_s if self.memory_mb is None else min(self.silent_at_s, self.look_s)

    def fault(self, now_s: float) -> str | None:
        """Why it has to be killed, if it has to be."""
        if now_s >= self.silent_at_s:
            return f"said nothing for {now_s - self.word_s:.0f} s and was killed"
        if self.memory_mb is None or now_s < self.look_s:
            return None
        self.look_s = now_s + LOOK_S
        held_mb = self.process.resident_kb() / 1024
        if held_mb <= self.memory_mb:
            return None
        return f"held {held_mb:.0f} MB of memory, expected at most {self.memory_mb:g}, and was killed"

    def read(self, now_s: float) -> tuple[list[tuple[ipc.Message, bytes]], str | None]:
        """What it says, and how it ended, if it did."""
        try:
            frames, is_open = self.process.receive()
        except IpcError as exc:
            return [], f"sent no message: {exc}"
        if frames:
            self.word_s = now_s
        return frames, None if is_open else ENDED

    def has_become_steady(self, now_s: float) -> bool:
        """Whether it has run for so long that what came before was no crash loop; true once."""
        if self.is_steady or self.ready is None or now_s < self.started_s + STEADY_S:
            return False
        self.is_steady = True
        return True

    def reason(self, how: str, end: str) -> str:
        """Why it ended, in its own words where it had any."""
        failed = self.failed
        return (f"{how} ({end})" if failed is None else f"{failed.code}: {failed.message}")[:300]

    def watched(self, read: Callable[[float], list[ev.Event]]) -> Watched:
        """Its socket; what can be read is ``read``."""
        process = self.process

        def on_ready(happened: int, now_s: float) -> list[ev.Event]:
            if happened & select.POLLOUT:
                process.flush()
            return read(now_s) if happened & ~select.POLLOUT else []

        return Watched(process.fileno(), select.POLLIN | (select.POLLOUT if process.wants_write else 0), on_ready)


def fresh_run(
    process: WorkerProcess, artifact: str, now_s: float, *, silence_s: float, memory_mb: float | None
) -> WorkerRun:
    """A worker that has just been started; see ``WorkerRun``."""
    return WorkerRun(
        process=process,
        artifact=artifact,
        started_s=now_s,
        word_s=now_s,
        silence_s=silence_s,
        memory_mb=memory_mb,
        look_s=now_s + LOOK_S,
    )


class Leaving:
    """A worker that has closed its link, so that the next one need not wait until its process is gone."""

    def __init__(self) -> None:
        self._process: WorkerProcess | None = None
        self._by_s = 0.0

    @property
    def due_s(self) -> float | None:
        """When it is killed."""
        return None if self._process is None else self._by_s

    def let(self, process: WorkerProcess, now_s: float) -> None:
        """Give this one a moment to be gone."""
        self.close()
        self._process, self._by_s = process, now_s + LEAVE_S

    def free(self, now_s: float) -> None:
        """Free it if it is gone, and kill it when its time is over."""
        if self._process is not None and (self._process.has_ended() or now_s >= self._by_s):
            self.close()

    def close(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.end()
            self._process = None
