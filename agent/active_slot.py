"""The active worker: started, watched, restarted when it dies, and told to stop when another model takes its place.

A worker that says nothing is killed: it has to load its model in time and to beat afterwards. The position in the
source is kept here, so the next worker goes on where the last one was seen. After a death it announces each frame
before it runs it, so a frame that kills every worker is known, and passed over, instead of stopping the device.
"""

from __future__ import annotations

import logging
import select
from collections.abc import Callable
from pathlib import Path

from agent import ipc
from agent.config import AgentConfig, CsvSource, ReplaySource
from agent.core import events as ev
from agent.core.backoff import Backoff
from agent.core.commands import DriftKind
from agent.core.records import ActiveRecord
from agent.errors import ChildError, IpcError
from agent.figures import Figures
from agent.parts import Watched
from agent.process import WorkerProcess
from agent.worker_events import event_of, names_its_bundle

log = logging.getLogger(__name__)

START_S = 60.0  # to load the model; a Pi Zero takes most of it for Python and numpy
SILENCE_S = 15.0  # between two words; a beat is due every second, between two frames
STOP_S = 1.0  # to finish the frame in hand
DEATHS_AT_A_FRAME = 3  # of workers in a row, before the frame is passed over
DRIFT_KINDS: tuple[DriftKind, ...] = ("contexts", "trigger")
_NOT_THE_MODEL = ("source", "config")

Shadow = Callable[[ipc.ShadowFrame, bytes], None]
Learnt = Callable[[str, str], bytes | None]
DriftKnown = Callable[[str, DriftKind], bytes | None]
Spawn = Callable[[ipc.Configure], WorkerProcess]


