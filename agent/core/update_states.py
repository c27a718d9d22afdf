"""Entering an update state: store it, set its deadline, order its work.

``UpdateMachine`` decides which move to make; here is what follows from having made it. ``StoreUpdate`` always comes
before the commands of the state's work, and each work can be done a second time, so a restart at any point finds
either the state before or one that can be entered again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from agent import ipc
from agent.config import UpdateConfig
from agent.core import commands as do
from agent.core.decision import decision_on
from agent.core.judgement import Judgement
from agent.core.records import ActiveRecord, Target, UpdateRecord
from agent.core.update_results import with_passed_by, with_result
from agent.core.update_table import RESTING, Move, State, next_state
from edge_models.manifest import BundleId
from edge_models.wire.results import Outcome
from edge_models.wire.update import UpdateError
from edge_models.wire.values import Timestamp

ROLLING_BACK_DEADLINE_S = 30.0  # the pointer is restored at once; this bounds the wait for the worker
RETRY_FIRST_S = 5.0
RETRY_LONGEST_S = 300.0
MOVES_PER_ATTEMPT = 4  # of an attempt that a restart ends in SHADOW, the longest one
MOVES_BESIDE = 8  # PROVISIONAL with its restarts, ROLLING_BACK, the end
BUDGET_CODE = "budget"
"""The day's bytes are used up, as the owner wanted it: no failure, and no attempt."""
_BEGINNINGS = (Move.TARGET, Move.ROLLBACK)
_PASSED_BY = {State.DOWNLOADING: Outcome.SUPERSEDED, State.IDLE: Outcome.WITHDRAWN}


@dataclass(slots=True, kw_only=True)
class Progress:
    """What a state has seen since it was entered; forgotten with it, on purpose never stored."""

    ready: bool = False  # PROVISIONAL: the worker has loaded the model
    frames: int = 0  # PROVISIONAL: that it has run
    seen: ipc.ShadowVerdict | None = None  # SHADOW: the comparison so far


