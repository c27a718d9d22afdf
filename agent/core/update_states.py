"""Entering an update state: store it, set its deadline, order its work.

``UpdateMachine`` decides which move to make; here is what follows from having made it. ``StoreUpdate`` always comes
before the commands of the state's work, and each work can be done a second time, so a restart at any point finds
either the state before or one that can be entered again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from agent.config import UpdateConfig
from agent.core import commands as do
from agent.core.records import ActiveRecord, Target, UpdateRecord
from agent.core.update_table import Move, State, next_state
from edge_models.manifest import BundleId
from edge_models.wire.update import LastResult, UpdateError

ROLLING_BACK_DEADLINE_S = 30.0  # the pointer is restored at once; this bounds the wait for the worker
RETRY_FIRST_S = 5.0
RETRY_LONGEST_S = 300.0
DAMAGED_CODE = "damaged"
"""The running bundle's files were harmed on this device's disk: it may come again, whole."""
PASSING_CODES = frozenset({
    "network", "deadline", "timeout", "http", "not_published", "signature", "rollback", "expired",
    "interrupted", "job", "no_space", "storage",
})  # fmt: skip
"""Failures that say nothing about the bundle: the next look at the channel may try again. What the registry and the
line to it do is among them, or whoever sits there could make a device refuse a good bundle for ever; and so is what
becomes of our own children, or a busy device would."""


@dataclass(slots=True, kw_only=True)
class Progress:
    """What a state has seen since it was entered; forgotten with it, on purpose never stored."""

    ready: bool = False  # PROVISIONAL: the worker has loaded the model
    shadow_n: int = 0
    shadow_agree: int = 0
    shadow_nan: int = 0


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
    """

    settings: UpdateConfig
    record: UpdateRecord
    active: ActiveRecord | None
    deadline_s: float | None = None
    retry_at_s: float | None = None
    progress: Progress = field(default_factory=Progress)
    _out: list[do.Action] = field(default_factory=list)

    def go(self, move: Move, now_s: float, *, error: UpdateError | None = None, **changes: object) -> None:
        """Make a move: store the state it leads to with ``changes``, and order the state's work.

        Raises:
            TransitionError: The table has no row for it.
        """
        after = next_state(self.record.phase, move)
        if error is not None or after in (State.IDLE, State.COMMITTED) or move is Move.TARGET:
            changes["error"] = error
        self.record = _with_result(replace(self.record, phase=after, **changes))  # type: ignore[arg-type] # own names
        self._out.append(do.StoreUpdate(record=self.record))
        self.progress = Progress()
        self.retry_at_s = None
        self.deadline_s = self._deadline_of(after, now_s)
        self._work(move, now_s)

    def settle(self) -> None:
        """Do a resting state's work again: finish what a power cut may have left half done."""
        self._rest()

    def store(self, record: UpdateRecord) -> None:
        """Change the record without a move."""
        if record != self.record:
            self.record = record
            self._out.append(do.StoreUpdate(record=record))

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


def _with_result(record: UpdateRecord) -> UpdateRecord:
    """The record with the outcome that its state means, and with the target among the bad ones if it failed here."""
    target = record.target
    if record.phase not in (State.COMMITTED, State.ROLLED_BACK, State.REJECTED, State.FAILED) or target is None:
        return record
    if record.superseded:  # it made room for a newer one, which says nothing about it
        return replace(record, superseded=False)
    result = LastResult(
        bundle=target.bundle, outcome=record.phase, rollout=target.rollout, attempt=max(record.attempt, 1)
    )
    code = None if record.error is None else record.error.code
    passing = code == DAMAGED_CODE if record.phase is State.ROLLED_BACK else code in PASSING_CODES
    if record.phase not in (State.COMMITTED, State.REJECTED) and passing:
        return replace(record, last_result=result)
    if record.phase is not State.COMMITTED:
        record = record.with_bad(target)
    return replace(record, last_result=result)
