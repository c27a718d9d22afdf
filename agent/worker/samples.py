"""Which frames are worth a person's label: every second one the least certain of late, the others at random.

The uncertain ones teach most; the random ones show how the model fares on the stream as it is. Frames wait in a small
ring so that there is something to choose from; a frame leaves it once at most, within a budget and a rate.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from random import Random

from agent.worker.pacing import RateLimit
from agent.worker.stream import FrameOutcome
from edge_models.wire.predictions import SampleReason

RING_FRAMES = 64
RING_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A chosen frame and the reason."""

    outcome: FrameOutcome
    why: SampleReason


class SampleChooser:
    """Offers frames while it is switched on.

    Args:
        rate_hz: Largest rate of samples.
        rng: For the random half.
    """

    def __init__(self, *, rate_hz: float, rng: Random) -> None:
        self._rate_hz = rate_hz
        self._rng = rng
        self._limit = RateLimit(rate_hz=rate_hz)
        self._ring: deque[FrameOutcome] = deque()
        self._ring_bytes = 0
        self._budget = 0
        self._turn_of_uncertain = True
        self.signal: str | None = None

    def switch(self, *, on: bool, budget: int, signal: str | None) -> None:
        """Start with a budget, or stop and forget the frames at hand."""
        self._budget = budget if on else 0
        self.signal = signal if on else None
        if not on:
            self._ring.clear()
            self._ring_bytes = 0

    def offer(self, outcome: FrameOutcome, now_s: float) -> Sample | None:
        """Take one more frame into account; the sample that is due now, if any."""
        if self._budget <= 0 or outcome.result.refused is not None or outcome.result.held:
            return None
        self._keep(outcome)
        if not self._ring or not self._limit.allows(now_s):
            return None
        self._budget -= 1
        return self._choose()

    def _keep(self, outcome: FrameOutcome) -> None:
        size_bytes = outcome.frame.x.nbytes
        if size_bytes > RING_BYTES:
            return
        self._ring.append(outcome)
        self._ring_bytes += size_bytes
        while len(self._ring) > RING_FRAMES or self._ring_bytes > RING_BYTES:
            self._ring_bytes -= self._ring.popleft().frame.x.nbytes

    def _choose(self) -> Sample:
        uncertain = self._turn_of_uncertain and any(outcome.result.margin is not None for outcome in self._ring)
        self._turn_of_uncertain = not self._turn_of_uncertain
        if uncertain:
            index = min(range(len(self._ring)), key=lambda i: _margin(self._ring[i]))
        else:
            index = self._rng.randrange(len(self._ring))
        outcome = self._ring[index]
        del self._ring[index]
        self._ring_bytes -= outcome.frame.x.nbytes
        return Sample(outcome=outcome, why=SampleReason.UNCERTAIN if uncertain else SampleReason.RANDOM)


def _margin(outcome: FrameOutcome) -> float:
    return 1.0 if outcome.result.margin is None else outcome.result.margin