@dataclass(slots=True, kw_only=True)
class UpdateStates:
    """The record, the pointer and the commands that have to follow.

    Attributes:
        settings: Deadlines.
        record: Mirrors update.json.
        active: Mirrors active.json.
        deadline_s: Monotonic time at which the present state ends by itself.
        retry_at_s: Monotonic time at which a download is tried again.
        progress: Of the present state.
        ts: The present moment for people, or None while the clock is unknown.
    """

    settings: UpdateConfig
    record: UpdateRecord
    active: ActiveRecord | None
    deadline_s: float | None = None
    retry_at_s: float | None = None
    progress: Progress = field(default_factory=Progress)
    ts: Timestamp | None = None
    _out: list[do.Action] = field(default_factory=list)

    def go(
        self,
        move: Move,
        now_s: float,
        *,
        error: UpdateError | None = None,
        judged: Judgement | None = None,
        **changes: object,
    ) -> None:
        """Make a move: store the state it leads to with ``changes``, and order the state's work.

        Args:
            move: The move.
            now_s: Monotonic time.
            error: What went wrong, if anything did.
            judged: What the move rests on; the record keeps it as a decision.
            changes: Further fields of the record.

        Raises:
            TransitionError: The table has no row for it.
        """
        if self._goes_round(move):
            move, judged = Move.RESTORED if self.record.phase is State.ROLLING_BACK else Move.GAVE_UP, None
            error = UpdateError.of("loop", f"{self.record.stores} moves for one target, expected less")
        before = self.record
        after = next_state(before.phase, move)
        if error is not None or after in (State.IDLE, State.COMMITTED) or move is Move.TARGET:
            changes["error"] = error
        stores = 1 if move in _BEGINNINGS else before.stores + 1
        record = replace(before, phase=after, stores=stores, **changes)  # type: ignore[arg-type] # own names
        decision = decision_on(record, move, error, judged, self.ts)
        if decision is not None:
            record = record.with_decision(decision)
        if (
            before.target is not None
            and before.phase not in RESTING
            and move in (Move.TARGET, Move.WITHDRAWN)
            and after in _PASSED_BY
        ):
            record = with_passed_by(record, before.target, _PASSED_BY[after])
        self.record = with_result(record, has_model=self.active is not None)
        self._out.append(do.StoreUpdate(record=self.record))
        self.progress = Progress()
        self.retry_at_s = None
        self.deadline_s = self._deadline_of(after, now_s)
        self._work(move, now_s)

    def _goes_round(self, move: Move) -> bool:
        """Whether this target has taken more moves than an update without a mistake of ours can need."""
        if self.record.stores < MOVES_PER_ATTEMPT * self.settings.attempts + MOVES_BESIDE or move in _BEGINNINGS:
            return False
        if self.record.phase is State.ROLLING_BACK:
            return move is Move.RESTARTED
        return next_state(self.record.phase, move) not in RESTING | {State.ROLLING_BACK}

    def leave_active(self, active: ActiveRecord, rev: int, error: UpdateError, now_s: float) -> None:
        """Go back to the bundle before the active one."""
        old = self.record.target
        left = Target(
            bundle=active.bundle,
            serial=active.serial,
            rev=rev,
            rollout=old.rollout if old is not None and old.bundle == active.bundle else None,
            artifact=active.artifact,
            version=active.version,
        )
        self.go(Move.ROLLBACK, now_s, error=error, target=left, superseded=False)

    def settle(self) -> None:
        """Do a resting state's work again: finish what a power cut may have left half done."""
        if self.record.crashes is not None:  # this start counts
            self.order(do.StoreUpdate(record=self.record))
        self._rest()

    def store(self, record: UpdateRecord) -> None:
        """Change the record without a move."""
        if record != self.record:
            self.record = record
            self._out.append(do.StoreUpdate(record=record))

    def not_before(self, time_s: float) -> None:
        """Let a download that is to be tried again wait until then at least; its deadline begins with it."""
        if self.retry_at_s is not None:
            self.retry_at_s = max(self.retry_at_s, time_s)
            self.deadline_s = None

    def wait_for_budget(self, error: UpdateError, wait_s: float, now_s: float) -> None:
        """Wait quietly until more may be downloaded: attempts and moves are counted from there on."""
        self.store(replace(self.record, error=error, attempt=1, stores=1))
        self.retry_at_s = now_s + max(wait_s, RETRY_FIRST_S)
        self.deadline_s = None

    def fetch_again(self, target: Target, now_s: float) -> None:
        """Go on with a download that has waited."""
        self.retry_at_s = None
        self.deadline_s = self._deadline_of(State.DOWNLOADING, now_s)
        if self.record.error is not None and self.record.error.code == BUDGET_CODE:
            self.store(replace(self.record, error=None))
        self.order(do.StartFetch(target=target))

    def point_to(self, active: ActiveRecord | None) -> None:
        """Let active.json say what runs."""
        self.active = active
        self._out.append(do.PointTo(active=active))

    def order(self, *actions: do.Action) -> None:
        """Add commands."""
        self._out += actions

    def take(self) -> list[do.Action]:
        """The commands collected so far."""
        out, self._out = self._out, []
        return out

    def _work(self, move: Move, now_s: float) -> None:
        target = self.record.target
        match self.record.phase:
            case State.DOWNLOADING if target is not None:
                self._download(target, now_s, retry=move is Move.RETRY)
            case State.VERIFYING if target is not None:
                self.order(do.StopTrial(), do.StartVerify(target=target))
            case State.SELF_TEST if target is not None:
                self.order(do.StartCandidate(bundle=target.bundle, artifact=target.artifact or ""))
            case State.SHADOW:
                self.order(do.StartShadow(rate_hz=self.settings.shadow.rate_hz))
            case State.PROVISIONAL if target is not None:
                self._try_out(target)
            case State.ROLLING_BACK:
                self._roll_back(now_s)
            case _:
                self._rest()

    def _download(self, target: Target, now_s: float, *, retry: bool) -> None:
        self.order(do.StopTrial())
        if retry:
            self.retry_at_s = now_s + min(RETRY_FIRST_S * 2 ** (self.record.attempt - 2), RETRY_LONGEST_S)
        else:  # what superseded targets left goes first, or a row of them could fill the disk
            self.order(do.KeepBundles(keep=self._kept() | {target.bundle}), do.StartFetch(target=target))

    def _try_out(self, target: Target) -> None:
        self.order(do.StopTrial())
        if self.active is None or self.active.bundle != target.bundle:
            self.point_to(
                ActiveRecord(
                    bundle=target.bundle,
                    artifact=target.artifact or "",
                    version=target.version,
                    serial=target.serial or 1,
                    previous=None if self.active is None else self.active.as_version(),
                    provisional=True,
                )
            )
        self.order(do.RunActive())

    def _roll_back(self, now_s: float) -> None:
        self.order(do.StopTrial())
        active, target = self.active, self.record.target
        if active is not None and target is not None and active.bundle == target.bundle:
            back = active.previous
            self.point_to(
                None
                if back is None
                else ActiveRecord(
                    bundle=back.bundle, artifact=back.artifact or "", version=back.version, serial=back.serial or 1
                )
            )
        self.order(do.RunActive())
        if self.active is None:
            self.go(Move.RESTORED, now_s)

    def _rest(self) -> None:
        self.order(do.StopTrial())
        active, target = self.active, self.record.target
        if active is not None and active.provisional and self.record.phase is State.COMMITTED:
            self.point_to(replace(active, provisional=False))
        keep = self._kept()
        if self.record.phase is State.FAILED and target is not None:  # what is here already need not come again
            keep |= {target.bundle}
        if active is not None or self.record.phase is State.ROLLED_BACK:  # else: a lost pointer, perhaps
            self.order(do.KeepBundles(keep=keep))

    def _kept(self) -> frozenset[BundleId]:
        """The active bundle and the last good one before it."""
        if self.active is None:
            return frozenset()
        previous = self.active.previous
        return frozenset({self.active.bundle} if previous is None else {self.active.bundle, previous.bundle})

    def _deadline_of(self, state: State, now_s: float) -> float | None:
        settings = self.settings
        waits_s = {
            State.DOWNLOADING: settings.download_timeout_s,
            State.VERIFYING: settings.self_test_timeout_s,
            State.SELF_TEST: settings.self_test_timeout_s,
            State.SHADOW: settings.shadow.deadline_s,
            State.PROVISIONAL: settings.provisional.deadline_s,
            State.ROLLING_BACK: ROLLING_BACK_DEADLINE_S,
        }
        return now_s + waits_s[state] if state in waits_s else None
