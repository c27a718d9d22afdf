"""What to do at start-up: a pure function of what is on disk.

The shell reads the records (a damaged one counts as none, and is put aside for inspection) and lists the bundles that
are whole; this decides what runs and where the update goes on. However the records contradict each other, the result
is a model that is on disk, or none where there is none, and a state that the table knows.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

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


def recover(record: UpdateRecord | None, active: ActiveRecord | None, present: AbstractSet[str]) -> Recovery:
    """Decide where to go on.

    Args:
        record: update.json, or None when it is missing or damaged.
        active: active.json, likewise.
        present: Ids of the bundles that lie whole under ``bundles/``.
    """
    notes: list[str] = []
    known = record if record is not None else UpdateRecord()
    if active is None:
        active = _pointer_from(known, present, notes)
    if active is not None and active.bundle not in present:
        notes.append(f"active bundle {active.bundle[:12]} is not on disk")
        known, active = _without_active(known, active, present)
    if active is not None and active.previous is not None and active.previous.bundle not in present:
        active = replace(active, previous=None)
    known = _consistent(known, active, notes)
    return Recovery(record=known, active=active, move=_move(known, present), notes=tuple(notes))


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
        error = UpdateError(code="lost", message="the bundle's files are gone")
        record = replace(record, phase=State.FAILED, error=error)
    if back is None or back.bundle not in present:
        return record, None
    return record, _pointer(back)


def _consistent(record: UpdateRecord, active: ActiveRecord | None, notes: list[str]) -> UpdateRecord:
    """A record that fits the pointer."""
    if record.phase not in RESTING and record.target is None:
        notes.append(f"update state {record.phase.value} without a target")
        return replace(record, phase=State.IDLE)
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
