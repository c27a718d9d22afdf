"""Which executor runs a frame: the fastest one for stills, and delta execution for a stream while that is faster.

All executors give the same answer, so that the choice is about time alone and can be made anew at any frame. It is made
by measurement on the frames that really come. The clock is handed in; CPU time tells more than wall time on a busy
machine.

Delta execution wins where little changes, and loses to the executor for stills where much does: noise on every pixel, a
moving camera. ``Streaming`` notices that from the time its frames take, runs the executor for stills, and tries
delta again after a pause that doubles with every failure, so that a scene without a chance pays little for trying.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from edge_models.spiking.executor import DeltaExecutor, Executor, SpikingAnswer

TURN_FRAMES = 8  # of each executor for stills before one is chosen
WARM_UP_FRAMES = 3  # of a turn: the first ones of a runtime take twice as long
BLOCK_FRAMES = 8  # of a stream between two looks at the clock's record
FIRST_PAUSE_FRAMES = 32  # without delta, after it has lost
LONGEST_PAUSE_FRAMES = 1024  # a trial is one block of delta: at 4 x the time 3 % of a pause
WINNING = 0.8  # of the time of the executor for stills: what delta must reach to come back; staying is at 1.0
MEETING_FRAMES = 3 * BLOCK_FRAMES  # with a new executor for stills: two turns for its own choice, then a timed block
DELTA_SUFFIX = "-delta"
FAR_AHEAD = 0.25  # of the time of a first frame, which is all in C: a graph that beats that costs 17 MB to find out


class Fastest:
    """Runs stills: each executor has its turn of some frames, then the fastest stays and the others are closed.

    In turns and not on the same frame, because they would take the caches from each other.

    Args:
        executors: At least one, open; they become this object's.
        clock_ns: Monotonic or CPU time.
    """

    def __init__(self, executors: Sequence[Executor], clock_ns: Callable[[], int]) -> None:
        if not executors:
            raise ValueError("no executor to choose from")
        self._waiting = list(executors[1:])
        self._chosen = executors[0]
        self._is_decided = len(executors) == 1
        self._results: list[tuple[float, Executor]] = []
        self._turn_ns: list[int] = []
        self._clock_ns = clock_ns

    @property
    def name(self) -> str:
        """Name of the executor of the next frame."""
        return self._chosen.name

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run one frame; see the port."""
        if self._is_decided:
            return self._chosen.run(x)
        began_ns = self._clock_ns()
        answer = self._chosen.run(x)
        self._turn_ns.append(self._clock_ns() - began_ns)
        if len(self._turn_ns) == TURN_FRAMES:
            self._end_turn()
        return answer

    def close(self) -> None:
        """Close all that are still open."""
        for executor in (self._chosen, *self._waiting, *(executor for _, executor in self._results)):
            executor.close()

    def _end_turn(self) -> None:
        self._results.append((_mean(self._turn_ns[WARM_UP_FRAMES:]), self._chosen))
        self._turn_ns = []
        if self._waiting:
            self._chosen = self._waiting.pop(0)
            return
        self._chosen = min(self._results, key=lambda result: result[0])[1]
        for _, executor in self._results:
            if executor is not self._chosen:
                executor.close()
        self._results, self._is_decided = [], True


