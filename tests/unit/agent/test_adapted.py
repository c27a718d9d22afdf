"""What was learnt survives a worker and a restart, belongs to one artifact of one bundle, and can be taken back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent import ipc
from agent.active_slot import ActiveSlot
from agent.config import AdaptationConfig, AgentConfig
from agent.core import commands as do
from agent.core import events as ev
from agent.preflight import preflight
from agent.state_dir import StateDir
from agent.storage import Storage
from edge_models.wire.command import Reply
from edge_models.wire.telemetry import Event, Severity
from edge_models.wire.topics import CommandVerb
from tests.unit.agent.fake_workers import Nursery, ready
from tests.unit.agent.whole_core import Device
from tests.unit.agent.world import CONFIG, bundle, only, published, running

ADAPTING = replace(CONFIG, adaptation=AdaptationConfig())
LEARNT = ipc.Adapted(artifact="spiking", rev=3, why="learnt", labels=60, accuracy=0.9, unadapted=0.8)


@pytest.fixture
def state_dir(tmp_path: Path) -> StateDir:
    return StateDir(Storage(tmp_path))


def test_what_was_learnt_comes_back_for_that_artifact_of_that_bundle_only(state_dir: StateDir) -> None:
    body = b"weights\n\x00\xff"
    state_dir.write_adapted(bundle("a"), "spiking", body)

    assert state_dir.read_adapted(bundle("a"), "spiking") == body
    assert state_dir.read_adapted(bundle("a"), "tflite-int8") is None
    assert state_dir.read_adapted(bundle("b"), "spiking") is None


def test_it_is_dropped_with_its_bundle_and_kept_while_a_rollback_may_need_it(state_dir: StateDir) -> None:
    for letter in "abc":
        state_dir.write_adapted(bundle(letter), "spiking", letter.encode())

    state_dir.keep_bundles([bundle("a"), bundle("c")])

    assert [state_dir.read_adapted(bundle(letter), "spiking") for letter in "abc"] == [b"a", None, b"c"]


@pytest.mark.parametrize("content", [b"", b"{}\nweights", b"\x00" * 40, b"x" * (5 << 20)])
def test_a_damaged_file_is_put_aside_and_counts_as_nothing_learnt(state_dir: StateDir, content: bytes) -> None:
    state_dir.write_adapted(bundle("a"), "spiking", b"weights")
    (state_dir.root / "adapted" / bundle("a")).write_bytes(content)

    assert state_dir.read_adapted(bundle("a"), "spiking") is None
    assert (state_dir.root / "adapted" / f"{bundle('a')}.bad").exists()


def test_a_fresh_worker_is_given_what_the_last_one_had_learnt() -> None:
    asked: list[tuple[str, str]] = []

    def learnt(name: str, artifact: str) -> bytes:
        asked.append((name, artifact))
        return b"weights"

    nursery = Nursery()
    slot_of(ADAPTING, nursery, learnt).run(running("a"), 0.0)

    assert asked == [(bundle("a"), "tflite-int8")]
    assert nursery.workers[-1].sent == [ipc.RestoreAdaptation()]


def test_the_state_that_follows_a_change_tells_the_new_revision() -> None:
    nursery = Nursery()
    slot = slot_of(ADAPTING, nursery, lambda name, artifact: None)
    slot.run(running("a"), 0.0)
    nursery.workers[-1].says = [(ipc.Heartbeat(position=1, seq=1, adapted_rev=2), b""), (LEARNT, b"weights")]

    slot.on_readable(1.0)

    assert slot.figures.adapted_rev == 3


def test_an_undo_while_no_worker_runs_reaches_the_next_one_once() -> None:
    nursery = Nursery()
    slot = slot_of(ADAPTING, nursery, lambda name, artifact: b"weights")
    slot.run(running("a"), 0.0)

    for died_s in (1.0, 20.0):
        nursery.workers[-1].is_open = False
        slot.on_readable(died_s)
        if died_s == 1.0:
            slot.tell(ipc.UndoAdaptation())
        slot.tick(died_s + 5.0)

    restored = ipc.RestoreAdaptation()
    assert [worker.sent for worker in nursery.workers] == [[restored], [restored, ipc.UndoAdaptation()], [restored]]


def test_an_undo_for_a_model_that_is_being_replaced_does_not_reach_the_next_one() -> None:
    nursery = Nursery()
    slot = slot_of(ADAPTING, nursery, lambda name, artifact: None)
    slot.run(running("a"), 0.0)
    nursery.workers[0].says.append((ready(), b""))
    slot.on_readable(0.5)
    slot.run(running("b"), 1.0)

    slot.tell(ipc.UndoAdaptation())
    nursery.workers[1].says.append((ready(), b""))
    slot.on_standby(1.0)
    slot.tell(ipc.UndoAdaptation())
    nursery.workers[0].is_open = False
    slot.on_readable(1.1)

    assert nursery.workers[0].sent == [ipc.UndoAdaptation(), ipc.Stop()]
    assert nursery.workers[1].configure.bundle == bundle("b")
    assert nursery.workers[1].sent == [ipc.Go(position=0)]


def test_without_an_adaptation_section_nothing_is_brought_back() -> None:
    nursery = Nursery()
    slot_of(CONFIG, nursery, lambda name, artifact: f"{name}{artifact}".encode()).run(running("a"), 0.0)

    assert nursery.workers[-1].sent == []
    assert nursery.workers[-1].configure.adaptation is None


def test_new_weights_are_stored_before_anybody_hears_of_them() -> None:
    device = Device(running("a"), config=ADAPTING)

    actions = device.tell(ev.WorkerAdapted(bundle=bundle("a"), adapted=LEARNT, body=b"weights"))

    assert actions[0] == do.StoreAdapted(bundle=bundle("a"), artifact="spiking", body=b"weights")
    (event,) = published("event", actions)
    assert isinstance(event, Event)
    assert (event.type, event.severity, event.data["rev"]) == ("adaptation_changed", Severity.INFO, 3)
    assert event.message == "learnt after 60 labels: revision 3, 90.0% right where the artifact alone has 80.0%"
    assert only(do.PublishState, actions)


def test_weights_that_were_taken_out_of_use_are_a_warning() -> None:
    device = Device(running("a"), config=ADAPTING)
    gone = replace(LEARNT, rev=0, why="rolled_back")

    (event,) = published("event", device.tell(ev.WorkerAdapted(bundle=bundle("a"), adapted=gone, body=b"")))

    assert isinstance(event, Event)
    assert event.severity is Severity.WARNING


def test_undo_is_passed_on_to_the_worker() -> None:
    actions = Device(running("a"), config=ADAPTING).command(CommandVerb.UNDO)

    assert only(do.TellWorker, actions) == [do.TellWorker(message=ipc.UndoAdaptation())]
    assert reply_of(actions).ok


def test_undo_where_nothing_learns_is_refused_with_the_reason() -> None:
    actions = Device(running("a")).command(CommandVerb.UNDO)

    assert only(do.TellWorker, actions) == []
    assert (reply_of(actions).ok, reply_of(actions).code) == (False, "no_adaptation")


def test_a_learner_that_does_not_exist_is_found_before_the_daemon_starts(tmp_path: Path) -> None:
    adaptation = AdaptationConfig(learner={"name": "perceptron"})
    config = AgentConfig(id="pi-1", model="digits", state_dir=str(tmp_path), adaptation=adaptation)

    assert [problem for problem in preflight(config) if "adaptation.learner" in problem] == [
        "adaptation.learner: found name 'perceptron', expected one of delta_rule, head"
    ]


def slot_of(config: AgentConfig, nursery: Nursery, learnt: object) -> ActiveSlot:
    return ActiveSlot(
        config, bundle_dir=lambda name: Path("/state/bundles", name), boot=4, spawn=nursery,
        shadow=lambda frame, body: None, learnt=learnt,  # type: ignore[arg-type]
    )  # fmt: skip


def reply_of(actions: list[do.Action]) -> Reply:
    reply = next(message for message in published("reply/undo", actions))
    assert isinstance(reply, Reply)
    return reply
