"""Sources that fail, and come back."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from agent.ipc import SourceDown, SourceUp
from agent.worker.errors import SourceError, StuckSourceError
from agent.worker.sources.capture import Capture
from agent.worker.sources.port import Frame, Source
from agent.worker.sources.restarting import LONGEST_S, QUIET_S, Restarting, Surroundings
from tests.unit.agent_worker.conftest import FakeClock


class Flaky:
    """Frames, until the test breaks it."""

    def __init__(self, position: int) -> None:
        self.rate_hz: float | None = 10.0
        self.position = position
        self.ended = False
        self.closed = 0
        self.silent = False
        self.broken = False

    def read(self) -> Frame | None:
        if self.broken:
            raise SourceError("camera 0: delivers no more pictures")
        if self.silent:
            return None
        self.position += 1
        return Frame(x=np.zeros(1), position=self.position - 1)

    def close(self) -> None:
        self.closed += 1


class Bench:
    """A restarting source with everything around it."""

    def __init__(self, clock: FakeClock, *, position: int = 0, was_down: bool = False) -> None:
        self.clock = clock
        self.told: list[SourceDown | SourceUp] = []
        self.opened: list[Flaky] = []
        self.cannot_open = self.opens_silent = False
        around = Surroundings(tell=self.told.append, now_s=clock.monotonic_s, rng=Random(1), was_down=was_down)
        self.source = Restarting(self._open, rate_hz=10.0, position=position, mark="", around=around)

    def _open(self, position: int, mark: str) -> Source:
        if self.cannot_open:
            raise SourceError("camera 0: cannot be opened")
        self.opened.append(Flaky(position))
        self.opened[-1].silent = self.opens_silent
        return self.opened[-1]

    def run(self, seconds: float) -> int:
        """Frames within so many seconds at 10 Hz."""
        frames = 0
        for _ in range(round(seconds * 10)):
            self.clock.now_s += 0.1
            frames += self.source.read() is not None
        return frames

    @property
    def downs(self) -> list[SourceDown]:
        return [word for word in self.told if isinstance(word, SourceDown)]

    @property
    def ups(self) -> list[SourceUp]:
        return [word for word in self.told if isinstance(word, SourceUp)]


@pytest.fixture
def bench(clock: FakeClock) -> Bench:
    return Bench(clock)


def test_a_source_that_works_is_not_talked_about(bench: Bench) -> None:
    assert bench.run(10) == 100
    assert bench.told == []


def test_it_is_opened_when_the_first_frame_is_asked_for(clock: FakeClock) -> None:
    bench = Bench(clock, position=40)
    assert (bench.opened, bench.source.position) == ([], 40)

    frame = bench.source.read()

    assert frame is not None
    assert frame.position == 40


def test_one_that_cannot_be_opened_is_tried_again_ever_more_seldom(bench: Bench) -> None:
    bench.cannot_open = True
    bench.run(600)

    assert [down.failures for down in bench.downs] == list(range(1, len(bench.downs) + 1))
    for down in bench.downs:
        wanted_s = min(LONGEST_S, 2.0 ** (down.failures - 1))
        assert 0.75 * wanted_s - 0.1 <= down.retry_s <= 1.25 * wanted_s + 0.1
    assert len({down.retry_s for down in bench.downs[7:]}) > 1  # jitter
    assert bench.ups == []


def test_one_that_breaks_is_closed_and_goes_on_at_its_position(bench: Bench) -> None:
    bench.run(1)
    bench.opened[0].broken = True
    bench.run(0.1)
    assert bench.opened[0].closed == 1
    assert (bench.source.position, bench.source.ended) == (10, False)

    frames = bench.run(10)

    assert frames > 80
    assert bench.opened[1].position == 10 + frames
    (down,), (up,) = bench.downs, bench.ups
    assert down.reason == "camera 0: delivers no more pictures"
    assert 0.7 < up.down_s < 1.4


def test_one_that_breaks_at_every_frame_is_never_called_up_and_waits_longer_each_time(bench: Bench) -> None:
    bench.run(1)
    for _ in range(40):
        bench.opened[-1].broken = True
        before = len(bench.opened)
        while len(bench.opened) == before:
            bench.run(0.1)

    assert bench.downs[-1].failures == 40
    assert bench.ups == []


def test_one_that_has_nothing_to_deliver_is_up_after_a_while(bench: Bench) -> None:
    bench.cannot_open = True
    bench.run(0.1)
    bench.cannot_open, bench.opens_silent = False, True  # a folder that is there again, in which nothing arrives
    bench.run(QUIET_S - 1)
    told_early = len(bench.ups)
    bench.run(4)

    assert (told_early, len(bench.ups)) == (0, 1)


def test_after_a_recovery_failures_count_from_one_again(bench: Bench) -> None:
    for _ in range(3):
        bench.run(5)
        bench.opened[-1].broken = True
    bench.run(5)

    assert [down.failures for down in bench.downs] == [1, 1, 1]
    assert len(bench.ups) == 3


def test_after_closing_it_is_opened_no_more(bench: Bench) -> None:
    bench.run(1)
    bench.source.close()
    bench.source.close()

    assert bench.run(100) == 0
    assert [source.closed for source in bench.opened] == [1]


def test_what_failed_under_an_earlier_worker_is_told_to_be_back(clock: FakeClock) -> None:
    bench = Bench(clock, was_down=True)

    bench.run(1)

    assert len(bench.told) == len(bench.ups) == 1


def test_what_failed_under_an_earlier_worker_and_still_does_is_not_told_to_be_back(clock: FakeClock) -> None:
    bench = Bench(clock, was_down=True)
    bench.cannot_open = True

    bench.run(5)

    assert bench.ups == []
    assert bench.downs[0].failures == 1


class Stuck(Capture):
    """A device whose driver never comes back."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.rate_hz, self.position, self.ended = 1.0, 3, False

    @property
    def is_stuck(self) -> bool:
        return True

    def read(self) -> Frame | None:
        raise SourceError("camera 0: nothing for 10 s")

    def close(self) -> None:
        """In vain."""


def test_a_driver_that_hangs_ends_the_worker_because_only_a_new_process_helps(clock: FakeClock) -> None:
    told: list[SourceDown | SourceUp] = []
    around = Surroundings(tell=told.append, now_s=clock.monotonic_s, rng=Random(1))
    source = Restarting(
        lambda position, mark: Stuck(clock.monotonic_s), rate_hz=1.0, position=0, mark="", around=around
    )

    with pytest.raises(StuckSourceError, match="nothing for 10 s; its driver hangs"):
        source.read()

    assert isinstance(told[0], SourceDown)
    assert source.position == 3
