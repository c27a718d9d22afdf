"""A machine, its clock, and everything that it ever ordered: one update from a chosen target to its end."""

from __future__ import annotations

from agent.core import commands as do
from agent.core import events as ev
from agent.core.records import ActiveRecord, Target, UpdateRecord
from agent.core.update_machine import UpdateMachine
from agent.core.update_table import State
from tests.unit.agent.world import SETTINGS, START_S, bundle, compared, only, running, target

FETCHED = ev.FetchDone(bundle=bundle("b"))
VERIFIED = ev.TargetVerified(model="digits", version="2.0", serial=2, artifact="tflite-int8")


class Story:
    """A machine that a test tells things; ``max_deaths`` as worker.deaths."""

    def __init__(
        self, active: ActiveRecord | None = None, record: UpdateRecord | None = None, *, max_deaths: int = 3
    ) -> None:
        self.machine = UpdateMachine(
            settings=SETTINGS, record=record or UpdateRecord(), active=active, max_deaths=max_deaths
        )
        self.now_s = START_S
        self.ordered: list[do.Action] = []

    def tell(self, *events: ev.UpdateEvent, request: str | None = None) -> list[do.Action]:
        new: list[do.Action] = []
        for event in events:
            new += self.machine.handle(event, self.now_s, open_request=request)
        self.ordered += new
        return new

    def wait(self, seconds: float) -> list[do.Action]:
        self.now_s += seconds
        return self.tell(ev.Tick())

    @property
    def state(self) -> State:
        return self.machine.state

    def expect(self, state: State) -> None:
        assert self.machine.state is state

    @property
    def stored(self) -> list[State]:
        return [action.record.phase for action in only(do.StoreUpdate, self.ordered)]


def in_shadow(*, chosen: Target | None = None) -> Story:
    story = Story(running("a"))
    story.tell(ev.TargetChosen(target=chosen or target("b")), FETCHED, VERIFIED, ev.CandidateTested(ok=True))
    assert story.state is State.SHADOW
    return story


def in_provisional() -> Story:
    story = in_shadow()
    story.tell(compared(n=100, agree=95, nan=0))
    assert story.state is State.PROVISIONAL
    return story


def ready(letter: str) -> ev.WorkerReady:
    return ev.WorkerReady(bundle=bundle(letter))
