"""The states of an episode of drift and every legal move between them.

Rules of this file: all that affects transitions lives here, and nothing else does. ``RequestPolicy`` decides which sign
was seen and carries out the acts of the row; a sign without a row is an error. The diagram in agent/README.md is
generated from the table by ``mermaid()``, and a test compares them.

    >>> next_step(DriftState.SUSPECT, Sign.CALM).state
    <DriftState.OK: 'ok'>
    >>> next_step(DriftState.OK, Sign.ASK)
    Traceback (most recent call last):
    agent.errors.TransitionError: drift state ok has no row for ask
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from agent.core import state_diagram
from agent.errors import TransitionError
from edge_models.wire.telemetry import DriftState

DIAGRAM_BEGIN = "<!-- drift-states:begin -->"
DIAGRAM_END = "<!-- drift-states:end -->"


class Sign(StrEnum):
    """What happened, as far as the table cares."""

    ALARM = "alarm"  # a detector saw a change
    DIFFERS = "differs"  # verdicts in a row were over the limit, and no detector had said anything
    CONFIRMED = "confirmed"  # verdicts in a row were over it, all their frames after the alarm
    CALM = "calm"  # verdicts in a row were within it
    QUIET = "quiet"  # verdicts in a row were far within it
    ASK = "ask"  # the drift is still there, and nothing speaks against asking for a model
    ANSWERED = "answered"  # a bundle that answers the request is being installed
    UNANSWERED = "unanswered"  # it was no good here
    COMMITTED = "committed"  # another bundle was committed
    DISMISSED = "dismissed"  # the operator wants no model for this
    BENIGN = "benign"  # the operator says that this drift is harmless whenever it comes
    REBASELINED = "rebaselined"  # the operator says that the present input is normal
    RESTARTED = "restarted"  # the agent started and found this state on disk


class Act(StrEnum):
    """What a move brings with it."""

    BEGIN = "begin"  # an episode: only verdicts after this frame count
    OPEN = "open"  # a request for a model, and the cool-down after it
    CLOSE = "close"  # the request, if one is open
    REMEMBER = "remember"  # what this drift looks like, so that the next one of its kind waits longer
    NAME = "name"  # what this drift looks like as harmless
    FORGET = "forget"  # what was asked about: it concerned another bundle
    END = "end"  # of the counting


class Step(NamedTuple):
    """A row of the table: where a sign leads, and what is done on the way."""

    state: DriftState
    acts: tuple[Act, ...] = ()


_S = DriftState

TRANSITIONS: dict[tuple[DriftState, Sign], Step] = {
    **{(state, Sign.ALARM): Step(_S.SUSPECT, (Act.BEGIN,)) for state in (_S.OK, _S.RECOVERED)},
    **{(state, Sign.DIFFERS): Step(_S.SUSPECT, (Act.BEGIN,)) for state in (_S.OK, _S.RECOVERED)},
    **{(state, Sign.ALARM): Step(state) for state in (_S.SUSPECT, _S.CONFIRMED, _S.REQUESTED)},
    (_S.SUSPECT, Sign.CONFIRMED): Step(_S.CONFIRMED),
    **{(state, Sign.CALM): Step(_S.OK, (Act.END,)) for state in (_S.SUSPECT, _S.RECOVERED)},
    (_S.CONFIRMED, Sign.ASK): Step(_S.REQUESTED, (Act.OPEN,)),
    **{
        (state, Sign.QUIET): Step(_S.RECOVERED, (Act.CLOSE, Act.REMEMBER, Act.END))
        for state in (_S.CONFIRMED, _S.REQUESTED)
    },
    (_S.REQUESTED, Sign.ANSWERED): Step(_S.REQUESTED, (Act.CLOSE,)),
    (_S.REQUESTED, Sign.UNANSWERED): Step(_S.CONFIRMED),
    **{(state, Sign.BENIGN): Step(state, (Act.NAME,)) for state in (_S.SUSPECT, _S.CONFIRMED, _S.RECOVERED)},
    (_S.REQUESTED, Sign.BENIGN): Step(_S.CONFIRMED, (Act.CLOSE, Act.NAME)),
    **{(state, Sign.DISMISSED): Step(_S.OK, (Act.CLOSE, Act.REMEMBER, Act.END)) for state in _S},
    **{(state, Sign.REBASELINED): Step(_S.OK, (Act.CLOSE, Act.END)) for state in _S},
    **{(state, Sign.COMMITTED): Step(_S.OK, (Act.CLOSE, Act.FORGET, Act.END)) for state in _S},
    **{(state, Sign.RESTARTED): Step(state) for state in _S},
}


def next_step(state: DriftState, sign: Sign) -> Step:
    """Where a sign leads.

    Raises:
        TransitionError: The table has no row for it.
    """
    try:
        return TRANSITIONS[state, sign]
    except KeyError:
        raise TransitionError(f"drift state {state.value} has no row for {sign.value}") from None


def is_legal(state: DriftState, sign: Sign) -> bool:
    """Whether the table has a row."""
    return (state, sign) in TRANSITIONS


def mermaid() -> str:
    """The table as a mermaid state diagram; signs that change nothing have no arrow."""
    rows = ((state, sign, step) for (state, sign), step in TRANSITIONS.items() if state is not step.state or step.acts)
    return state_diagram.mermaid(DriftState.OK, ((state, sign, step.state) for state, sign, step in rows))


def diagram_section() -> str:
    """What stands in agent/README.md from one marker to the other."""
    return state_diagram.section(DIAGRAM_BEGIN, mermaid(), DIAGRAM_END)
