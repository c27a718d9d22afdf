"""What to do at start-up: a pure function of what is on disk.

The shell reads the records (a damaged one counts as none, and is put aside for inspection) and lists the bundles that
are whole; this decides what runs and where the update goes on. However the records contradict each other, the result
is a model that is on disk, or none where there is none, and a state that the table knows. Each start is counted, which
bounds a loop of them (``agent.core.crash_loop``).
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from agent.core.crash_loop import with_start
from agent.core.records import ActiveRecord, Target, UpdateRecord
from agent.core.update_table import RESTING, Move, State
from edge_models.wire.update import ModelVersion, UpdateError


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Where to go on.

    Attributes:
        record: For the update machine.
        active: What runs; None when nothing can.
        move: The move to resume with.
        notes: What had to be mended, one sentence each, for the log.
    """

    record: UpdateRecord
    active: ActiveRecord | None
    move: Move
    notes: tuple[str, ...] = ()


def recover(
    record: UpdateRecord | None,
    active: ActiveRecord | None,
    present: AbstractSet[str],
    *,
    whole: Sequence[ActiveRecord] = (),
    kernel: str | None = None,
) -> Recovery:
    """Decide where to go on.

    Args:
        record: update.json, or None when it is missing or damaged.
        active: active.json, likewise.
        present: Ids of the bundles that lie whole under ``bundles/``.
        whole: A pointer to each of them, as this device would run it; needed only where ``active`` is of no use.
        kernel: Which boot of the kernel this is; None where nothing tells.
    """
    notes: list[str] = []
    known = record if record is not None else UpdateRecord()
    pointer = active
    if active is None:
        active = _pointer_from(known, present, notes)
    if active is not None and active.bundle not in present:
        notes.append(f"active bundle {active.bundle[:12]} is not on disk")
        known, active = _without_active(known, active, present)
    if active is None:
        known, active = _last_resort(known, whole, notes, is_known=record is not None)
    if active is not None and active.previous is not None and active.previous.bundle not in present:
        active = replace(active, previous=None)
    if active is not None and active.previous is None and active != pointer:
        active = replace(active, previous=_newest_beside(active, known, whole))
    known = _consistent(known, active, notes)
    if active is not None:
        known = with_start(known, active.bundle, kernel)
    return Recovery(record=known, active=active, move=_move(known, present), notes=tuple(notes))


def _last_resort(
    record: UpdateRecord, whole: Sequence[ActiveRecord], notes: list[str], *, is_known: bool
) -> tuple[UpdateRecord, ActiveRecord | None]:
    """The newest whole bundle that is not known to be bad, since nothing says which one ran.

    The target of an update that has not committed is taken only if it is the only one, and no update is under way
    that will try it out. Without a record any of them may be unproven, so the newest one is tried out if there is
    another one to go back to.
    """
    fit = sorted(_not_bad(record, whole), key=lambda one: one.serial, reverse=True)
    target = None if record.target is None or record.phase is State.COMMITTED else record.target.bundle
    others = [one for one in fit if one.bundle != target]
    if not others and record.phase not in RESTING:
        return record, None
    choice = next(iter(others or fit), None)
    if choice is None:
        return record, None
    notes.append(f"nothing says what ran, taken the newest whole bundle {choice.bundle[:12]}")
    if record.phase is State.COMMITTED:
        record = _lost(record)
    if is_known or len(others) == 1:
        return record, choice
    return record, replace(choice, provisional=True, previous=others[1].as_version())


def _newest_beside(active: ActiveRecord, record: UpdateRecord, whole: Sequence[ActiveRecord]) -> ModelVersion | None:
    """The last good one to a pointer that had to be made anew, so that it stays on disk."""
    target = None if record.target is None else record.target.bundle
    others = [one for one in _not_bad(record, whole) if one.bundle not in (active.bundle, target)]
    newest = max(others, key=lambda one: one.serial, default=None)
    return None if newest is None else newest.as_version()


def _not_bad(record: UpdateRecord, whole: Sequence[ActiveRecord]) -> list[ActiveRecord]:
    bad = {entry.bundle for entry in record.bad}
    return [one for one in whole if one.bundle not in bad]


def _lost(record: UpdateRecord) -> UpdateRecord:
    return replace(record, phase=State.FAILED, error=UpdateError.of("lost", "the bundle's files are gone"))


def _pointer_from(record: UpdateRecord, present: AbstractSet[str], notes: list[str]) -> ActiveRecord | None:
    """A pointer for a lost active.json: the target of a committed update is the one that ran."""
    target = record.target
    if record.phase is not State.COMMITTED or target is None or target.bundle not in present:
        return None
    if target.artifact is None or target.serial is None:
        return None
    notes.append("active.json was missing, taken from the last commit")
    return ActiveRecord(bundle=target.bundle, artifact=target.artifact, version=target.version, serial=target.serial)


def _without_active(
    record: UpdateRecord, active: ActiveRecord, present: AbstractSet[str]
) -> tuple[UpdateRecord, ActiveRecord | None]:
    """Fall back to the previous bundle, and end an update that was about the lost one."""
    back = active.previous
    if record.phase in (State.PROVISIONAL, State.ROLLING_BACK, State.COMMITTED):
        record = _lost(record)
    if back is None or back.bundle not in present:
        return record, None
    return record, _pointer(back)


def _consistent(record: UpdateRecord, active: ActiveRecord | None, notes: list[str]) -> UpdateRecord:
    """A record that fits the pointer."""
    if record.phase not in RESTING and record.target is None:
        notes.append(f"update state {record.phase.value} without a target")
        record = replace(record, phase=State.IDLE)
    unproven = active is not None and active.provisional
    about_active = record.target is not None and active is not None and record.target.bundle == active.bundle
    finished = record.phase in (State.COMMITTED, State.PROVISIONAL, State.ROLLING_BACK) and about_active
    if unproven and active is not None and not finished:
        notes.append(f"bundle {active.bundle[:12]} is active and unproven, with update state {record.phase.value}")
        target = Target(
            bundle=active.bundle, serial=active.serial, rev=0, artifact=active.artifact, version=active.version
        )
        return replace(record, phase=State.PROVISIONAL, target=target, attempt=0)
    return record


def _move(record: UpdateRecord, present: AbstractSet[str]) -> Move:
    target = record.target
    under_trial = record.phase in (State.VERIFYING, State.SELF_TEST, State.SHADOW, State.PROVISIONAL)
    if under_trial and target is not None and target.bundle not in present:
        return Move.LOST
    return Move.RESTARTED


def _pointer(version: ModelVersion) -> ActiveRecord:
    return ActiveRecord(
        bundle=version.bundle, artifact=version.artifact or "", version=version.version, serial=version.serial or 1
    )
