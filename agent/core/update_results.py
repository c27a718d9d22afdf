"""How an update ended: the result for people and rollouts, and whether the bundle is to blame."""

from __future__ import annotations

from dataclasses import replace

from agent.core.records import Target, UpdateRecord
from agent.core.update_table import State
from edge_models.wire.results import Outcome, remedy
from edge_models.wire.update import LastResult

DAMAGED_CODE = "damaged"
"""The running bundle's files were harmed on this device's disk: it may come again, whole."""
_CARD_CODES = frozenset({DAMAGED_CODE, "storage"})
"""Rollbacks for which this device's disk is to blame, not the bundle."""
PASSING_CODES = frozenset({
    "network", "deadline", "timeout", "http", "not_published", "signature", "rollback", "expired",
    "interrupted", "restarts", "job", "no_space", "storage", "budget",
})  # fmt: skip
"""Failures that say nothing about the bundle: the next look at the channel may try again. What the registry and the
line to it do is among them, or whoever sits there could make a device refuse a good bundle for ever; and so is what
becomes of our own children, or a busy device would."""
_ENDS = (State.COMMITTED, State.ROLLED_BACK, State.REJECTED, State.FAILED)


def with_result(record: UpdateRecord, *, has_model: bool) -> UpdateRecord:
    """The record with the outcome that its state means, and with the target among the bad ones if it failed here.

    Args:
        record: In the state that was just entered.
        has_model: Whether a model runs now; after a rollback, whether there was one to go back to.
    """
    target = record.target
    if record.phase not in _ENDS or target is None:
        return record
    if record.superseded:
        return with_passed_by(replace(record, superseded=False), target, Outcome.SUPERSEDED)
    code = None if record.error is None or record.phase is State.COMMITTED else record.error.code
    result = LastResult(
        bundle=target.bundle,
        outcome=record.phase,
        rollout=target.rollout,
        attempt=max(record.attempt, 1),
        result=_outcome(record.phase, code, has_model=has_model),
        code=code,
        remedy=remedy(code or ""),
    )
    passing = code in _CARD_CODES if record.phase is State.ROLLED_BACK else code in PASSING_CODES
    if record.phase is State.REJECTED or (record.phase is not State.COMMITTED and not passing):
        record = record.with_bad(target)
    return replace(record, last_result=result)


def with_passed_by(record: UpdateRecord, target: Target, result: Outcome) -> UpdateRecord:
    """The record after a target was given up for another one, which says nothing about it: no failure to a rollout."""
    return replace(
        record,
        last_result=LastResult(
            bundle=target.bundle,
            outcome=State.IDLE,
            rollout=target.rollout,
            attempt=max(record.attempt, 1),
            result=result,
        ),
    )


def _outcome(phase: State, code: str | None, *, has_model: bool) -> Outcome:
    match phase:
        case State.COMMITTED:
            return Outcome.SUCCESSFUL
        case State.REJECTED:
            return Outcome.REJECTED
        case State.FAILED:
            return Outcome.FAILED_NO_CHANGE
        case _ if not has_model:
            return Outcome.FAILED_NOTHING_TO_ROLL_BACK_TO
        case _:
            return Outcome.ROLLED_BACK_BY_OPERATOR if code == "operator" else Outcome.FAILED_ROLLED_BACK
