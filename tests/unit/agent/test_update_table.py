"""The table of update states holds what the design promises."""

from __future__ import annotations

import pytest

from agent.core.update_table import RESTING, TRANSITIONS, Move, State, is_legal, mermaid, next_state
from agent.errors import TransitionError

BUSY = [state for state in State if state not in RESTING]


def test_missing_row_is_an_error() -> None:
    with pytest.raises(TransitionError, match="update state committed has no row for passed"):
        next_state(State.COMMITTED, Move.PASSED)


def test_every_state_can_be_reached_from_idle() -> None:
    reached, before = {State.IDLE}, set[State]()
    while reached != before:
        before = set(reached)
        reached |= {after for (state, _), after in TRANSITIONS.items() if state in reached}

    assert reached == set(State)


@pytest.mark.parametrize("state", list(State))
def test_newer_target_supersedes_in_every_state(state: State) -> None:
    assert is_legal(state, Move.TARGET)


@pytest.mark.parametrize("state", list(State))
def test_restart_is_foreseen_in_every_state(state: State) -> None:
    assert is_legal(state, Move.RESTARTED)


@pytest.mark.parametrize("state", list(State))
def test_operator_can_roll_back_in_every_state(state: State) -> None:
    assert next_state(state, Move.ROLLBACK) is State.ROLLING_BACK


def test_committed_is_reached_only_from_provisional() -> None:
    sources = {state for (state, _), after in TRANSITIONS.items() if after is State.COMMITTED} - {State.COMMITTED}

    assert sources == {State.PROVISIONAL}


def test_unproven_model_is_left_only_as_committed_or_by_rolling_back() -> None:
    left = {after for (state, _), after in TRANSITIONS.items() if state is State.PROVISIONAL} - {State.PROVISIONAL}

    assert left == {State.COMMITTED, State.ROLLING_BACK}


@pytest.mark.parametrize("state", BUSY)
def test_every_busy_state_has_a_way_to_rest(state: State) -> None:
    reached, before = {state}, set[State]()
    while reached != before:
        before = set(reached)
        reached |= {after for (at, _), after in TRANSITIONS.items() if at in reached}

    assert reached & RESTING


def test_diagram_draws_every_move_between_two_states() -> None:
    drawn = mermaid()

    for (state, move), after in TRANSITIONS.items():
        if state is not after:
            arrow = next(line for line in drawn.splitlines() if line.strip().startswith(f"{state} --> {after}:"))
            assert move.value in arrow
