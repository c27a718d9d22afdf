"""Which executor runs a frame: decided from times alone, so a clock that the executors turn themselves tells it all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_models.spiking.executor import SpikingAnswer
from edge_models.spiking.streaming import (
    BLOCK_FRAMES,
    FIRST_PAUSE_FRAMES,
    LONGEST_PAUSE_FRAMES,
    MEETING_FRAMES,
    TURN_FRAMES,
    Fastest,
    Held,
    Streaming,
)

STILL_NS = 100


class FakeClock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


class FakeExecutor:
    """Answers with the sum of its input, and takes as long as the test says."""

    def __init__(self, name: str, clock: FakeClock, takes_ns: Callable[[], int]) -> None:
        self.name = name
        self.frames = 0
        self.resets = 0
        self.is_closed = False
        self._clock, self._takes_ns = clock, takes_ns

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        self.frames += 1
        self._clock.now_ns += self._takes_ns()
        total = np.array([x.sum()], np.int32)
        return SpikingAnswer(logits=total, counts=total, steps=1)

    def run_delta(self, x: NDArray[np.int32], threshold: int = 0) -> SpikingAnswer:
        return self.run(x)

    def reset(self) -> None:
        self.resets += 1

    def close(self) -> None:
        self.is_closed = True


class Scene:
    """A stream whose frames cost delta what the test says, from one moment to the next."""

    def __init__(self, delta_ns: int) -> None:
        self.delta_ns = delta_ns
        self.clock = FakeClock()
        self.delta = FakeExecutor("c", self.clock, lambda: self.delta_ns)
        self.still = FakeExecutor("collapsed", self.clock, lambda: STILL_NS)
        self.opened = 0
        self.executor = Streaming(self.delta, self._open, self.clock)

    def _open(self) -> FakeExecutor:
        self.opened += 1
        return self.still

    def play(self, frames: int) -> list[str]:
        """Names of the executors that ran the frames."""
        names = []
        for value in range(frames):
            names.append(self.executor.name)
            assert self.executor.run(np.full(3, value, np.int32)).logits[0] == 3 * value
        return names


def test_a_stream_that_changes_little_stays_with_delta() -> None:
    scene = Scene(delta_ns=50)
    scene.play(100)

    assert set(scene.play(500)) == {"c-delta"}


def test_the_executor_for_stills_is_not_even_opened_while_delta_is_far_ahead_of_a_full_frame() -> None:
    scene = Scene(delta_ns=1000)
    scene.play(1)
    scene.delta_ns = 100

    scene.play(500)

    assert scene.opened == 0


def test_a_stream_in_which_all_moves_goes_to_the_executor_for_stills_within_a_block() -> None:
    scene = Scene(delta_ns=400)

    names = scene.play(1 + 2 * BLOCK_FRAMES + MEETING_FRAMES + FIRST_PAUSE_FRAMES)

    assert set(names[: 1 + BLOCK_FRAMES]) == {"c-delta"}
    assert set(names[1 + BLOCK_FRAMES :]) == {"collapsed"}
    assert scene.still.frames == MEETING_FRAMES + FIRST_PAUSE_FRAMES


def test_a_scene_that_starts_to_move_loses_one_block_to_delta() -> None:
    scene = Scene(delta_ns=50)
    scene.play(100)
    scene.delta_ns = 400

    assert scene.play(3 * BLOCK_FRAMES)[2 * BLOCK_FRAMES :] == ["collapsed"] * BLOCK_FRAMES


def test_delta_is_tried_again_and_comes_back_when_the_scene_has_calmed_down() -> None:
    scene = Scene(delta_ns=400)
    scene.play(100)
    scene.delta_ns = 10

    names = scene.play(3 * FIRST_PAUSE_FRAMES + 200)

    assert set(names[-200:]) == {"c-delta"}


def test_a_scene_without_a_chance_costs_ever_fewer_trials() -> None:
    scene = Scene(delta_ns=400)
    scene.play(20_000)
    frames, before = 10_000, scene.delta.frames

    scene.play(frames)

    trials = frames / (LONGEST_PAUSE_FRAMES + BLOCK_FRAMES)
    assert scene.delta.frames - before <= (trials + 1) * BLOCK_FRAMES


def test_delta_that_is_hardly_faster_stays_and_does_not_come_back() -> None:
    scene = Scene(delta_ns=50)
    scene.play(100)
    scene.delta_ns = 90
    assert set(scene.play(100)) == {"c-delta"}
    scene.delta_ns = 400
    scene.play(2 * BLOCK_FRAMES)
    scene.delta_ns = 90

    assert scene.play(FIRST_PAUSE_FRAMES + 2 * BLOCK_FRAMES)[-1] == "collapsed"


def test_one_slow_frame_does_not_end_delta() -> None:
    scene = Scene(delta_ns=50)
    scene.play(100)
    names = []
    for i in range(200):
        scene.delta_ns = 5000 if i % BLOCK_FRAMES == 3 else 50
        names += scene.play(1)

    assert set(names) == {"c-delta"}


def test_closing_a_stream_closes_both_executors() -> None:
    scene = Scene(delta_ns=400)
    scene.play(100)

    scene.executor.close()

    assert scene.delta.is_closed
    assert scene.still.is_closed


def test_stills_are_run_by_the_fastest_after_a_turn_of_each() -> None:
    clock = FakeClock()
    slow, fast = FakeExecutor("collapsed", clock, lambda: 30), FakeExecutor("c", clock, lambda: 10)
    executor = Fastest([slow, fast], clock)
    x = np.ones(4, np.int32)

    names = [(executor.run(x).logits[0], executor.name)[1] for _ in range(3 * TURN_FRAMES)]

    assert names[-1] == "c"
    assert (slow.frames, fast.frames) == (TURN_FRAMES, 2 * TURN_FRAMES)
    assert slow.is_closed
    assert not fast.is_closed


def test_the_cold_start_of_an_executor_is_not_held_against_it() -> None:
    clock = FakeClock()
    warming = FakeExecutor("collapsed", clock, lambda: 10_000 if warming.frames <= 2 else 10)
    steady = FakeExecutor("c", clock, lambda: 30)
    executor = Fastest([warming, steady], clock)

    for _ in range(3 * TURN_FRAMES):
        executor.run(np.ones(4, np.int32))

    assert executor.name == "collapsed"


def test_closing_before_the_choice_closes_all() -> None:
    clock = FakeClock()
    executors = [FakeExecutor(name, clock, lambda: 10) for name in "abc"]
    executor = Fastest(executors, clock)
    for _ in range(TURN_FRAMES + 1):
        executor.run(np.ones(4, np.int32))

    executor.close()

    assert all(one.is_closed for one in executors)


def test_a_single_executor_is_not_put_to_the_test() -> None:
    clock = FakeClock()
    only = FakeExecutor("numpy", clock, lambda: 10)
    executor = Fastest([only], clock)

    executor.run(np.ones(4, np.int32))

    assert (executor.name, only.frames) == ("numpy", 1)


def test_nothing_to_choose_from_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="no executor"):
        Fastest([], FakeClock())


def test_an_input_below_the_threshold_keeps_its_value_and_one_at_it_is_taken() -> None:
    executor = Held(FakeExecutor("c", FakeClock(), lambda: 1), hold=10)

    answers = [int(executor.run(np.array(x, np.int32)).logits[0]) for x in ([0, 0], [9, 0], [9, 10], [-9, 1], [18, 9])]

    assert answers == [0, 0, 10, 10, 28]


def test_a_frame_in_which_all_is_held_is_not_run() -> None:
    counted = FakeExecutor("c", FakeClock(), lambda: 1)
    executor = Held(counted, hold=5)
    rng = np.random.default_rng(0)

    for _ in range(50):
        executor.run(100 + rng.integers(-2, 3, 20, dtype=np.int32))

    assert counted.frames == 1


def test_after_a_frame_that_failed_the_old_answer_is_not_given_for_it() -> None:
    fails = iter([False, True, False])

    def takes_ns() -> int:
        if next(fails):
            raise RuntimeError("the runtime gave up")
        return 1

    executor = Held(FakeExecutor("c", FakeClock(), takes_ns), hold=5)
    executor.run(np.array([0, 0], np.int32))
    with pytest.raises(RuntimeError, match="gave up"):
        executor.run(np.array([50, 0], np.int32))

    assert executor.run(np.array([50, 0], np.int32)).logits[0] == 50