class Held:
    """Send-on-delta: an input that differs from the value last taken by less than ``hold`` codes keeps that value.

    A frame in which no input is new is answered without being run.

    Args:
        executor: Runs what is new; becomes this object's.
        hold: At least 2; less would hold nothing.
    """

    def __init__(self, executor: Executor, hold: int) -> None:
        self._executor, self._hold = executor, hold
        self._before: tuple[NDArray[np.int32], SpikingAnswer] | None = None
        self._change: NDArray[np.int32] = np.empty(0, np.int32)
        self._is_new: NDArray[np.bool_] = np.empty(0, np.bool_)

    @property
    def name(self) -> str:
        """Name of the executor that runs what is new."""
        return self._executor.name

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run the next frame; see the port. The answer may be the last one itself: not to be changed."""
        if self._before is None:
            self._change, self._is_new = np.empty_like(x), np.empty(x.shape, np.bool_)
            self._before = x.copy(), self._executor.run(x)
            return self._before[1]
        held, answer = self._before
        np.absolute(np.subtract(x, held, out=self._change), out=self._change)
        if np.count_nonzero(np.greater_equal(self._change, self._hold, out=self._is_new)):  # any() is slow
            np.copyto(held, x, where=self._is_new)
            self._before = None  # if that fails, the old answer is not that of what is held
            answer = self._executor.run(held)
            self._before = held, answer
        return answer

    def close(self) -> None:
        """Close the executor."""
        self._executor.close()


class Streaming:
    """Runs the frames of one stream.

    Args:
        delta: Becomes this object's.
        still: Opens the executor that competes with it, when there is reason to; it becomes this object's.
        clock_ns: Monotonic or CPU time.
    """

    def __init__(self, delta: DeltaExecutor, still: Callable[[], Executor], clock_ns: Callable[[], int]) -> None:
        self._delta, self._open_still, self._clock_ns = delta, still, clock_ns
        self._still: Executor | None = None
        self._block_ns: list[int] = []  # what the latest frames of the executor in use took
        self._first_ns: int | None = None
        self._still_ns = 0.0
        self._pause = FIRST_PAUSE_FRAMES
        self._pause_left = 0  # frames until delta is tried again; 0 while it runs
        self._on_trial = False

    @property
    def name(self) -> str:
        """Name of the executor in use, ``c-delta`` for delta execution; the few frames of a trial do not count."""
        if self._still is not None and (self._pause_left or self._on_trial):
            return self._still.name
        return self._delta.name + DELTA_SUFFIX

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run the next frame; see the port."""
        if self._first_ns is None:
            return self._begin(x)
        if self._pause_left and self._still is not None:
            return self._run_still(self._still, x)
        answer, took_ns = self._timed(self._delta.run_delta, x)
        self._block_ns.append(took_ns)
        if len(self._block_ns) == BLOCK_FRAMES:
            self._judge()
        return answer

    def close(self) -> None:
        """Close both executors."""
        self._delta.close()
        if self._still is not None:
            self._still.close()

    def _begin(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """The first frame, twice: what delta takes when everything is new, without the cold start."""
        answer, self._first_ns = self._timed(self._first_delta, x)
        self._first_ns = min(self._first_ns, self._timed(self._first_delta, x)[1])
        return answer

    def _first_delta(self, x: NDArray[np.int32]) -> SpikingAnswer:
        self._delta.reset()
        return self._delta.run_delta(x)

    def _run_still(self, still: Executor, x: NDArray[np.int32]) -> SpikingAnswer:
        """A frame without delta; those of the last block are timed."""
        self._pause_left -= 1
        if self._pause_left >= BLOCK_FRAMES:
            return still.run(x)
        answer, took_ns = self._timed(still.run, x)
        self._block_ns.append(took_ns)
        if self._pause_left == 0:
            self._still_ns, self._block_ns, self._on_trial = _mean(self._block_ns), [], True
        return answer

    def _judge(self) -> None:
        """Whether delta goes on after a block of it."""
        delta_ns = _mean(self._block_ns[1:] if self._on_trial else self._block_ns)  # a trial begins with old state
        self._block_ns = []
        if self._still is None:
            if delta_ns >= FAR_AHEAD * (self._first_ns or 0):
                self._still = self._open_still()
                self._pause_left = MEETING_FRAMES
        elif delta_ns <= self._still_ns * (WINNING if self._on_trial else 1.0):
            self._pause = FIRST_PAUSE_FRAMES
        else:
            self._pause_left = self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE_FRAMES)
        self._on_trial = False

    def _timed(
        self, run: Callable[[NDArray[np.int32]], SpikingAnswer], x: NDArray[np.int32]
    ) -> tuple[SpikingAnswer, int]:
        began_ns = self._clock_ns()
        answer = run(x)
        return answer, self._clock_ns() - began_ns


def _mean(times_ns: Sequence[int]) -> float:
    """Of all but the longest, which may be an interruption."""
    return (sum(times_ns) - max(times_ns)) / (len(times_ns) - 1)
