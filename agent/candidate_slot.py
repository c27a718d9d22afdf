"""The candidate: a second worker that tests a model before it may become the active one.

Whatever it does is its own affair: one that crashes, hangs or grows is ended, and its end is an event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from agent import ipc
from agent.active_slot import Spawn
from agent.core import events as ev
from agent.errors import ChildError
from agent.parts import Watched
from agent.process import WorkerProcess
from agent.worker_run import WorkerRun, fresh_run

log = logging.getLogger(__name__)

MAX_OUTSTANDING = 16  # shadow frames without a verdict; a slower candidate sees fewer frames
SILENCE_S = 15.0  # unless agent.yaml says otherwise


class CandidateSlot:
    """Holds the candidate, if there is one.

    Args:
        bundle_dir: Where a bundle lies.
        boot: Number of this start.
        spawn: Starts a worker process.
        silence_s: How long it may say nothing, once it has its model.
        memory_mb: Resident memory at which it is ended; None for no bound.
    """

    def __init__(
        self,
        *,
        bundle_dir: Callable[[str], Path],
        boot: int,
        spawn: Spawn,
        silence_s: float = SILENCE_S,
        memory_mb: float | None = None,
    ) -> None:
        self._run: WorkerRun | None = None
        self._bundle_dir = bundle_dir
        self._boot = boot
        self._spawn = spawn
        self._silence_s = silence_s
        self._memory_mb = memory_mb
        self._outstanding = 0

    @property
    def process(self) -> WorkerProcess | None:
        """Its process."""
        return None if self._run is None else self._run.process

    @property
    def pids(self) -> list[int]:
        """Of its process."""
        return [] if self._run is None else [self._run.process.pid]

    def start(self, bundle: str, artifact: str, now_s: float) -> list[ev.Event]:
        """Start a candidate in the place of another one."""
        self.stop()
        self._outstanding = 0
        configure = ipc.Configure(
            role="candidate",
            bundle_dir=str(self._bundle_dir(bundle)),
            bundle=bundle,
            artifact=artifact,
            boot=self._boot,
            memory_mb=self._memory_mb,
        )
        try:
            process = self._spawn(configure)
        except ChildError as exc:
            return [ev.CandidateDied(reason=str(exc), blames_model=False)]
        self._run = fresh_run(process, artifact, now_s, silence_s=self._silence_s, memory_mb=self._memory_mb)
        log.info("candidate started bundle=%s pid=%d", bundle[:12], process.pid)
        return []

    def stop(self) -> None:
        """End it at once; it has nothing to lose."""
        if self._run is not None:
            self._run.process.end()
            self._run = None

    def close(self) -> None:
        """End it at once."""
        self.stop()

    def compare(self, frame: ipc.ShadowFrame, body: bytes) -> None:
        """Give it a frame that the active worker has seen, unless it is behind."""
        if self._run is None or self._outstanding >= MAX_OUTSTANDING:
            return
        copy = ipc.FrameIn(
            origin="shadow",
            dtype=frame.dtype,
            shape=frame.shape,
            position=frame.position,
            label_of_active=frame.label,
            seq=frame.seq,
            effect_of_active=frame.effect,
            p95_us_of_active=frame.p95_us,
        )
        self._outstanding += self._run.process.send(copy, body)  # nobody answers what was dropped

    def tell(self, feedback: ipc.Feedback) -> None:
        """Let it know the true class of a frame that it may have seen."""
        if self._run is not None:
            self._run.process.send(feedback)

    def watched(self) -> list[Watched]:
        """The worker's socket."""
        return [] if self._run is None else [self._run.watched(self.on_readable)]

    def on_readable(self, now_s: float) -> list[ev.Event]:
        """Read what it says, or that it has died."""
        run = self._run
        if run is None:
            return []
        frames, ended = run.read(now_s)
        events = [event for message, _ in frames for event in self._translate(run, message)]
        return events if ended is None else [*events, *self._died(run, ended)]

    def tick(self, now_s: float) -> list[ev.Event]:
        """Kill it when it is silent or too large."""
        run = self._run
        fault = None if run is None else run.fault(now_s)
        return [] if run is None or fault is None else self._died(run, fault)

    def next_deadline_s(self) -> float | None:
        """When ``tick`` is needed at the latest."""
        return None if self._run is None else self._run.fault_due_s

    def _died(self, run: WorkerRun, how: str) -> list[ev.Event]:
        self._run = None
        reason = run.reason(how, run.process.end())
        log.warning("candidate died bundle=%s reason=%s", run.bundle[:12], reason)
        return [ev.CandidateDied(reason=reason)]

    def _translate(self, run: WorkerRun, message: ipc.Message) -> list[ev.Event]:
        match message:
            case ipc.Ready():
                run.ready = message
            case ipc.SelfTest(ok=ok, reason=reason, worst_lsb=worst_lsb, top1=top1):
                log.info("candidate tested ok=%s worst_lsb=%d top1=%.3f reason=%s", ok, worst_lsb, top1, reason)
                return [ev.CandidateTested(ok=ok, reason=reason)]
            case ipc.ShadowVerdict():
                self._outstanding = max(0, self._outstanding - 1)
                return [ev.CandidateCompared(verdict=message)]
            case ipc.Failed():
                run.failed = message
            case _:
                pass
        return []
