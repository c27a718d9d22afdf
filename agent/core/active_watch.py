"""What the active worker's life means for the update: it proves its model, or speaks against it.

In PROVISIONAL a death or an unhealthy figure brings the last good model back, and enough good frames commit. In every
other state its deaths in a row are counted on disk (``agent.core.crash_loop``), and its figures are looked at all the
same: a committed model that is unwell stays, because nobody knows a better one, and it is told.
"""

from __future__ import annotations

from dataclasses import replace

from agent.config import UpdateConfig
from agent.core import crash_loop
from agent.core import events as ev
from agent.core.judgement import Judgement
from agent.core.selection import CHANNEL_REV
from agent.core.soak_checks import good_figures, judge_soak
from agent.core.update_results import DAMAGED_CODE
from agent.core.update_states import UpdateStates
from agent.core.update_table import RESTING, Move, State, is_legal
from edge_models.wire.update import UpdateError

MAX_DEATHS = 5  # as worker.deaths has it by default


class ActiveWatch:
    """Looks after the active model.

    Args:
        states: Of the update.
        settings: Limits.
        max_deaths: Of the active model in a row, after which the last good one takes over.
    """

    def __init__(self, *, states: UpdateStates, settings: UpdateConfig, max_deaths: int) -> None:
        self._states = states
        self._settings = settings
        self._max_deaths = max_deaths
        self._last: ev.WorkerRan | None = None
        self._ill: dict[str, Judgement] = {}  # of the model that was looked at last, if it is unwell

    @property
    def unwell(self) -> Judgement | None:
        """What the figures of a model that is not on trial say against it, or its deaths; None when it is well."""
        active = self._states.active
        if active is None:
            return None
        if not self._dies_too_often():
            return self._ill.get(active.bundle)
        message = f"{crash_loop.described(self._states.record, active.bundle)}; no last good model is kept"
        return Judgement(verdict="fault", code=crash_loop.CODE, message=message)

    def on_worker(self, event: ev.WorkerReady | ev.WorkerRan | ev.WorkerDied | ev.WorkerSteady, now_s: float) -> None:
        """Draw the conclusion from what the active worker says, or from its death."""
        states, state = self._states, self._states.record.phase
        active = states.active
        if active is None or event.bundle != active.bundle:
            return  # a late word of a worker that has been replaced
        match event, state:
            case ev.WorkerReady(), State.ROLLING_BACK:
                states.go(Move.RESTORED, now_s)
            case ev.WorkerReady(), State.PROVISIONAL:
                states.progress.ready = True
            case ev.WorkerRan(), _:
                self._on_ran(event, now_s)
            case ev.WorkerSteady(), _:
                states.store(crash_loop.when_steady(states.record))
            case ev.WorkerDied(blames_model=True, reason=reason), State.PROVISIONAL:
                states.go(Move.FAULT, now_s, error=UpdateError.of("worker_died", reason))
            case ev.WorkerDied(is_damaged=True, reason=reason), _ if state in RESTING and active.previous:
                states.leave_active(active, 0, UpdateError.of(DAMAGED_CODE, reason), now_s)
            case ev.WorkerDied(blames_model=True), _ if state is not State.ROLLING_BACK:
                states.store(crash_loop.with_death(states.record, active.bundle))
                self.leave_crash_loop(now_s)
            case _:
                pass

    def accept(self, judged: Judgement, now_s: float) -> None:
        """Let the target run, and remember how the model did that makes room for it."""
        active, last = self._states.active, self._last
        known = last is not None and active is not None and last.bundle == active.bundle
        good = good_figures(active.bundle, last.health) if known and active is not None and last is not None else None
        self._states.go(Move.ACCEPTED, now_s, judged=judged, good=good)

    def commit(self, now_s: float) -> None:
        """The target has proved itself."""
        states, last, wanted = self._states, self._last, self._settings.provisional.frames
        on_trial = states.active is not None and last is not None and last.bundle == states.active.bundle
        judged = self._judged(last if on_trial else None)
        frames = last.frames if on_trial and last is not None else 0
        if frames < wanted:
            judged = replace(judged, code="no_traffic", message=f"{frames} frames by the deadline, wanted {wanted}")
        states.go(Move.PROVEN, now_s, judged=judged, good=None)

    def leave_crash_loop(self, now_s: float) -> bool:
        """Go back from a model that dies again and again; whether there was one to go back to, and a reason."""
        states, active = self._states, self._states.active
        if active is None or active.previous is None or not self._dies_too_often():
            return False
        if states.record.phase is State.PROVISIONAL or not is_legal(states.record.phase, Move.ROLLBACK):
            return False
        error = UpdateError.of(crash_loop.CODE, crash_loop.described(states.record, active.bundle))
        states.leave_active(active, states.record.metadata.get(CHANNEL_REV, 0), error, now_s)
        return True

    def _dies_too_often(self) -> bool:
        active = self._states.active
        return active is not None and crash_loop.is_crash_loop(self._states.record, active.bundle, self._max_deaths)

    def _on_ran(self, event: ev.WorkerRan, now_s: float) -> None:
        states = self._states
        known = None if self._last is None or self._last.bundle != event.bundle else self._last.health
        self._last = replace(event, health=event.health or known)
        judged = self._judged(event)
        if states.record.phase is not State.PROVISIONAL:
            self._ill = {event.bundle: judged} if judged.verdict == "fault" else {}
        elif judged.verdict == "fault":
            error = UpdateError.of(judged.code, judged.message)
            states.go(Move.FAULT, now_s, error=error, judged=judged)
        elif states.progress.ready and event.frames >= self._settings.provisional.frames:
            self.commit(now_s)

    def _judged(self, event: ev.WorkerRan | None) -> Judgement:
        good = self._states.record.good if self._states.record.phase is State.PROVISIONAL else None
        if event is None:
            return judge_soak(None, 0, self._settings, good)
        return judge_soak(event.health, event.rss_kb, self._settings, good)
