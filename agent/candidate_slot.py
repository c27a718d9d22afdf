"""The candidate: a second worker that tests a model before it may become the active one."""

from __future__ import annotations

import logging
import select
from collections.abc import Callable
from pathlib import Path

from agent import ipc
from agent.active_slot import SILENCE_S, START_S, Spawn
from agent.core import events as ev
from agent.errors import ChildError, IpcError
from agent.parts import Watched
from agent.process import WorkerProcess

log = logging.getLogger(__name__)

MAX_OUTSTANDING = 16  # shadow frames without a verdict; a slower candidate sees fewer frames


class CandidateSlot:
    """Holds the candidate, if there is one.

    Args:
        bundle_dir: Where a bundle lies.
        boot: Number of this start.
        spawn: Starts a worker process.
    """

    def __init__(self, *, bundle_dir: Callable[[str], Path], boot: int, spawn: Spawn) -> None:
        self.process: WorkerProcess | None = None
        self._bundle_dir = bundle_dir
        self._boot = boot
        self._spawn = spawn
        self._outstanding = 0
        self._ready = False
        self._word_s = 0.0
        self._failed: ipc.Failed | None = None

    def start(self, bundle: str, artifact: str, now_s: float) -> list[ev.Event]:
        """Start a candidate in the place of another one."""
        self.stop()
        self._outstanding, self._ready, self._word_s, self._failed = 0, False, now_s, None
        configure = ipc.Configure(
            role="candidate",
            bundle_dir=str(self._bundle_dir(bundle)),
            bundle=bundle,
            artifact=artifact,
            boot=self._boot,
        )
        try:
            self.process = self._spawn(configure)
        except ChildError as exc:
            return [ev.CandidateDied(reason=str(exc), blames_model=False)]
        log.info("candidate started bundle=%s pid=%d", bundle[:12], self.process.pid)
        return []

    def stop(self) -> None:
        """End it at once; it has nothing to lose."""
        if self.process is not None:
            self.process.end()
            self.process = None

    def close(self) -> None:
        """End it at once."""
        self.stop()

    def compare(self, frame: ipc.ShadowFrame, body: bytes) -> None:
        """Give it a frame that the active worker has seen, unless it is behind."""
        if self.process is None or self._outstanding >= MAX_OUTSTANDING:
            return
        self._outstanding += 1
        copy = ipc.FrameIn(
            origin="shadow",
            dtype=frame.dtype,
            shape=frame.shape,
            position=frame.position,
            label_of_active=frame.label,
        )
        self.process.send(copy, body)

    def watched(self) -> list[Watched]:
        """The worker's socket."""
        process = self.process
        if process is None:
            return []
        mask = select.POLLIN | (select.POLLOUT if process.wants_write else 0)
        return [Watched(process.fileno(), mask, self._on_ready)]

    def on_readable(self, now_s: float) -> list[ev.Event]:
        """Read what it says, or that it has died."""
        if self.process is None:
            return []
        try:
            frames, is_open = self.process.receive()
        except IpcError as exc:
            return self._died(f"sent no message: {exc}")
        events: list[ev.Event] = []
        for message, _ in frames:
            self._word_s = now_s
            events += self._translate(message)
        return events if is_open else [*events, *self._died("ended")]

    def tick(self, now_s: float) -> list[ev.Event]:
        """Kill it when it is silent."""
        limit_s = SILENCE_S if self._ready else START_S
        if self.process is not None and now_s - self._word_s > limit_s:
            return self._died(f"said nothing for {limit_s:.0f} s and was killed")
        return []

    def next_deadline_s(self) -> float | None:
        """When ``tick`` is needed at the latest."""
        return None if self.process is None else self._word_s + (SILENCE_S if self._ready else START_S)

    def _on_ready(self, happened: int, now_s: float) -> list[ev.Event]:
        if happened & select.POLLOUT and self.process is not None:
            self.process.flush()
        return self.on_readable(now_s) if happened & ~select.POLLOUT else []

    def _died(self, how: str) -> list[ev.Event]:
        process, self.process = self.process, None
        if process is None:
            return []
        end = process.end()
        failed = self._failed
        reason = f"{how} ({end})" if failed is None else f"{failed.code}: {failed.message}"
        return [ev.CandidateDied(reason=reason[:300])]

    def _translate(self, message: ipc.Message) -> list[ev.Event]:
        match message:
            case ipc.SelfTest(ok=ok, reason=reason, worst_lsb=worst_lsb, top1=top1):
                self._ready = True
                log.info("candidate tested ok=%s worst_lsb=%d top1=%.3f reason=%s", ok, worst_lsb, top1, reason)
                return [ev.CandidateTested(ok=ok, reason=reason)]
            case ipc.ShadowVerdict(n=n, agree=agree, nan=nan):
                self._outstanding = max(0, self._outstanding - 1)
                return [ev.CandidateCompared(n=n, agree=agree, nan=nan)]
            case ipc.Failed():
                self._failed = message
                return []
            case _:
                return []
