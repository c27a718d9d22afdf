"""The table of drift states holds what the design promises."""

from __future__ import annotations

import pytest

from agent.core.request_table import TRANSITIONS, Act, Sign, is_legal, mermaid, next_step
from agent.errors import TransitionError
from edge_models.wire.telemetry import DriftState


def test_missing_row_is_an_error() -> None:
    with pytest.raises(TransitionError, match="drift state suspect has no row for ask"):
        next_step(DriftState.SUSPECT, Sign.ASK)


def test_every_state_can_be_reached_from_ok() -> None:
    reached, before = {DriftState.OK}, set[DriftState]()
    while reached != before:
        before = set(reached)
        reached |= {step.state for (state, _), step in TRANSITIONS.items() if state in reached}

    assert reached == set(DriftState)


def test_request_is_opened_by_a_confirmed_drift_only() -> None:
    opening = [(state, step.state) for (state, _), step in TRANSITIONS.items() if Act.OPEN in step.acts]

    assert opening == [(DriftState.CONFIRMED, DriftState.REQUESTED)]


def test_requested_is_never_left_with_the_request_open() -> None:
    kept = {
        sign
        for (state, sign), step in TRANSITIONS.items()
        if state is DriftState.REQUESTED and step.state is not state and Act.CLOSE not in step.acts
    }

    assert kept == {Sign.UNANSWERED}  # its request was closed when the answer came


@pytest.mark.parametrize("state", list(DriftState))
@pytest.mark.parametrize("sign", [Sign.ALARM, Sign.COMMITTED, Sign.DISMISSED, Sign.REBASELINED, Sign.RESTARTED])
def test_what_may_come_at_any_time_is_foreseen_in_every_state(state: DriftState, sign: Sign) -> None:
    assert is_legal(state, sign)


@pytest.mark.parametrize("state", list(DriftState))
def test_restart_changes_nothing(state: DriftState) -> None:
    assert next_step(state, Sign.RESTARTED) == (state, ())


@pytest.mark.parametrize("state", list(DriftState))
def test_commit_ends_every_episode(state: DriftState) -> None:
    assert next_step(state, Sign.COMMITTED).state is DriftState.OK


def test_diagram_draws_every_move_between_two_states() -> None:
    drawn = mermaid()

    for (state, sign), step in TRANSITIONS.items():
        if state is not step.state:
            arrow = next(line for line in drawn.splitlines() if line.strip().startswith(f"{state} --> {step.state}:"))
            assert sign.value in arrow
