"""Whatever happens to workers, in any order: never two on the source, never three at all, and the wanted one runs."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from agent import ipc
from agent.core import events as ev
from tests.unit.agent.fake_workers import FakeWorker, Slot, ready
from tests.unit.agent.world import bundle, running

LETTERS = st.sampled_from("abc")
A_WHILE = st.sampled_from([0.0, 0.1, 0.6, 1.1, 3.5, 16.0, 61.0])
SETTLED_S = 100.0  # the longest wait between two starts is 60 s


class Workers(RuleBasedStateMachine):
    """An active slot, and workers that do as they please."""

    def __init__(self) -> None:
        super().__init__()
        self.made = Slot()
        self.now_s = 0.0
        self.wanted: str | None = None
        self.frames = 0

    def alive(self) -> list[FakeWorker]:
        return [worker for worker in self.made.nursery.workers if worker.is_open and not worker.ended]

    def read(self) -> list[ev.Event]:
        """As the supervisor's loop: what can be read first, then what time has come for."""
        slot = self.made.slot
        return [*slot.on_readable(self.now_s), *slot.on_standby(self.now_s), *slot.tick(self.now_s)]

    @initialize(letter=LETTERS)
    def begin(self, letter: str) -> None:
        self.ask(letter)

    @rule(letter=LETTERS)
    def ask(self, letter: str) -> None:
        self.wanted = letter
        self.made.slot.run(running(letter), self.now_s)

    @rule()
    def ask_for_none(self) -> None:
        self.wanted = None
        self.made.slot.run(None, self.now_s)

    @rule(pick=st.integers(0, 1))
    def loads(self, pick: int) -> None:
        for worker in self.alive()[pick : pick + 1]:
            worker.says.append((ready(), b""))
            self.read()

    @rule(pick=st.integers(0, 1))
    def beats(self, pick: int) -> None:
        for worker in self.alive()[pick : pick + 1]:
            worker.says.append((ipc.Heartbeat(position=self.frames, seq=self.frames), b""))
            self.read()

    @rule(pick=st.integers(0, 1))
    def dies(self, pick: int) -> None:
        for worker in self.alive()[pick : pick + 1]:
            worker.is_open = False
            self.read()

    @rule(pick=st.integers(0, 1))
    def talks_nonsense(self, pick: int) -> None:
        for worker in self.alive()[pick : pick + 1]:
            worker.garbles = True
            self.read()

    @rule()
    def stops_as_told(self) -> None:
        for worker in self.alive():
            if ipc.Stop() in worker.sent:
                worker.is_open = False
        self.read()

    @rule(seconds=A_WHILE)
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.made.slot.tick(self.now_s)

    @rule()
    def frame_comes(self) -> None:
        self.frames += 1
        self.made.slot.tell(ipc.FrameIn(origin="mqtt"), b"x")

    @rule(refuses=st.booleans())
    def no_process_can_be_started(self, refuses: bool) -> None:
        self.made.nursery.refuses = refuses

    @invariant()
    def never_more_than_two(self) -> None:
        assert len(self.alive()) <= 2

    @invariant()
    def never_two_on_the_source(self) -> None:
        on_source = [
            worker
            for worker in self.alive()
            if not worker.configure.standby or any(isinstance(message, ipc.Go) for message in worker.sent)
        ]
        assert len(on_source) <= 1

    @invariant()
    def nobody_waits_for_ever(self) -> None:
        slot = self.made.slot
        if self.wanted is not None:
            assert slot.process is not None or slot.next_deadline_s() is not None

    def teardown(self) -> None:
        """Once workers behave, the wanted model runs, and another one takes its place when it is asked for."""
        self.made.nursery.refuses = False
        self.settle()
        self.ask("a" if self.wanted == "b" else "b")
        self.settle()
        self.made.slot.close()
        assert self.alive() == []

    def settle(self) -> None:
        until_s = self.now_s + SETTLED_S
        while self.now_s < until_s:
            for worker in self.alive():
                worker.says.append((ready(), b""))
                worker.is_open = ipc.Stop() not in worker.sent
            self.read()
            self.now_s += 0.5
        process = self.made.slot.process
        assert (None if process is None else process.bundle) == (None if self.wanted is None else bundle(self.wanted))


TestWorkers = Workers.TestCase
TestWorkers.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
