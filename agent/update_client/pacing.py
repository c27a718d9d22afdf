"""How long to go on: the job's deadline, and waits between tries that grow, with jitter, and end."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeVar

from agent.ports import Clock, Sleeper
from agent.update_client.errors import DeadlineError, ServerError

R = TypeVar("R")

MAX_TRIES = 6  # without a byte of progress: about 15 s of waiting, then the supervisor's own schedule takes over
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0


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
        self._sleeper = sleeper
        self._rng = rng
        self._failures = 0

    def progressed(self) -> None:
        """Something arrived: the next failure counts as the first."""
        self._failures = 0

    def wait(self, error: ServerError) -> None:
        """Wait before the next try.

        Raises:
            ServerError: ``error`` itself, when there were enough tries or no time is left for another.
        """
        self._failures += 1
        longest_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (self._failures - 1))
        wait_s = self._rng.uniform(longest_s / 2, longest_s)
        if error.retry_after_s is not None:
            wait_s = max(wait_s, error.retry_after_s)
        if self._failures >= MAX_TRIES or isinstance(error, DeadlineError) or wait_s >= self._deadline.left_s():
            raise error
        self._sleeper.sleep(wait_s)

    def call(self, action: Callable[[], R]) -> R:
        """The result of ``action``, tried again while it raises ServerError and ``wait`` allows."""
        while True:
            try:
                return action()
            except ServerError as exc:
                self.wait(exc)
