"""What is still done when the disk takes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import UpdateRecord
from agent.core.update_machine import UpdateMachine
from agent.core.update_table import State
from agent.errors import StorageError
from agent.hands import Hands
from agent.state_dir import StateDir
from agent.storage import Operation, Storage
from tests.unit.agent.world import CONFIG, SETTINGS, bundle, moment, running


class Said:
    """Takes the place of delivery, and remembers."""

    def __init__(self) -> None:
        self.orders: list[do.Publish] = []

    def publish(self, order: do.Publish, _: object) -> None:
        self.orders.append(order)


class Mind:
    """A core of which only the machine matters."""

    def __init__(self, state: State) -> None:
        self.machine = UpdateMachine(settings=SETTINGS, record=UpdateRecord(phase=state), active=running("b"))


def full(operation: Operation) -> None:
    if operation.step not in {"remove", "rename", "fsync_dir"}:  # these need no room
        raise StorageError("no space left on device")


def hands_on_a_full_disk(root: Path, state: State, said: Said) -> Hands:
    unused: Any = None
    return Hands(
        config=CONFIG, about=unused, core=cast("Any", Mind(state)), state_dir=StateDir(Storage(root, observer=full)),
        jobs=unused, active=unused, candidate=unused, delivery=cast("Any", said), inbound=unused, outbox=unused,
        health=unused,
    )  # fmt: skip


def step(state: State) -> list[do.Action]:
    return [
        do.StoreUpdate(record=UpdateRecord(phase=state)),
        do.KeepBundles(keep=frozenset({bundle("b")})),
        do.Publish(kind="model/state", message=None),
    ]


@pytest.mark.parametrize("state", [State.COMMITTED, State.ROLLING_BACK, State.FAILED])
def test_end_of_an_update_is_told_and_room_is_made_even_if_it_cannot_be_stored(tmp_path: Path, state: State) -> None:
    superseded = tmp_path / "bundles" / bundle("c")
    superseded.mkdir(parents=True)
    said = Said()

    events = hands_on_a_full_disk(tmp_path, state, said).carry_out(step(state), moment())

    assert events == [ev.StorageFailed(message="no space left on device")]
    assert said.orders == [do.Publish(kind="model/state", message=None)]
    assert not superseded.exists()


def test_step_of_an_update_that_cannot_be_stored_is_not_begun(tmp_path: Path) -> None:
    said = Said()

    events = hands_on_a_full_disk(tmp_path, State.SHADOW, said).carry_out(step(State.SHADOW), moment())

    assert events == [ev.StorageFailed(message="no space left on device")]
    assert said.orders == []
