"""Whatever happens in whatever order, with power cuts and a failing disk in between: one model to run, and an end."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent import ipc
from agent.core import commands as do
from agent.core import events as ev
from agent.core.crash_loop import with_stop
from agent.core.hold import Hold
from agent.core.records import ActiveRecord, Now, UpdateRecord
from agent.core.recovery import recover
from agent.core.update_machine import UpdateMachine
from agent.core.update_states import MOVES_BESIDE, MOVES_PER_ATTEMPT
from agent.core.update_table import RESTING, State
from tests.unit.agent.world import SETTINGS, START_S, bundle, running, target

LETTERS = st.sampled_from("abcd")
B = bundle("b")
MAX_DEATHS = 3
BOUND = MOVES_PER_ATTEMPT * SETTINGS.attempts + MOVES_BESIDE
GOES_ON = RESTING | {State.ROLLING_BACK}  # as agent.hands: what ends an update goes on although it is not stored
WELL = ipc.ModelHealth(n=100, p95_us=300, confidence=0.9, reference_confidence=0.9, effect=0.05, golden_ok=True)
HEALTH = st.sampled_from([
    None, WELL, ipc.ModelHealth(n=1, not_finite=1), ipc.ModelHealth(n=100, constant=True),
    ipc.ModelHealth(n=100, p95_us=1e6, effect=0.9, confidence=0.1, reference_confidence=0.9),
])  # fmt: skip
VERDICTS = st.sampled_from([
    ipc.ShadowVerdict(n=100, agree=90, nan=0, p95_us=300), ipc.ShadowVerdict(n=100, agree=1, nan=0, p95_us=300),
    ipc.ShadowVerdict(n=1, agree=1, nan=1, p95_us=300), ipc.ShadowVerdict(n=30, agree=30, nan=0, p95_us=300),
    ipc.ShadowVerdict(n=100, agree=90, nan=0, p95_us=300, effect=0.9, active_effect=0.1),
])  # fmt: skip
EVENTS = st.one_of(
    st.sampled_from([
        ev.FetchDone(bundle=B), ev.FetchDone(bundle=bundle("c")), ev.FetchProgress(bundle=B, bytes=1, total=2),
        ev.FetchFailed(bundle=B, code="network", message="", transient=True),
        ev.FetchFailed(bundle=B, code="content", message=""), ev.FetchFailed(bundle=B, code="http", message=""),
        ev.TargetVerified(model="digits", version="2", serial=2, artifact="tflite-int8"),
        ev.TargetBad(code="content", message=""), ev.TargetBad(code="interrupted", message="", transient=True),
        ev.CandidateTested(ok=True), ev.CandidateTested(ok=False), ev.CandidateDied(reason=""),
        ev.TargetWithdrawn(), ev.RollbackAsked(rev=7), ev.StorageFailed(message=""),
    ]),
    st.builds(ev.CandidateCompared, verdict=VERDICTS),
)  # fmt: skip


class Device(RuleBasedStateMachine):
    """A machine and the disk that its commands write to; a power cut keeps any number of its last commands."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = START_S
        self.utc_s: float | None = 1e9
        self.record: UpdateRecord | None = None
        self.active: ActiveRecord | None = None
        self.present: set[str] = set()
        self.disk_fails = False
        self.had_a_model = False
        self.machine = UpdateMachine(settings=SETTINGS, record=UpdateRecord(), active=None, max_deaths=MAX_DEATHS)

    @initialize(first=st.booleans())
    def install(self, first: bool) -> None:
        if first:
            self.active = running("a")
            self.present = {bundle("a")}
        self.start()

    @rule(event=EVENTS)
    def anything_happens(self, event: ev.UpdateEvent) -> None:
        self.tell(event)

    @rule(letter=LETTERS, rev=st.integers(7, 9))
    def a_bundle_is_chosen(self, letter: str, rev: int) -> None:
        active = self.machine.active
        if active is None or active.bundle != bundle(letter):  # agent.core.selection never chooses what runs
            self.tell(ev.TargetChosen(target=target(letter, serial=2, rev=rev)))

    @rule(letter=LETTERS, frames=st.integers(0, 100), health=HEALTH)
    def a_worker_runs(self, letter: str, frames: int, health: ipc.ModelHealth | None) -> None:
        self.tell(ev.WorkerReady(bundle=bundle(letter)))
        self.tell(ev.WorkerRan(bundle=bundle(letter), frames=frames, health=health))

    @rule(letter=LETTERS)
    def a_worker_is_steady(self, letter: str) -> None:
        self.tell(ev.WorkerSteady(bundle=bundle(letter)))

    @rule(letter=LETTERS, is_damaged=st.booleans())
    def a_worker_dies(self, letter: str, is_damaged: bool) -> None:
        self.tell(ev.WorkerDied(bundle=bundle(letter), reason="signal 11", is_damaged=is_damaged))

    @rule(seconds=st.floats(0, 4000), jump_s=st.sampled_from([0, 0, 3.2e8, -3.2e8, None]))
    def time_passes(self, seconds: float, jump_s: float | None) -> None:
        self.now_s += seconds
        self.utc_s = None if jump_s is None else max(0.0, (self.utc_s or 1e9) + seconds + jump_s)
        self.tell(ev.Tick())

    @rule(for_s=st.floats(1, 10_000))
    def updates_are_held(self, for_s: float) -> None:
        now = Now(monotonic_s=self.now_s, utc_s=self.utc_s)
        self.carry_out(self.machine.remember(self.hold.begin(self.machine.record, now, for_s=for_s)))

    @rule(fails=st.booleans())
    def the_disk_fills_up_or_is_emptied(self, fails: bool) -> None:
        self.disk_fails = fails

    @rule(event=EVENTS, kept=st.integers(0, 6))
    def power_is_cut_in_the_middle(self, event: ev.UpdateEvent, kept: int) -> None:
        self.carry_out(self.machine.handle(event, self.now_s)[:kept])
        self.start()

    @rule()
    def it_is_stopped_on_purpose_and_started(self) -> None:
        self.carry_out(self.machine.remember(with_stop(self.machine.record)))
        self.start()

    @rule(pointer=st.booleans(), record=st.booleans())
    def records_are_damaged_while_it_is_off(self, pointer: bool, record: bool) -> None:
        self.active = None if pointer else self.active
        self.record = None if record else self.record
        self.start()

    @rule()
    def left_alone_it_comes_to_rest(self) -> None:
        for _ in range(40):
            if self.machine.state in RESTING:
                return
            deadline_s = self.machine.next_deadline_s
            assert deadline_s is not None, f"{self.machine.state} has no deadline"
            self.now_s = max(self.now_s, deadline_s) + 0.001
            self.tell(ev.Tick())
        raise AssertionError(f"still {self.machine.state} after 40 deadlines")

    @rule()
    def restarted_again_and_again_it_comes_to_rest(self) -> None:
        if self.disk_fails:
            return  # nothing can be counted
        for _ in range(BOUND + 2):
            if self.machine.state in RESTING:
                return
            self.start()
        raise AssertionError(f"still {self.machine.state} after {BOUND + 2} starts")

    @invariant()
    def the_active_model_is_on_disk(self) -> None:
        for active in (self.active, self.machine.active):
            if active is not None:
                assert active.bundle in self.present

    @invariant()
    def the_last_good_model_is_on_disk_while_the_new_one_is_unproven(self) -> None:
        for active in (self.active, self.machine.active):
            if active is not None and active.provisional and active.previous is not None:
                assert active.previous.bundle in self.present

    @invariant()
    def a_good_model_is_never_lost(self) -> None:
        """Once a proven model ran, there always is one; a first model that is bad leaves none, as there was none."""
        active = self.machine.active
        self.had_a_model = self.had_a_model or (active is not None and not active.provisional)
        if self.had_a_model:
            assert active is not None

    @invariant()
    def machine_and_disk_agree_where_the_disk_takes_what_it_is_given(self) -> None:
        if not self.disk_fails and not self.is_behind:
            assert self.machine.active == self.active

    @invariant()
    def an_unproven_pointer_belongs_to_a_state_that_ends(self) -> None:
        active = self.machine.active
        if active is not None and active.provisional:
            assert self.machine.state is State.PROVISIONAL

    @invariant()
    def attempts_and_moves_are_bounded(self) -> None:
        is_back = self.machine.state in {State.ROLLING_BACK, State.ROLLED_BACK}  # each start is an attempt at it
        assert self.machine.record.attempt <= (BOUND + 1 if is_back else SETTINGS.attempts + 1)
        assert self.machine.record.stores <= BOUND + 2

    @invariant()
    def a_hold_has_an_end_only_where_it_is_one(self) -> None:
        assert self.machine.record.held or self.machine.record.hold is None

    def start(self) -> None:
        whole = tuple(running(letter, serial="abcd".index(letter) + 1) for letter in "abcd")
        found = recover(
            self.record, self.active, frozenset(self.present),
            whole=tuple(one for one in whole if one.bundle in self.present),
        )  # fmt: skip
        self.is_behind = self.disk_fails and self.active != found.active
        if not self.disk_fails:
            self.active = found.active
        self.machine = UpdateMachine(settings=SETTINGS, record=found.record, active=found.active, max_deaths=MAX_DEATHS)
        self.hold = Hold()
        self.hold.take_up(found.record, Now(monotonic_s=self.now_s, utc_s=self.utc_s))
        self.carry_out(self.machine.resume(found.move, self.now_s))

    def tell(self, event: ev.UpdateEvent) -> None:
        self.carry_out(self.machine.handle(event, self.now_s))
        now = Now(monotonic_s=self.now_s, utc_s=self.utc_s)
        self.carry_out(self.machine.remember(self.hold.on_time(self.machine.record, now)))

    def carry_out(self, actions: list[do.Action]) -> None:
        """As agent.hands does: what cannot be stored is not begun, unless it ends the update."""
        for action in actions:
            if self.disk_fails and isinstance(action, (do.StoreUpdate, do.PointTo)):
                self.is_behind = True
                if self.machine.state not in GOES_ON:
                    self.carry_out(self.machine.handle(ev.StorageFailed(message="no space"), self.now_s))
                    return
                continue
            self.do(action)

    def do(self, action: do.Action) -> None:
        match action:
            case do.StoreUpdate(record=record):
                self.record = record
            case do.PointTo(active=active):
                self.active = active
                self.is_behind = False
            case do.KeepBundles(keep=keep):
                self.present &= keep
            case do.StartFetch(target=wanted):
                self.present.add(wanted.bundle)
            case _:
                pass


TestDevice = Device.TestCase
TestDevice.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
