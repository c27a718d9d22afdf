"""Whatever happens in whatever order, with power cuts in between: there is a model to run, and an end."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import ActiveRecord, UpdateRecord
from agent.core.recovery import recover
from agent.core.update_machine import UpdateMachine
from agent.core.update_table import RESTING, State
from tests.unit.agent.world import SETTINGS, START_S, bundle, running, target

LETTERS = st.sampled_from("abcd")
B = bundle("b")
EVENTS = st.sampled_from([
    ev.FetchDone(bundle=B), ev.FetchDone(bundle=bundle("c")), ev.FetchProgress(bundle=B, bytes=1, total=2),
    ev.FetchFailed(bundle=B, code="network", message="", transient=True),
    ev.FetchFailed(bundle=B, code="content", message=""), ev.FetchFailed(bundle=B, code="http", message=""),
    ev.TargetVerified(model="digits", version="2", serial=2, artifact="tflite-int8"),
    ev.TargetBad(code="content", message=""), ev.TargetBad(code="interrupted", message="", transient=True),
    ev.CandidateTested(ok=True), ev.CandidateTested(ok=False),
    ev.CandidateCompared(n=100, agree=90, nan=0), ev.CandidateCompared(n=100, agree=1, nan=0),
    ev.CandidateDied(reason=""), ev.TargetWithdrawn(), ev.RollbackAsked(rev=7), ev.StorageFailed(message=""),
])  # fmt: skip


class Device(RuleBasedStateMachine):
    """A machine and the disk that its commands write to; a power cut keeps any number of its last commands."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = START_S
        self.record = UpdateRecord()
        self.active: ActiveRecord | None = None
        self.present = {bundle(letter) for letter in "abcd"}
        self.machine = UpdateMachine(settings=SETTINGS, record=self.record, active=self.active)

    @initialize(first=st.booleans())
    def install(self, first: bool) -> None:
        self.active = running("a") if first else None
        self.machine = UpdateMachine(settings=SETTINGS, record=self.record, active=self.active)

    @rule(event=EVENTS)
    def anything_happens(self, event: ev.UpdateEvent) -> None:
        self.carry_out(self.machine.handle(event, self.now_s))

    @rule(letter=LETTERS, rev=st.integers(7, 9))
    def a_bundle_is_chosen(self, letter: str, rev: int) -> None:
        if self.machine.active is None or self.machine.active.bundle != bundle(letter):
            self.present.add(bundle(letter))
            self.carry_out(self.machine.handle(ev.TargetChosen(target=target(letter, serial=2, rev=rev)), self.now_s))

    @rule(letter=LETTERS, frames=st.integers(0, 100))
    def a_worker_runs(self, letter: str, frames: int) -> None:
        self.carry_out(self.machine.handle(ev.WorkerReady(bundle=bundle(letter)), self.now_s))
        self.carry_out(self.machine.handle(ev.WorkerRan(bundle=bundle(letter), frames=frames), self.now_s))

    @rule(letter=LETTERS, is_damaged=st.booleans())
    def a_worker_dies(self, letter: str, is_damaged: bool) -> None:
        died = ev.WorkerDied(bundle=bundle(letter), reason="signal 11", is_damaged=is_damaged)
        self.carry_out(self.machine.handle(died, self.now_s))

    @rule(seconds=st.floats(0, 4000))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.carry_out(self.machine.handle(ev.Tick(), self.now_s))

    @rule(event=EVENTS, kept=st.integers(0, 6))
    def power_is_cut_in_the_middle(self, event: ev.UpdateEvent, kept: int) -> None:
        self.carry_out(self.machine.handle(event, self.now_s)[:kept])
        found = recover(self.record, self.active, frozenset(self.present))
        self.machine = UpdateMachine(settings=SETTINGS, record=found.record, active=found.active)
        self.active = found.active
        self.carry_out(self.machine.resume(found.move, self.now_s))

    @rule()
    def left_alone_it_comes_to_rest(self) -> None:
        for _ in range(40):
            if self.machine.state in RESTING:
                return
            deadline_s = self.machine.next_deadline_s
            assert deadline_s is not None, f"{self.machine.state} has no deadline"
            self.now_s = max(self.now_s, deadline_s) + 0.001
            self.carry_out(self.machine.handle(ev.Tick(), self.now_s))
        raise AssertionError(f"still {self.machine.state} after 40 deadlines")

    @invariant()
    def the_active_model_is_on_disk(self) -> None:
        if self.active is not None:
            assert self.active.bundle in self.present

    @invariant()
    def the_last_good_model_is_on_disk_while_the_new_one_is_unproven(self) -> None:
        if self.active is not None and self.active.provisional and self.active.previous is not None:
            assert self.active.previous.bundle in self.present

    @invariant()
    def machine_and_disk_agree(self) -> None:
        assert self.machine.active == self.active

    @invariant()
    def an_unproven_pointer_belongs_to_a_state_that_ends(self) -> None:
        if self.active is not None and self.active.provisional:
            assert self.machine.state is State.PROVISIONAL

    @invariant()
    def attempts_are_bounded(self) -> None:
        assert self.machine.record.attempt <= SETTINGS.attempts + 1

    def carry_out(self, actions: list[do.Action]) -> None:
        for action in actions:
            match action:
                case do.StoreUpdate(record=record):
                    self.record = record
                case do.PointTo(active=active):
                    self.active = active
                case do.KeepBundles(keep=keep):
                    self.present &= keep
                case do.StartFetch(target=wanted):
                    self.present.add(wanted.bundle)
                case _:
                    pass


TestDevice = Device.TestCase
TestDevice.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
