"""The state of a trigger as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.worker.drift.saved import TriggerState
from edge_models.errors import ArchiveError

STATES = st.builds(
    TriggerState,
    profile=st.text("0123456789abcdef", min_size=16, max_size=16),
    thin=st.integers(1, 65535),
    commissioned=st.integers(0, 65535),
    n_effective=st.integers(0, 2**32 - 1),
    elapsed_s=st.floats(0, 1e12),
    has_verdict=st.booleans(),
    detectors=st.dictionaries(st.sampled_from(["e_bank", "class_prior", "error_rate"]), st.binary(max_size=900)),
)


@given(STATES)
def test_what_was_saved_is_read_again(state: TriggerState) -> None:
    assert TriggerState.from_bytes(state.to_bytes()) == state


@given(STATES, st.data())
def test_a_byte_that_fell_over_is_noticed(state: TriggerState, data: st.DataObject) -> None:
    body = bytearray(state.to_bytes())
    body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(ArchiveError, match="state of the trigger"):
        TriggerState.from_bytes(bytes(body))


@given(st.binary(max_size=200))
def test_bytes_of_something_else_are_refused(body: bytes) -> None:
    with pytest.raises(ArchiveError, match="state of the trigger"):
        TriggerState.from_bytes(body)
