"""An update, with the power cut before every single step towards the disk: there is a model, and there is an end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import ActiveRecord, Target
from agent.core.recovery import recover
from agent.core.update_machine import UpdateMachine
from agent.core.update_table import State
from agent.state_dir import StateDir
from agent.storage import Operation, Storage
from edge_models.bundle import Bundle, open_bundle
from tests.factories.bundles import INT8, make_bundle
from tests.unit.agent.world import SETTINGS, START_S


class PowerCutError(Exception):
    """Nobody catches it, as nobody catches a power cut."""


@dataclass
class Mains:
    """Counts steps; cuts the power before one of them."""

    cut_at: int | None = None
    steps: int = 0

    def __call__(self, operation: Operation) -> None:
        if self.steps == self.cut_at:
            raise PowerCutError(operation.step)
        self.steps += 1


class Pi:
    """A machine that carries its commands out on a real disk; downloads, tests and frames always go well."""

    def __init__(self, root: Path, mains: Mains, old: Bundle, new: Bundle, *, new_is_good: bool) -> None:
        self.state_dir = StateDir(Storage(root, observer=mains))
        self.old, self.new, self.new_is_good = old, new, new_is_good
        found = recover(self.state_dir.read_update(), self.state_dir.read_active(), self.state_dir.present("digits"))
        self.machine = UpdateMachine(settings=SETTINGS, record=found.record, active=found.active)
        self.events: list[ev.UpdateEvent] = []
        self.carry_out(self.machine.resume(found.move, START_S))

    def run(self) -> None:
        """Choose the new bundle unless it has been decided about, and go on to the end."""
        record = self.machine.record
        decided = self.machine.active is not None and self.machine.active.bundle == self.new.id
        if not decided and not record.is_bad(self.new.id, 7):
            chosen = Target(bundle=self.new.id, serial=2, rev=7)
            self.carry_out(self.machine.handle(ev.TargetChosen(target=chosen), START_S))
        while self.events:
            self.carry_out(self.machine.handle(self.events.pop(0), START_S))

    def carry_out(self, actions: list[do.Action]) -> None:
        for action in actions:
            match action:
                case do.StoreUpdate(record=record):
                    self.state_dir.write_update(record)
                case do.PointTo(active=active):
                    self.state_dir.write_active(active)
                case do.KeepBundles(keep=keep):
                    self.state_dir.keep_bundles(keep)
                case do.StartFetch():
                    self.state_dir.install(self.new, INT8)
                    self.events.append(ev.FetchDone(bundle=self.new.id))
                case do.StartVerify():
                    self.events.append(ev.TargetVerified(model="digits", version="2.0", serial=2, artifact=INT8))
                case do.StartCandidate():
                    self.events.append(ev.CandidateTested(ok=True))
                case do.StartShadow():
                    self.events.append(ev.CandidateCompared(n=100, agree=95, nan=0))
                case do.RunActive():
                    self.events += self._worker()
                case _:
                    pass

    def _worker(self) -> Iterator[ev.UpdateEvent]:
        active = self.machine.active
        if active is None:
            return
        if active.bundle == self.new.id and not self.new_is_good:
            yield ev.WorkerDied(bundle=active.bundle, reason="signal 11")
        else:
            yield ev.WorkerReady(bundle=active.bundle)
            yield ev.WorkerRan(bundle=active.bundle, frames=50)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle]:
    directory = tmp_path_factory.mktemp("bundles")
    return make_bundle(directory / "old", serial=1), make_bundle(directory / "new", serial=2)


@pytest.fixture(autouse=True)
def without_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)  # the steps are what matters here, and there are thousands


def prepared(root: Path, old: Bundle) -> None:
    state_dir = StateDir(Storage(root))
    state_dir.install(old, INT8)
    state_dir.write_active(ActiveRecord(bundle=old.id, artifact=INT8, version="1.0", serial=1))


@pytest.mark.parametrize("new_is_good", [True, False], ids=["good", "bad"])
def test_power_cut_before_any_step_leaves_a_model_and_the_update_ends(
    tmp_path: Path, bundles: tuple[Bundle, Bundle], new_is_good: bool
) -> None:
    old, new = bundles
    whole = Mains()
    prepared(tmp_path / "whole", old)
    Pi(tmp_path / "whole", whole, old, new, new_is_good=new_is_good).run()
    assert whole.steps > 40

    for cut_at in range(whole.steps):
        root = tmp_path / "cut"
        prepared(root, old)
        with pytest.raises(PowerCutError):
            Pi(root, Mains(cut_at=cut_at), old, new, new_is_good=new_is_good).run()

        active = StateDir(Storage(root)).read_active()
        assert active is not None, f"no model after a cut before step {cut_at}"
        open_bundle(root / "bundles" / active.bundle, expected_id=active.bundle, files=["digits-int8.tflite"])

        again = Pi(root, Mains(), old, new, new_is_good=new_is_good)
        again.run()
        assert again.machine.state in ({State.COMMITTED} if new_is_good else {State.ROLLED_BACK}), (
            f"{again.machine.state} after a cut before step {cut_at}"
        )
        settled = StateDir(Storage(root)).read_active()
        assert settled is not None
        assert settled.bundle == (new.id if new_is_good else old.id)
        assert not settled.provisional
        shutil.rmtree(root)