class ActiveSlot:
    """Keeps one worker running.

    Args:
        config: Of the agent.
        bundle_dir: Where a bundle lies.
        boot: Number of this start.
        spawn: Starts a worker process.
        shadow: Takes copies of frames for a candidate.
        learnt: Gives what was learnt on an artifact of a bundle, as it was last stored.
        drift_known: Gives what a worker of a bundle knew of the stream, as it was last stored.
    """

    def __init__(
        self,
        config: AgentConfig,
        *,
        bundle_dir: Callable[[str], Path],
        boot: int,
        spawn: Spawn,
        shadow: Shadow,
        learnt: Learnt | None = None,
        drift_known: DriftKnown | None = None,
    ) -> None:
        self.process: WorkerProcess | None = None
        self.figures = Figures()
        self._config = config
        self._bundle_dir = bundle_dir
        self._boot = boot
        self._spawn = spawn
        self._shadow = shadow
        self._learnt = learnt
        self._drift_known = drift_known
        self._backoff = Backoff()
        self._wanted: ActiveRecord | None = None
        self._position = 0
        self._started_s = 0.0
        self._word_s = 0.0
        self._ready = False
        self._ended = False
        self._deadly = (-1, 0)  # where the last worker died, and how many did there in a row
        self._stop_by_s: float | None = None
        self._start_at_s: float | None = None
        self._failed: ipc.Failed | None = None
        self._undo_of = ""  # bundle whose next worker has to take back what was learnt

    def run(self, active: ActiveRecord | None, now_s: float) -> list[ev.Event]:
        """Let this model run, in the place of what runs now; None lets none run."""
        if self._wanted is None or active is None or self._wanted.bundle != active.bundle:
            self._backoff.reset()
        self._wanted = active
        self._start_at_s = None
        if self.process is None:
            return self._start(now_s)
        if self._stop_by_s is None:
            self._stop_by_s = now_s + STOP_S
            self.process.send(ipc.Stop())
        return []

    def tell(self, message: ipc.ToWorker, body: bytes = b"") -> None:
        """Send to the worker, if it runs and stays; an undo waits for the next worker of the same model."""
        if self.process is not None and self._stop_by_s is None:
            self.process.send(message, body)
        elif isinstance(message, ipc.UndoAdaptation) and self._wanted is not None:
            stays = self.process is None or self.process.bundle == self._wanted.bundle
            self._undo_of = self._wanted.bundle if stays else ""

    def watched(self) -> list[Watched]:
        """The worker's socket."""
        process = self.process
        if process is None:
            return []
        mask = select.POLLIN | (select.POLLOUT if process.wants_write else 0)
        return [Watched(process.fileno(), mask, self._on_ready)]

    def on_readable(self, now_s: float) -> list[ev.Event]:
        """Read what the worker says, or that it has died."""
        process = self.process
        if process is None:
            return []
        try:
            frames, is_open = process.receive()
        except IpcError as exc:
            return self._died(f"sent no message: {exc}", now_s)
        events: list[ev.Event] = []
        for message, body in frames:
            self._word_s = now_s
            self._note(message, body)
            event = event_of(message, body, process.bundle)
            if event is not None and (self._is_of_wanted(process) or names_its_bundle(event)):
                events.append(event)
        return events if is_open else [*events, *self._died("ended", now_s)]

    def tick(self, now_s: float) -> list[ev.Event]:
        """Kill what is silent or does not stop, and start what is due."""
        if self.process is None:
            due = self._start_at_s is not None and now_s >= self._start_at_s
            return self._start(now_s) if due else []
        if self._stop_by_s is not None:
            return self._died("had to be killed to stop", now_s) if now_s >= self._stop_by_s else []
        if now_s - self._word_s > (SILENCE_S if self._ready else START_S):
            return self._died(f"said nothing for {now_s - self._word_s:.0f} s and was killed", now_s)
        return []

    def next_deadline_s(self) -> float | None:
        """When ``tick`` is needed at the latest."""
        if self.process is None:
            return self._start_at_s
        if self._stop_by_s is not None:
            return self._stop_by_s
        return self._word_s + (SILENCE_S if self._ready else START_S)

    def close(self) -> None:
        """End the worker at once."""
        self._wanted = self._start_at_s = None
        if self.process is not None:
            self.process.end()
            self.process = None

    def _on_ready(self, happened: int, now_s: float) -> list[ev.Event]:
        if happened & select.POLLOUT and self.process is not None:
            self.process.flush()
        return self.on_readable(now_s) if happened & ~select.POLLOUT else []

    def _is_of_wanted(self, process: WorkerProcess) -> bool:
        """Not while a worker of another bundle finishes its frame: what it sees is none of the new bundle's."""
        return self._wanted is not None and self._wanted.bundle == process.bundle

    def _start(self, now_s: float) -> list[ev.Event]:
        active, self._start_at_s, self._stop_by_s = self._wanted, None, None
        if active is None:
            return []
        self._ended = False
        self._ready, self._failed = False, None
        self.figures.begin()
        self._started_s = self._word_s = now_s
        try:
            self.process = self._spawn(self._configure(active))
        except ChildError as exc:
            return self._fell(active.bundle, str(exc), now_s)
        self._bring_back(self.process, active)
        log.info("worker started bundle=%s pid=%d position=%d", active.bundle[:12], self.process.pid, self._position)
        return [ev.WorkerStarted()]

    def _bring_back(self, process: WorkerProcess, active: ActiveRecord) -> None:
        """Give a fresh worker what its forerunner knew of drift and had learnt, and the undo that nobody took."""
        self._bring_back_drift(process, active)
        if self._config.adaptation is None or self._learnt is None:
            return
        learnt = self._learnt(active.bundle, active.artifact)
        if learnt is not None:
            process.send(ipc.RestoreAdaptation(), learnt)
        if self._undo_of == active.bundle:
            process.send(ipc.UndoAdaptation())
        self._undo_of = ""

    def _bring_back_drift(self, process: WorkerProcess, active: ActiveRecord) -> None:
        """Contexts go first, because the trigger's state is on them.

        A bundle that never ran gets the trigger's state of the one before: the worker takes from it what is known of
        the site, such as how alike neighbouring frames are.
        """
        for kind in DRIFT_KINDS:
            known = None if self._drift_known is None else self._drift_known(active.bundle, kind)
            if known is None and kind == "trigger" and self._drift_known is not None and active.previous is not None:
                known = self._drift_known(active.previous.bundle, kind)
            if known is not None:
                process.send(ipc.RestoreDrift(kind=kind), known)

    def _configure(self, active: ActiveRecord) -> ipc.Configure:
        return ipc.Configure(
            role="active",
            bundle_dir=str(self._bundle_dir(active.bundle)),
            bundle=active.bundle,
            artifact=active.artifact,
            source=self._config.source,
            hold_codes=self._config.hold_codes,
            gating=self._config.gating,
            drift=self._config.drift,
            adaptation=self._config.adaptation,
            samples=self._config.samples,
            predictions_hz=self._config.report.predictions_hz,
            position=self._position,
            boot=self._boot,
            careful=self._backoff.deaths > 0,
        )

    def _died(self, how: str, now_s: float) -> list[ev.Event]:
        process = self.process
        if process is None:
            return []
        self.process = None
        end = process.end()
        if self._stop_by_s is not None:  # as it was told
            return self._start(now_s)
        failed = self._failed
        reason = f"{how} ({end})" if failed is None else f"{failed.code}: {failed.message}"
        return self._fell(process.bundle, reason, now_s)

    def _fell(self, bundle: str, reason: str, now_s: float) -> list[ev.Event]:
        self.figures.restarts += 1
        wait_s = self._backoff.after(ran_s=now_s - self._started_s)
        self._start_at_s = now_s + wait_s
        log.warning("worker died bundle=%s reason=%s restart_in_s=%.1f", bundle[:12], reason, wait_s)
        code = None if self._failed is None else self._failed.code
        died = ev.WorkerDied(
            bundle=bundle, reason=reason[:300], blames_model=code not in _NOT_THE_MODEL, is_damaged=code == "bundle"
        )
        return [died, *self._skip_if_deadly()]

    def _skip_if_deadly(self) -> list[ev.Event]:
        """Pass over a recorded frame at which one worker after the other dies; a live source never repeats one."""
        if not self._ready or self._ended or not isinstance(self._config.source, (ReplaySource, CsvSource)):
            return []
        at, deaths = self._deadly
        self._deadly = (self._position, deaths + 1 if at == self._position else 1)
        if self._deadly[1] < DEATHS_AT_A_FRAME:
            return []
        skipped, self._position = self._position, self._position + 1
        log.warning("frame skipped position=%d deaths=%d", skipped, DEATHS_AT_A_FRAME)
        return [ev.FrameSkipped(position=skipped)]

    def _note(self, message: ipc.Message, body: bytes) -> None:
        figures = self.figures
        match message:
            case ipc.Ready():
                self._ready = True
                figures.loaded(message)
                _log_ready(message)
            case ipc.Heartbeat(position=position):
                figures.beat(message, self._word_s)
                self._reach(position)
            case ipc.Window(position=position):
                figures.window = message
                self._reach(position + 1)
            case ipc.Adapted(rev=rev):  # state follows at once, before the next beat
                figures.adapted_rev = rev
            case ipc.PredictionOut(position=int(position)) | ipc.SampleOut(position=int(position)):
                self._reach(position + 1)
            case ipc.SourceEnded(position=position):
                self._ended = True
                figures.source_word(message)
                self._reach(position)
            case ipc.SourceDown() | ipc.SourceUp():
                figures.source_word(message)
            case ipc.Failed():
                self._failed = message
            case ipc.ShadowFrame():
                self._shadow(message, body)
            case _:
                pass

    def _reach(self, position: int) -> None:
        self._position = max(self._position, position)


def _log_ready(ready: ipc.Ready) -> None:
    log.info("worker ready artifact=%s runtime=%s rss_kb=%d", ready.artifact, ready.runtime, ready.rss_kb)
    if ready.note:
        log.warning("worker slower than it could be: %s", ready.note)
    if ready.unadaptable:
        log.warning("worker learns nothing: %s", ready.unadaptable)
