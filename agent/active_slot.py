"""The active worker: started, watched, restarted when it dies, and replaced without a gap when another model comes.

A worker that says nothing is killed: it has to load its model in time and to beat afterwards. The position in the
source is kept here, so the next worker goes on where the last one was seen. After a death it announces each frame
before it runs it, so a frame that kills every worker is known, and passed over, instead of stopping the device.

Another model loads on standby, while the one before goes on. Once it is ready that one is told to stop, and where it
stopped the new one goes on; frames that come by topic meanwhile wait. A standby that dies has cost nothing. There are
never more than two of these, and never two on the source.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from agent import ipc
from agent.config import AgentConfig
from agent.core import events as ev
from agent.core.backoff import Backoff
from agent.core.records import ActiveRecord
from agent.deadly_frames import DeadlyFrames
from agent.errors import ChildError
from agent.figures import Figures
from agent.first_message import active_configuration
from agent.handover import DriftKnown, Handover, Learnt
from agent.parts import Watched
from agent.process import WorkerProcess
from agent.progress import Progress, Shadow
from agent.worker_events import death_of, event_of, names_its_bundle
from agent.worker_run import ENDED, Leaving, WorkerRun, fresh_run

log = logging.getLogger(__name__)

STOP_S = 1.0  # to finish the frame in hand
QUIET_S = 3 * ipc.HEARTBEAT_S  # without a word: not worth waiting for while another model loads

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
        self._config = config
        self._bundle_dir = bundle_dir
        self._boot = boot
        self._spawn = spawn
        self._handover = Handover(learnt=None if config.adaptation is None else learnt, drift_known=drift_known)
        self._progress = Progress(shadow=shadow, handover=self._handover)
        self._backoff = Backoff()
        self._deadly = DeadlyFrames(config.source)
        self._wanted: ActiveRecord | None = None
        self._live: WorkerRun | None = None
        self._standby: WorkerRun | None = None
        self._leaving = Leaving()
        self._start_at_s: float | None = None

    @property
    def figures(self) -> Figures:
        """What ``state`` tells."""
        return self._progress.figures

    @property
    def process(self) -> WorkerProcess | None:
        """The worker on the source."""
        return None if self._live is None else self._live.process

    @property
    def pids(self) -> list[int]:
        """Of the worker on the source and of the one on standby."""
        return [run.process.pid for run in (self._live, self._standby) if run is not None]

    def run(self, active: ActiveRecord | None, now_s: float) -> list[ev.Event]:
        """Let this model run, in the place of what runs now; None lets none run."""
        if self._wanted is None or active is None or self._wanted.bundle != active.bundle:
            self._backoff.reset()
        self._wanted, self._start_at_s = active, None
        if self._standby is not None and not self._is_wanted(self._standby):
            self._standby.process.end()
            self._standby = None
        live = self._live
        if live is None:
            return [] if self._standby is not None else self._start(now_s)
        if active is None:
            self._tell_to_stop(live, now_s)
        elif live.stop_by_s is None and self._is_wanted(live):  # it has never stopped
            return [] if live.ready is None else [ev.WorkerReady(bundle=live.bundle)]
        elif live.stop_by_s is None and self._standby is None:
            if live.ready is None or now_s - live.word_s > QUIET_S:
                log.info("worker not waited for bundle=%s", live.bundle[:12])
                self._live = None
                live.process.end()
            return self._start(now_s)
        return []

    def tell(self, message: ipc.ToWorker, body: bytes = b"") -> None:
        """Send to the worker, if it runs and stays; frames and an undo wait for the next one."""
        live = self._live
        if live is not None and live.stop_by_s is None:
            live.process.send(message, body)
        elif isinstance(message, ipc.FrameIn):
            if live is not None and self._wanted is not None:
                self._handover.hold_back(message, body)
        elif isinstance(message, ipc.UndoAdaptation) and self._wanted is not None:
            stays = live is None or live.bundle == self._wanted.bundle
            self._handover.undo_of = self._wanted.bundle if stays else ""

    def watched(self) -> list[Watched]:
        """The sockets of the workers."""
        found = [] if self._live is None else [self._live.watched(self.on_readable)]
        return found if self._standby is None else [*found, self._standby.watched(self.on_standby)]

    def on_readable(self, now_s: float) -> list[ev.Event]:
        """Read what the worker on the source says, or that it has died."""
        live = self._live
        if live is None:
            return []
        frames, ended = live.read(now_s)
        events: list[ev.Event] = []
        for message, body in frames:
            self._progress.note(live, message, body)
            event = event_of(message, body, live.bundle)
            if event is not None and (self._is_wanted(live) or names_its_bundle(event)):
                events.append(event)
        return events if ended is None else [*events, *self._gone(live, ended, now_s)]

    def on_standby(self, now_s: float) -> list[ev.Event]:
        """Read what the worker on standby says, or that it has died."""
        standby = self._standby
        if standby is None:
            return []
        frames, ended = standby.read(now_s)
        for message, _ in frames:
            if isinstance(message, ipc.Ready):
                standby.ready = message
            elif isinstance(message, ipc.Failed):
                standby.failed = message
        if ended is not None:
            return self._standby_died(standby, ended, now_s)
        if standby.ready is None or self._live is None:
            return self._take_over(standby, now_s)
        self._tell_to_stop(self._live, now_s)
        return []

    def tick(self, now_s: float) -> list[ev.Event]:
        """Kill what is silent, too large or does not stop, and start what is due."""
        events: list[ev.Event] = []
        self._leaving.free(now_s)
        standby, live = self._standby, self._live
        fault = None if standby is None else standby.fault(now_s)
        if standby is not None and fault is not None:
            events += self._standby_died(standby, fault, now_s)
        if live is not None:
            events += self._look_at(live, now_s)
        is_due = self._start_at_s is not None and now_s >= self._start_at_s
        return [*events, *self._start(now_s)] if is_due and self._standby is None else events

    def next_deadline_s(self) -> float | None:
        """When ``tick`` is needed at the latest."""
        live, standby = self._live, self._standby
        times_s = [None if live is None else live.due_s, None if standby is None else standby.fault_due_s]
        times_s += [self._start_at_s, self._leaving.due_s]
        return min((time_s for time_s in times_s if time_s is not None), default=None)

    def close(self) -> None:
        """End the workers at once."""
        self._wanted = self._start_at_s = None
        self._leaving.close()
        for run in (self._live, self._standby):
            if run is not None:
                run.process.end()
        self._live = self._standby = None

    def _is_wanted(self, run: WorkerRun) -> bool:
        """Not a worker of another model: what that sees is none of the new model's."""
        wanted = self._wanted
        return wanted is not None and (wanted.bundle, wanted.artifact) == (run.bundle, run.artifact)

    def _tell_to_stop(self, live: WorkerRun, now_s: float) -> None:
        if live.stop_by_s is None:
            live.stop_by_s = now_s + STOP_S
            live.process.send(ipc.Stop())

    def _look_at(self, live: WorkerRun, now_s: float) -> list[ev.Event]:
        if live.stop_by_s is not None:
            return self._gone(live, "did not stop", now_s) if now_s >= live.stop_by_s else []
        fault = live.fault(now_s)
        if fault is not None:
            return self._gone(live, fault, now_s)
        is_told = live.has_become_steady(now_s) and self._is_wanted(live)
        return [ev.WorkerSteady(bundle=live.bundle)] if is_told else []

    def _start(self, now_s: float) -> list[ev.Event]:
        """Start what is wanted: on the source, or on standby while another one is there."""
        active, self._start_at_s = self._wanted, None
        if active is None:
            return []
        is_standby = self._live is not None
        try:
            process = self._spawn(
                active_configuration(
                    self._config,
                    active,
                    self._bundle_dir(active.bundle),
                    boot=self._boot,
                    progress=self._progress,
                    standby=is_standby,
                    careful=self._backoff.deaths > 0,
                )
            )
        except ChildError as exc:
            return self._fell(active.bundle, str(exc), now_s)
        limits = self._config.worker
        run = fresh_run(process, active.artifact, now_s, silence_s=limits.silence_s, memory_mb=limits.memory_mb)
        place = "standby" if is_standby else str(self._progress.position)
        log.info("worker started bundle=%s pid=%d position=%s", active.bundle[:12], process.pid, place)
        if is_standby:
            self._standby = run
            return []
        self._live = run
        self._progress.begin()
        self._handover.give(process, active)
        return [ev.WorkerStarted()]

    def _take_over(self, standby: WorkerRun, now_s: float) -> list[ev.Event]:
        """Let the worker on standby, if it has its model, go on where the one before stopped."""
        if self._wanted is None or standby.ready is None:
            return []
        self._live, self._standby = standby, None
        standby.started_s = now_s
        self._progress.begin()
        self._progress.loaded(standby, standby.ready)
        go = ipc.Go(position=self._progress.position, mark=self._progress.mark)
        self._handover.give(standby.process, self._wanted, go=go)
        log.info("worker took over bundle=%s position=%d", standby.bundle[:12], self._progress.position)
        return [ev.WorkerStarted(), ev.WorkerReady(bundle=standby.bundle)]

    def _gone(self, live: WorkerRun, how: str, now_s: float) -> list[ev.Event]:
        """The worker on the source has ended, or has to."""
        self._live = None
        if live.stop_by_s is not None:  # as it was told
            if how == ENDED:
                self._leaving.let(live.process, now_s)
            else:
                log.warning("worker killed bundle=%s reason=%s", live.bundle[:12], how)
                live.process.end()
            return self._next(now_s)
        reason = live.reason(how, live.process.end())
        if self._standby is not None:
            return [self._died(live.bundle, reason, live), *self._next(now_s)]
        events = self._fell(live.bundle, reason, now_s, live)
        if live.ready is not None and not self._progress.ended and self._deadly.kills(self._progress.position):
            events.append(ev.FrameSkipped(position=self._progress.position))
            self._progress.position += 1
        return events

    def _next(self, now_s: float) -> list[ev.Event]:
        """The source is free."""
        return self._start(now_s) if self._standby is None else self._take_over(self._standby, now_s)

    def _standby_died(self, standby: WorkerRun, how: str, now_s: float) -> list[ev.Event]:
        """The one before goes on, if there still is one; if it was told to stop, its end starts another one."""
        self._standby = None
        return self._fell(standby.bundle, standby.reason(how, standby.process.end()), now_s, standby)

    def _fell(self, bundle: str, reason: str, now_s: float, run: WorkerRun | None = None) -> list[ev.Event]:
        """Nothing of what is wanted runs: another one is started after a while."""
        wait_s = self._backoff.after(ran_s=0.0 if run is None else now_s - run.started_s)
        self._start_at_s = now_s + wait_s
        died = self._died(bundle, reason, run)
        log.info("worker starts again bundle=%s after_s=%.1f", bundle[:12], wait_s)
        return [died]

    def _died(self, bundle: str, reason: str, run: WorkerRun | None) -> ev.WorkerDied:
        self.figures.restarts += 1
        log.warning("worker died bundle=%s reason=%s", bundle[:12], reason)
        return death_of(bundle, reason, None if run is None else run.failed, has_run=run is not None)
