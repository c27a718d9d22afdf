"""How long to go on: the job's deadline, and waits between tries that grow, with jitter, and end.

The only file of the agent that knows tenacity.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from tenacity import DoSleep, RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from agent.ports import Clock, Sleeper
from agent.update_client.errors import BudgetError, DeadlineError, ServerError

R = TypeVar("R")

MAX_TRIES = 6  # without a byte of progress: about 15 s of waiting, then the supervisor's own schedule takes over
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 30.0


class Deadline:
    """The end of the job on the monotonic clock."""

    def __init__(self, clock: Clock, timeout_s: float) -> None:
        """Begin now."""
        self._clock = clock
        self._timeout_s = timeout_s
        self._end_s = clock.monotonic_s() + timeout_s

    def left_s(self) -> float:
        """Seconds that are left.

        Raises:
            DeadlineError: None are.
        """
        left_s = self._end_s - self._clock.monotonic_s()
        if left_s <= 0:
            raise DeadlineError(f"not finished in {self._timeout_s:g} s; the next try goes on from here")
        return left_s


class Retries:
    """Waits between tries.

    Args:
        deadline: Nothing waits beyond it.
        sleeper: Does the waiting.
        rng: Spreads a fleet whose registry came back, so that it is not overrun.
    """

    def __init__(self, deadline: Deadline, sleeper: Sleeper, rng: random.Random) -> None:
        self._deadline = deadline
        self._rng = rng
        self._growing = wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S)
        self._retrying = Retrying(
            sleep=sleeper.sleep,
            retry=retry_if_exception(_may_pass),
            wait=self._wait_s,
            stop=lambda state: stop_after_attempt(MAX_TRIES)(state) or state.upcoming_sleep >= deadline.left_s(),
            reraise=True,
        )
        self._state = self._fresh()

    def progressed(self) -> None:
        """Something arrived: the next failure counts as the first."""
        self._state = self._fresh()

    def wait(self, error: ServerError) -> None:
        """Wait before the next try.

        Raises:
            ServerError: ``error`` itself, when there were enough tries or no time is left for another.
        """
        self._state.set_exception((type(error), error, error.__traceback__))
        wait_s = self._retrying.iter(self._state)  # raises the error when it is the last
        if isinstance(wait_s, DoSleep):
            self._state.prepare_for_next_attempt()
            self._retrying.sleep(wait_s)

    def call(self, action: Callable[[], R]) -> R:
        """The result of ``action``, tried again while it raises ServerError and ``wait`` allows."""
        while True:
            try:
                return action()
            except ServerError as exc:
                self.wait(exc)

    def _fresh(self) -> RetryCallState:
        self._retrying.begin()
        return RetryCallState(self._retrying, None, (), {})

    def _wait_s(self, state: RetryCallState) -> float:
        longest_s = self._growing(state)
        wait_s = self._rng.uniform(longest_s / 2, longest_s)
        error = None if state.outcome is None else state.outcome.exception()
        asked_s = error.retry_after_s if isinstance(error, ServerError) else None
        return wait_s if asked_s is None else max(wait_s, asked_s)


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, ServerError) and not isinstance(error, (BudgetError, DeadlineError))
