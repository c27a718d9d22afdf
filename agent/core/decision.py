"""Which moves of an update are decisions, and what is kept of them: for ``why`` on the device, and for the event."""

from __future__ import annotations

from agent.core.judgement import OK, Judgement
from agent.core.records import Decision, UpdateRecord
from agent.core.update_table import Move, State
from edge_models.wire.update import UpdateError
from edge_models.wire.values import Timestamp

_DECIDED = frozenset({State.PROVISIONAL, State.COMMITTED, State.REJECTED, State.FAILED, State.ROLLING_BACK})
_PASSED_BY = {
    Move.TARGET: ("superseded", "a newer target takes its place"),
    Move.WITHDRAWN: ("withdrawn", "the running bundle is wanted after all"),
}


def decision_on(
    record: UpdateRecord, move: Move, error: UpdateError | None, judged: Judgement | None, ts: Timestamp | None
) -> Decision | None:
    """What to remember of a move; None for one that decides nothing about its target.

    Args:
        record: In the state that the move leads to.
        move: The move.
        error: What went wrong, if anything did.
        judged: The judgement that it rests on, if it rests on one.
        ts: When.
    """
    if record.target is None or (judged is None and error is None and move not in _PASSED_BY):
        return None
    if record.phase not in _DECIDED and move is not Move.WITHDRAWN:
        return None
    code, message = _PASSED_BY.get(move, (OK, ""))
    if error is not None:
        code, message = error.code, error.message
    elif judged is not None:
        code, message = judged.code, judged.message
    return Decision(
        ts=ts,
        phase=record.phase,
        bundle=record.target.bundle,
        code=code,
        message=message[:500],
        evidence={} if judged is None else dict(judged.evidence),
    )
