"""The update machine: which move follows from what happened, from a chosen target to COMMITTED or back.

The moves are rows of ``update_table``; what entering a state entails is in ``update_states``. Every state that waits
has a deadline on the monotonic clock, attempts at one target are bounded, and a newer target supersedes in every
state: one under test is dropped, one that is active but unproven is left by way of the last good model.
"""

from __future__ import annotations

from dataclasses import replace

from agent import ipc
from agent.config import UpdateConfig
from agent.core import commands as do
from agent.core import events as ev
from agent.core.active_watch import MAX_DEATHS, ActiveWatch
from agent.core.judgement import Judgement
from agent.core.records import ActiveRecord, Target, UpdateRecord
from agent.core.trial import judge_shadow
from agent.core.update_states import BUDGET_CODE, UpdateStates
from agent.core.update_table import RESTING, Move, State, is_legal
from edge_models.wire.update import UpdateError
from edge_models.wire.values import Timestamp

UNFIT_CODES = frozenset({"unfit", "too_large"})
"""Failures of a download that say that the bundle is not for this device."""
CONTENT_CODE = "content"
"""Bytes differ from what was signed: a proxy may mend itself, so it is tried again before the bundle is called bad."""


class UpdateMachine:
    """State of the update; ``resume`` once, then ``handle`` for everything that happens.

    Args:
        settings: Deadlines, frame counts, attempts.
        record: As recovered from disk.
        active: What runs, as recovered from disk.
        max_deaths: Of the active model in a row, after which the last good one takes over.
    """

    def __init__(
        self,
        *,
        settings: UpdateConfig,
        record: UpdateRecord,
        active: ActiveRecord | None,
        max_deaths: int = MAX_DEATHS,
    ) -> None:
        self.bytes: int | None = None
        self.total: int | None = None
        self._settings = settings
        self._states = UpdateStates(settings=settings, record=record, active=active)
        self._watch = ActiveWatch(states=self._states, settings=settings, max_deaths=max_deaths)
        self._answers_request = False

    @property
    def record(self) -> UpdateRecord:
        """What update.json holds, or will hold once the commands are carried out."""
        return self._states.record

    @property
    def active(self) -> ActiveRecord | None:
        """What active.json holds, likewise."""
        return self._states.active

    @property
    def state(self) -> State:
        """Where the update stands."""
        return self._states.record.phase

    @property
    def next_deadline_s(self) -> float | None:
        """When a Tick is needed at the latest, on the monotonic clock."""
        times_s = (self._states.deadline_s, self._states.retry_at_s)
        return min((time_s for time_s in times_s if time_s is not None), default=None)

    @property
    def unwell(self) -> Judgement | None:
        """What the figures of a model that is not on trial say against it, or its deaths; None when it is well."""
        return self._watch.unwell

    def resume(self, move: Move, now_s: float, *, ts: Timestamp | None = None) -> list[do.Action]:
        """Take up the state found on disk; each time is an attempt, which bounds a loop of crashes."""
        self._states.ts = ts
        if self._watch.leave_crash_loop(now_s):
            pass
        elif self.state in RESTING:
            self._states.settle()
        else:
            self._next_attempt(move, now_s)
        return self._states.take()

    def remember(self, record: UpdateRecord) -> list[do.Action]:
        """Store hints, the hold or metadata versions, which are not the machine's to decide."""
        self._states.store(record)
        return self._states.take()

    def handle(
        self,
        event: ev.UpdateEvent,
        now_s: float,
        *,
        open_request: str | None = None,
        ts: Timestamp | None = None,
    ) -> list[do.Action]:
        """Commands that follow from an event, in the order in which they must be carried out.

        Args:
            event: What happened; one that the present state does not wait for is without effect.
            now_s: Monotonic time.
            open_request: Id of the device's open request: a bundle that answers it need not agree with the old one.
            ts: The same moment for people; None while the clock is unknown.
        """
        self._states.ts = ts
        match event:
            case ev.Tick():
                self._on_tick(now_s)
            case ev.TargetChosen() | ev.TargetWithdrawn() | ev.RollbackAsked():
                self._on_wish(event, now_s)
            case ev.FetchProgress() | ev.FetchDone() | ev.FetchFailed():
                self._on_fetch(event, now_s)
            case ev.TargetVerified() | ev.TargetBad():
                self._on_verified(event, now_s, open_request)
            case ev.CandidateTested() | ev.CandidateCompared() | ev.CandidateDied():
                self._on_candidate(event, now_s)
            case ev.WorkerReady() | ev.WorkerRan() | ev.WorkerDied() | ev.WorkerSteady():
                self._watch.on_worker(event, now_s)
            case ev.StorageFailed(message=message):  # a rollback goes on even so: what it needs is in memory
                if is_legal(self.state, Move.GAVE_UP) and not self._is_all_there_is:
                    self._states.go(Move.GAVE_UP, now_s, error=_error("storage", message))
        return self._states.take()

    @property
    def _is_all_there_is(self) -> bool:
        """Whether a model on trial runs, and none would if it went."""
        return self.active is not None and self.active.previous is None and self._states.progress.ready

    def orders(self) -> list[do.Action]:
        """What a fresh active worker has to be told."""
        if self.state is not State.SHADOW:
            return []
        return [do.StartShadow(rate_hz=self._settings.shadow.rate_hz)]

    def _on_tick(self, now_s: float) -> None:
        states = self._states
        if states.retry_at_s is not None and now_s >= states.retry_at_s and self.record.target is not None:
            states.fetch_again(self.record.target, now_s)
        if states.deadline_s is None or now_s < states.deadline_s:
            return
        states.deadline_s = None
        match self.state:
            case State.DOWNLOADING:
                found = f"no end after {self._settings.download_timeout_s:g} s"
                self._fail_or_retry("timeout", found, now_s, may_pass=True)
            case State.VERIFYING | State.SELF_TEST:
                timeout_s = self._settings.self_test_timeout_s
                self._fault(f"{self.state.value}_timeout", f"no result after {timeout_s:g} s", now_s)
            case State.SHADOW:
                self._judge_shadow(now_s, is_over=True)
            case State.PROVISIONAL if states.progress.ready:  # without traffic too: nothing spoke against it
                self._watch.commit(now_s)
            case State.PROVISIONAL:
                self._fault("not_ready", "the worker did not load the model in time", now_s)
            case State.ROLLING_BACK:
                states.go(Move.RESTORED, now_s)
            case _:
                pass

    def _on_wish(self, event: ev.TargetChosen | ev.TargetWithdrawn | ev.RollbackAsked, now_s: float) -> None:
        match event:
            case ev.TargetChosen(target=target):
                self._on_target(target, now_s)
            case ev.TargetWithdrawn() if is_legal(self.state, Move.WITHDRAWN):
                self._states.go(Move.WITHDRAWN, now_s)
            case ev.RollbackAsked(rev=rev) if self.state is not State.ROLLING_BACK:
                if self.active is not None and self.active.previous is not None:  # else nothing would run
                    self._states.leave_active(self.active, rev, _error("operator", "rolled back by command"), now_s)
            case _:
                pass

    def _on_target(self, target: Target, now_s: float) -> None:
        old = self.record.target
        if old is not None and self.state not in RESTING and old.bundle == target.bundle:
            known = replace(target, artifact=old.artifact, version=old.version)
            self._states.store(replace(self.record, target=known))  # the same bundle for another rollout, perhaps
        elif self.state is State.PROVISIONAL:
            if self.active is not None and self.active.previous is not None:  # else its turn comes once the trial ends
                self._states.go(Move.TARGET, now_s, superseded=True)
        elif self.state is not State.ROLLING_BACK:  # there it is looked at again once the last good model is back
            self.bytes = self.total = None
            self._states.go(Move.TARGET, now_s, target=target, attempt=1)

    def _on_fetch(self, event: ev.FetchProgress | ev.FetchDone | ev.FetchFailed, now_s: float) -> None:
        target = self.record.target
        if self.state is not State.DOWNLOADING or target is None or self._states.retry_at_s is not None:
            return
        if event.bundle != target.bundle:
            return  # a late word of a download that has been superseded
        match event:
            case ev.FetchProgress():
                self.bytes, self.total = event.bytes, event.total
            case ev.FetchDone():
                self._states.go(Move.FETCHED, now_s)
            case ev.FetchFailed(code=code, message=message) if code in UNFIT_CODES:
                self._fault(code, message, now_s)
            case ev.FetchFailed(code=code, message=message, retry_after_s=wait_s) if code == BUDGET_CODE:
                self._states.wait_for_budget(_error(code, message), wait_s, now_s)
            case ev.FetchFailed(code=code, message=message, transient=transient, retry_after_s=wait_s):
                may_pass = transient or code == CONTENT_CODE
                self._fail_or_retry(code, message, now_s, may_pass=may_pass, wait_s=wait_s)

    def _on_verified(self, event: ev.TargetVerified | ev.TargetBad, now_s: float, request: str | None) -> None:
        target = self.record.target
        if self.state is not State.VERIFYING or target is None:
            return
        if isinstance(event, ev.TargetBad):
            move = Move.GAVE_UP if event.transient else Move.FAULT
            self._states.go(move, now_s, error=_error(event.code, event.message))
        elif target.serial is not None and event.serial != target.serial:
            found = f"the manifest has serial {event.serial}, the channel lists {target.serial}"
            self._fault("serial", found, now_s)
        else:
            # The cure must differ from the disease: agreement gates only what answers no request of this device.
            self._answers_request = target.answers is not None or (request is not None and request in event.answers)
            known = replace(target, artifact=event.artifact, version=event.version, serial=event.serial)
            self._states.go(Move.VERIFIED, now_s, target=known)

    def _on_candidate(self, event: ev.CandidateTested | ev.CandidateCompared | ev.CandidateDied, now_s: float) -> None:
        match event, self.state:
            case ev.CandidateTested(ok=True), State.SELF_TEST:
                self._states.go(Move.PASSED, now_s)
                if self.active is None or self._settings.shadow.frames == 0:  # nothing to compare with
                    self._watch.accept(
                        Judgement(verdict="pass", message="no model to compare with, or none wanted"), now_s
                    )
            case ev.CandidateTested(reason=reason), State.SELF_TEST:
                self._fault("self_test", reason, now_s)
            case ev.CandidateDied(blames_model=False, reason=reason), State.SELF_TEST:
                self._states.go(Move.GAVE_UP, now_s, error=_error("job", reason))
            case ev.CandidateDied(reason=reason), (State.SELF_TEST | State.SHADOW):
                self._fault("candidate_died", reason, now_s)
            case ev.CandidateCompared(), State.SHADOW:
                self._states.progress.seen = event.verdict
                self._judge_shadow(now_s, is_over=False)
            case _:
                pass

    def _judge_shadow(self, now_s: float, *, is_over: bool) -> None:
        seen = self._states.progress.seen or ipc.ShadowVerdict(n=0, agree=0, nan=0, p95_us=0.0)
        judged = judge_shadow(seen, self._settings.shadow, answers_request=self._answers_request, is_over=is_over)
        match judged.verdict:
            case "fault":
                self._fault(judged.code, judged.message, now_s, judged)
            case "pass":
                self._watch.accept(judged, now_s)
            case "wait":
                pass

    def _fault(self, code: str, message: str, now_s: float, judged: Judgement | None = None) -> None:
        self._states.go(Move.FAULT, now_s, error=_error(code, message), judged=judged)

    def _fail_or_retry(self, code: str, message: str, now_s: float, *, may_pass: bool, wait_s: float = 0.0) -> None:
        error = _error(code, message)
        if may_pass and self.record.attempt < self._settings.attempts:
            self._states.go(Move.RETRY, now_s, error=error, attempt=self.record.attempt + 1)
            self._states.not_before(now_s + wait_s)
        else:
            self._states.go(Move.FAULT if code == CONTENT_CODE else Move.GAVE_UP, now_s, error=error)

    def _next_attempt(self, move: Move, now_s: float) -> None:
        attempt = self.record.attempt + 1
        if attempt > self._settings.attempts and is_legal(self.state, Move.GAVE_UP):
            message = f"interrupted in {self.state.value} {self._settings.attempts} times"
            was_run = self.state is not State.DOWNLOADING  # what only lies there ends no agent
            error = _error("attempts", message) if was_run else _error("restarts", message)
            self._states.go(Move.GAVE_UP, now_s, error=error)
        else:
            self._states.go(move, now_s, attempt=attempt)


def _error(code: str, message: str) -> UpdateError:
    return UpdateError.of(code, message)
