"""What a worker knows of its stream survives it, and so does the story of the last episode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent import ipc
from agent.active_slot import ActiveSlot
from agent.core import events as ev
from agent.core.commands import DriftKind
from agent.core.episode_record import EPISODE_FILE, EpisodeRecord, EpisodeStep
from agent.state_dir import MAX_DRIFT_BYTES, StateDir
from agent.storage import Storage
from edge_models.wire.telemetry import DriftState
from tests.unit.agent.fake_workers import Nursery
from tests.unit.agent.world import CONFIG, bundle, running

STORY = EpisodeRecord(
    state=DriftState.CONFIRMED, steps=(EpisodeStep(sign="confirmed", state=DriftState.CONFIRMED, position=7),)
)


@pytest.fixture
def state_dir(tmp_path: Path) -> StateDir:
    return StateDir(Storage(tmp_path))


def sent(nursery: Nursery) -> list[tuple[ipc.ToWorker, bytes]]:
    worker = nursery.workers[-1]
    return list(zip(worker.sent, worker.bodies, strict=True))


def slot_of(nursery: Nursery, known: dict[tuple[str, DriftKind], bytes]) -> ActiveSlot:
    return ActiveSlot(
        CONFIG, bundle_dir=Path, boot=1, spawn=nursery, shadow=lambda frame, body: None,
        drift_known=lambda name, kind: known.get((name, kind)),
    )  # fmt: skip


def test_state_is_kept_for_each_bundle_and_kind(state_dir: StateDir) -> None:
    state_dir.write_drift(bundle("a"), "trigger", b"t")
    state_dir.write_drift(bundle("a"), "contexts", b"c")

    assert state_dir.read_drift(bundle("a"), "trigger") == b"t"
    assert state_dir.read_drift(bundle("a"), "contexts") == b"c"
    assert state_dir.read_drift(bundle("b"), "trigger") is None


def test_it_goes_with_its_bundle(state_dir: StateDir) -> None:
    for letter in "abc":
        state_dir.write_drift(bundle(letter), "contexts", b"c")

    state_dir.keep_bundles([bundle("a"), bundle("c")])

    assert [state_dir.read_drift(bundle(letter), "contexts") for letter in "abc"] == [b"c", None, b"c"]


def test_nothing_to_keep_removes_the_file(state_dir: StateDir) -> None:
    state_dir.write_drift(bundle("a"), "contexts", b"c")

    state_dir.write_drift(bundle("a"), "contexts", b"")
    state_dir.write_drift(bundle("a"), "contexts", b"")

    assert state_dir.read_drift(bundle("a"), "contexts") is None


def test_file_that_is_far_too_large_is_put_aside(state_dir: StateDir) -> None:
    state_dir.write_drift(bundle("a"), "trigger", b"t")
    (state_dir.root / "drift" / f"{bundle('a')}.trigger").write_bytes(b"x" * (MAX_DRIFT_BYTES + 1))

    assert state_dir.read_drift(bundle("a"), "trigger") is None
    assert state_dir.read_drift(bundle("a"), "trigger") is None


def test_story_survives_a_restart_and_a_damaged_one_is_put_aside(state_dir: StateDir) -> None:
    state_dir.write_episode(STORY)

    assert state_dir.read_episode() == STORY
    (state_dir.root / EPISODE_FILE).write_bytes(b"{")
    assert state_dir.read_episode() is None


def test_fresh_worker_gets_contexts_and_then_the_state_on_them() -> None:
    nursery = Nursery()
    known: dict[tuple[str, DriftKind], bytes] = {(bundle("a"), "trigger"): b"t", (bundle("a"), "contexts"): b"c"}

    slot_of(nursery, known).run(running("a"), 0.0)

    assert sent(nursery) == [(ipc.RestoreDrift(kind="contexts"), b"c"), (ipc.RestoreDrift(kind="trigger"), b"t")]


def test_worker_of_a_new_bundle_learns_what_is_known_of_the_site() -> None:
    nursery = Nursery()
    known: dict[tuple[str, DriftKind], bytes] = {(bundle("a"), "trigger"): b"t", (bundle("a"), "contexts"): b"c"}

    slot_of(nursery, known).run(replace(running("b", previous="a"), provisional=True), 0.0)

    assert sent(nursery) == [(ipc.RestoreDrift(kind="trigger"), b"t")]


def test_workers_words_reach_the_core_with_the_bundle_that_they_are_about() -> None:
    nursery = Nursery()
    slot = slot_of(nursery, {})
    slot.run(running("a"), 0.0)
    verdict = ipc.Verdict(start=0, position=9, n=10, n_effective=10, profile="0" * 16, effects={})
    saved = ipc.DriftSaved(kind="trigger")
    nursery.workers[-1].says = [(verdict, b""), (saved, b"t")]

    assert slot.on_readable(0.0) == [
        ev.WorkerVerdict(verdict=verdict), ev.WorkerDriftSaved(bundle=bundle("a"), saved=saved, body=b"t"),
    ]  # fmt: skip
