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

TRIAL_FRAMES = 5  # of each executor for stills; the median of five outlives two interruptions
BLOCK_FRAMES = 8  # of a stream between two looks at the clock's record
FIRST_PAUSE_FRAMES = 32  # without delta, after it has lost
LONGEST_PAUSE_FRAMES = 1024  # a trial is one block of delta: at 4 x the time 3 % of a pause
WINNING = 0.8  # of the time of the executor for stills: what delta must reach to come back; staying is at 1.0
DELTA_SUFFIX = "-delta"
FAR_AHEAD = 0.25  # of the time of a first frame, which is all in C: a graph that beats that costs 17 MB to find out


class Fastest:
    """Runs stills: tries every executor on the first frames, then keeps the fastest and closes the others.

    Args:
        executors: At least one, open; they become this object's.
        clock_ns: Monotonic or CPU time.
    """

    def __init__(self, executors: Sequence[Executor], clock_ns: Callable[[], int]) -> None:
        if not executors:
            raise ValueError("no executor to choose from")
        self._candidates = list(executors)
        self._times_ns: list[list[int]] = [[] for _ in executors]
        self._clock_ns = clock_ns

    @property
    def chosen(self) -> Executor:
        """The executor in use; the first one as long as they are being tried."""
        return self._candidates[0]

    @property
    def name(self) -> str:
        """Name of the executor in use."""
        return self.chosen.name

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run one frame; see the port."""
        return self.chosen.run(x) if len(self._candidates) == 1 else self._try(x)

    def close(self) -> None:
        """Close all that are still open."""
        for executor in self._candidates:
            executor.close()

    def _try(self, x: NDArray[np.int32]) -> SpikingAnswer:
        answers = []
        for executor, times in zip(self._candidates, self._times_ns, strict=True):
            began_ns = self._clock_ns()
            answers.append(executor.run(x))
            times.append(self._clock_ns() - began_ns)
        if len(self._times_ns[0]) >= TRIAL_FRAMES:
            self._decide()
        return answers[0]

    def _decide(self) -> None:
        medians = [_median(times) for times in self._times_ns]
        winner = self._candidates.pop(medians.index(min(medians)))
        for executor in self._candidates:
            executor.close()
        self._candidates = [winner]


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

    @property
    def name(self) -> str:
        """Name of the executor that runs what is new."""
        return self._executor.name

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run the next frame; see the port. The answer may be the last one itself: not to be changed."""
        if self._before is None:
            self._before = x.copy(), self._executor.run(x)
            return self._before[1]
        held, answer = self._before
        is_new = np.abs(x - held) >= self._hold
        if is_new.any():
            np.copyto(held, x, where=is_new)
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
        self._still_ns = 0
        self._pause = FIRST_PAUSE_FRAMES
        self._pause_left = 0  # frames until delta is tried again; 0 while it runs
        self._on_trial = False

    @property
    def chosen(self) -> Executor:
        """The executor of the next frame."""
        return self._delta if self._still is None or not self._pause_left else self._still

    @property
    def name(self) -> str:
        """Name of that executor, ``c-delta`` for delta execution."""
        return self._delta.name + DELTA_SUFFIX if self.chosen is self._delta else self.chosen.name

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run the next frame; see the port."""
        if self._first_ns is None:
            return self._begin(x)
        if self._pause_left and self._still is not None:
            answer, took_ns = self._timed(self._still.run, x)
            self._block_ns.append(took_ns)
            self._count_down()
        else:
            answer, took_ns = self._timed(self._delta.run_delta, x)
            self._block_ns.append(took_ns)
            self._judge(x)
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

    def _judge(self, x: NDArray[np.int32]) -> None:
        """Whether delta goes on after this frame of it."""
        if len(self._block_ns) < BLOCK_FRAMES:
            return
        delta_ns = _median(self._block_ns[1:] if self._on_trial else self._block_ns)  # a trial begins with old state
        self._block_ns = []
        if self._still is None and delta_ns < FAR_AHEAD * (self._first_ns or 0):
            return
        self._meet_still(x)
        if delta_ns <= self._still_ns * (WINNING if self._on_trial else 1.0):
            self._pause = FIRST_PAUSE_FRAMES
        else:
            self._pause_left = self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE_FRAMES)
        self._on_trial = False

    def _meet_still(self, x: NDArray[np.int32]) -> None:
        """Open and time the executor for stills, once."""
        if self._still is None:
            self._still = self._open_still()
            times_ns = [self._timed(self._still.run, x)[1] for _ in range(2 * TRIAL_FRAMES)]
            self._still_ns = _median(times_ns[TRIAL_FRAMES:])  # a ``Fastest`` has made its choice before that

    def _count_down(self) -> None:
        self._pause_left -= 1
        if len(self._block_ns) == BLOCK_FRAMES:
            self._still_ns, self._block_ns = _median(self._block_ns), []
        if self._pause_left == 0:
            self._block_ns, self._on_trial = [], True

    def _timed(
        self, run: Callable[[NDArray[np.int32]], SpikingAnswer], x: NDArray[np.int32]
    ) -> tuple[SpikingAnswer, int]:
        began_ns = self._clock_ns()
        answer = run(x)
        return answer, self._clock_ns() - began_ns


def _median(times_ns: Sequence[int]) -> int:
    return sorted(times_ns)[len(times_ns) // 2]
