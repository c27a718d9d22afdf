"""The update states and every legal move between them.

Rules of this file: all that affects transitions lives here, and nothing else does. ``UpdateMachine`` decides which
move to make; a move without a row is an error. The diagram in ARCHITECTURE.md is generated from the table by
``mermaid()``, and a test compares them.

    >>> next_state(State.SELF_TEST, Move.FAULT)
    <UpdatePhase.REJECTED: 'rejected'>
    >>> next_state(State.IDLE, Move.PROVEN)
    Traceback (most recent call last):
    agent.errors.TransitionError: update state idle has no row for proven
"""

from __future__ import annotations

from enum import StrEnum

from agent.core import state_diagram
from agent.errors import TransitionError
from edge_models.wire.update import UpdatePhase

State = UpdatePhase

DIAGRAM_BEGIN = "<!-- update-states:begin -->"
DIAGRAM_END = "<!-- update-states:end -->"


class Move(StrEnum):
    """What happened, as far as the table cares."""

    TARGET = "target"  # another bundle is wanted than the one that runs
    WITHDRAWN = "withdrawn"  # the running bundle is wanted after all
    FETCHED = "fetched"  # every file of the target is here
    VERIFIED = "verified"  # and is what the signed manifest says
    PASSED = "passed"  # the candidate gave the golden outputs
    ACCEPTED = "accepted"  # shadow run done, or over by policy
    PROVEN = "proven"  # it ran long enough as the active model
    FAULT = "fault"  # the target is bad
    RETRY = "retry"  # a passing failure, and attempts are left
    GAVE_UP = "gave_up"  # the failure does not pass, or no attempts are left
    ROLLBACK = "rollback"  # the operator wants the previous model
    RESTORED = "restored"  # the last good model is active again
    RESTARTED = "restarted"  # the supervisor started and found this state on disk
    LOST = "lost"  # it found the state, and not the target's files


RESTING = frozenset({State.IDLE, State.COMMITTED, State.ROLLED_BACK, State.REJECTED, State.FAILED})
"""Nothing is under way; the last one stays visible until the next target."""

_TRIAL = (State.VERIFYING, State.SELF_TEST, State.SHADOW)  # the target is here and the old model still runs

TRANSITIONS: dict[tuple[State, Move], State] = {
    **{(state, Move.TARGET): State.DOWNLOADING for state in sorted(RESTING)},
    **{(state, Move.ROLLBACK): State.ROLLING_BACK for state in sorted(RESTING)},
    **{(state, Move.RESTARTED): state for state in sorted(RESTING)},
    (State.DOWNLOADING, Move.FETCHED): State.VERIFYING,
    (State.DOWNLOADING, Move.RETRY): State.DOWNLOADING,
    (State.DOWNLOADING, Move.FAULT): State.REJECTED,
    (State.VERIFYING, Move.VERIFIED): State.SELF_TEST,
    (State.SELF_TEST, Move.PASSED): State.SHADOW,
    (State.SHADOW, Move.ACCEPTED): State.PROVISIONAL,
    **{(state, Move.FAULT): State.REJECTED for state in _TRIAL},
    # A newer target supersedes in every state; one that is under test simply goes.
    **{(state, Move.TARGET): State.DOWNLOADING for state in (State.DOWNLOADING, *_TRIAL)},
    **{(state, Move.WITHDRAWN): State.IDLE for state in (State.DOWNLOADING, *_TRIAL)},
    **{(state, Move.ROLLBACK): State.ROLLING_BACK for state in (State.DOWNLOADING, *_TRIAL)},
    **{(state, Move.GAVE_UP): State.FAILED for state in (State.DOWNLOADING, *_TRIAL)},
    # After a restart the candidate is gone; what is on disk is verified again before it is run again.
    (State.DOWNLOADING, Move.RESTARTED): State.DOWNLOADING,
    **{(state, Move.RESTARTED): State.VERIFYING for state in _TRIAL},
    **{(state, Move.LOST): State.DOWNLOADING for state in _TRIAL},
    # An unproven model is left only by way of the last good one, so that there always is one.
    (State.PROVISIONAL, Move.PROVEN): State.COMMITTED,
    (State.PROVISIONAL, Move.FAULT): State.ROLLING_BACK,
    (State.PROVISIONAL, Move.GAVE_UP): State.ROLLING_BACK,
    (State.PROVISIONAL, Move.ROLLBACK): State.ROLLING_BACK,
    (State.PROVISIONAL, Move.TARGET): State.ROLLING_BACK,
    (State.PROVISIONAL, Move.RESTARTED): State.PROVISIONAL,
    (State.PROVISIONAL, Move.LOST): State.ROLLING_BACK,
    (State.ROLLING_BACK, Move.RESTORED): State.ROLLED_BACK,
    (State.ROLLING_BACK, Move.TARGET): State.ROLLING_BACK,  # looked at again once restored
    (State.ROLLING_BACK, Move.ROLLBACK): State.ROLLING_BACK,
    (State.ROLLING_BACK, Move.RESTARTED): State.ROLLING_BACK,
}


def next_state(state: State, move: Move) -> State:
    """The state after a move.

    Raises:
        TransitionError: The table has no row for it.
    """
    try:
        return TRANSITIONS[state, move]
    except KeyError:
        raise TransitionError(f"update state {state.value} has no row for {move.value}") from None


def is_legal(state: State, move: Move) -> bool:
    """Whether the table has a row."""
    return (state, move) in TRANSITIONS


def mermaid() -> str:
    """The table as a mermaid state diagram; a resting state that survives a restart needs no arrow."""
    rows = ((state, move, after) for (state, move), after in TRANSITIONS.items())
    return state_diagram.mermaid(State.IDLE, (row for row in rows if row[0] is not row[2] or row[0] not in RESTING))


def diagram_section() -> str:
    """What stands in ARCHITECTURE.md from one marker to the other."""
    return state_diagram.section(DIAGRAM_BEGIN, mermaid(), DIAGRAM_END)
