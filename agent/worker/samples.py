"""Which frames are worth a person's label: the least certain ones, those farthest from the reference, some at random.

The uncertain ones teach most, the far ones show what is new, and the random ones show how the model fares on the
stream as it is: every second sample is one of those. Frames wait in memory, bounded in bytes and in number, until they
are asked for; each leaves once at most, within a budget and a rate. They are never written to disk here: what nobody
asks for leaves no trace, wears no flash, and is gone with the process. What was asked for waits in the outbox.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from agent.worker.stream import FrameOutcome
from edge_models.wire.predictions import SampleReason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.profile import Profile

PART_FRAMES = 64  # of each reason; delivering 200 takes minutes at the usual rates, while new ones come in
BURST_S = 1.0  # a late caller may catch up by this much
_TURNS = (SampleReason.UNCERTAIN, SampleReason.RANDOM, SampleReason.DRIFT, SampleReason.RANDOM)
_RANDOM_SHARE = 0.5
_MOST_DEVIATION = 25.0  # of one signal: a single broken one must not outweigh all others


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A chosen frame and the reason."""

    outcome: FrameOutcome
    why: SampleReason


class Deviation:
    """How far frames are from a profile.

    Args:
        profile: The reference.
    """

    def __init__(self, profile: Profile) -> None:
        self._mean: NDArray[np.float64] = profile.mean.astype(np.float64)
        self._std: NDArray[np.float64] = np.maximum(profile.std.astype(np.float64), 1e-6)

    def of(self, signals: NDArray[np.floating]) -> float:
        """Mean squared deviation of the signals (k,) in reference standard deviations, each bounded."""
        squared = ((np.asarray(signals, np.float64) - self._mean) / self._std) ** 2
        return float(np.minimum(squared, _MOST_DEVIATION).mean())


@dataclass(slots=True)
class _Best:
    """The frames with the highest scores."""

    scores: list[float] = field(default_factory=list)  # rising, like ``frames``
    frames: list[FrameOutcome] = field(default_factory=list)

    def keep(self, outcome: FrameOutcome, score: float) -> list[FrameOutcome]:
        """Take one in if it is good enough; what fell out, perhaps the frame itself."""
        if len(self.frames) >= PART_FRAMES and score <= self.scores[0]:
            return [outcome]
        index = bisect.bisect_right(self.scores, score)
        self.scores.insert(index, score)
        self.frames.insert(index, outcome)
        return [self.drop_worst()] if len(self.frames) > PART_FRAMES else []

    def drop_worst(self) -> FrameOutcome:
        del self.scores[0]
        return self.frames.pop(0)

    def take(self) -> FrameOutcome:
        self.scores.pop()
        return self.frames.pop()


@dataclass(slots=True)
class _Reservoir:
    """Frames that stand for all that came: each is as likely to be here (Vitter 1985, algorithm R)."""

    rng: Random
    frames: list[FrameOutcome] = field(default_factory=list)
    seen: int = 0

    def keep(self, outcome: FrameOutcome) -> list[FrameOutcome]:
        """Take one in or not; what fell out, perhaps the frame itself."""
        self.seen += 1
        if len(self.frames) < PART_FRAMES:
            self.frames.append(outcome)
            return []
        index = self.rng.randrange(self.seen)
        if index >= PART_FRAMES:
            return [outcome]
        out, self.frames[index] = self.frames[index], outcome
        return [out]

    def drop_worst(self) -> FrameOutcome:
        return self.frames.pop(0)

    def take(self) -> FrameOutcome:
        return self.frames.pop(self.rng.randrange(len(self.frames)))


class SampleRing:
    """Keeps frames while it is switched on, and hands out those that were asked for.

    Args:
        rate_hz: Largest rate of samples.
        most_bytes: Bound on the frames that wait.
        rng: For the random half.
        deviation: How far a frame is from the reference; None where there is no profile.
    """

    def __init__(self, *, rate_hz: float, most_bytes: int, rng: Random, deviation: Deviation | None = None) -> None:
        self._period_s = 1.0 / rate_hz
        self._most_bytes = most_bytes
        self._rng = rng
        self._deviation = deviation
        self._is_on = self._is_drifting = False
        self._budget = self._wanted = self._turn = 0
        self._next_s = 0.0
        self.signal: str | None = None
        self._forget()

    @property
    def due_s(self) -> float | None:
        """When the next sample may leave; None while none is wanted, allowed or at hand."""
        ready = self._is_on and min(self._wanted, self._budget, len(self)) > 0
        return self._next_s if ready else None

    def __len__(self) -> int:
        """How many frames wait."""
        return sum(len(part.frames) for part in self._parts.values())

    @property
    def bytes(self) -> int:
        """What they take."""
        return self._bytes

    def switch(self, *, on: bool, budget: int, signal: str | None, drifting: bool = False) -> None:
        """Keep frames or not, and how many may still leave.

        Switched off it forgets what it has; at the beginning of an episode too, for those frames show another stream.
        """
        self.signal = signal if on else None
        if not on or (drifting and not self._is_drifting):
            self._forget()
        self._is_on, self._is_drifting, self._budget = on, on and drifting, budget if on else 0

    def deliver(self, n: int) -> None:
        """Let ``n`` frames leave from now on."""
        self._wanted = n if self._is_on else 0

    def wipe(self) -> None:
        """Forget all frames, and that any were asked for."""
        self._wanted = 0
        self._forget()

    def keep(self, outcome: FrameOutcome) -> None:
        """Take one more frame into account; a frame that was refused or repeats another one teaches nothing."""
        result, size_bytes = outcome.result, outcome.frame.x.nbytes
        if not self._is_on or result.refused is not None or result.held or size_bytes > self._most_bytes:
            return
        self._bytes += size_bytes
        out = self._sorted_in(outcome)
        self._bytes -= sum(gone.frame.x.nbytes for gone in out)
        while self._bytes > self._most_bytes:
            fullest = max(self._parts.values(), key=lambda part: len(part.frames))
            self._bytes -= fullest.drop_worst().frame.x.nbytes

    def take(self, now_s: float) -> list[Sample]:
        """The samples that leave now."""
        taken = []
        while (due_s := self.due_s) is not None and due_s <= now_s:
            self._next_s = max(due_s, now_s - BURST_S) + self._period_s
            self._wanted -= 1
            self._budget -= 1
            taken.append(self._choose())
        return taken

    def _sorted_in(self, outcome: FrameOutcome) -> list[FrameOutcome]:
        """Put a frame where it belongs; what fell out.

        A coin decides first whether it may be a random one, so that those are a fair picture of the stream, with as
        many uncertain and far frames among them as it has.
        """
        scores = [] if self._rng.random() < _RANDOM_SHARE else self._scores(outcome)
        if not scores:
            return self._random.keep(outcome)
        self._rng.shuffle(scores)
        for part, score in scores:
            out = part.keep(outcome, score)
            if not out or out[0] is not outcome:
                return out
        return [outcome]

    def _scores(self, outcome: FrameOutcome) -> list[tuple[_Best, float]]:
        result, scores = outcome.result, []
        if result.margin is not None:
            scores.append((self._uncertain, -result.margin))
        if self._deviation is not None and result.signals is not None:
            scores.append((self._far, self._deviation.of(result.signals)))
        return scores

    def _choose(self) -> Sample:
        while not self._parts[_TURNS[self._turn]].frames:  # the caller knows that one of them has some
            self._turn = (self._turn + 1) % len(_TURNS)
        why = _TURNS[self._turn]
        self._turn = (self._turn + 1) % len(_TURNS)
        outcome = self._parts[why].take()
        self._bytes -= outcome.frame.x.nbytes
        return Sample(outcome=outcome, why=why)

    def _forget(self) -> None:
        self._uncertain, self._far, self._random = _Best(), _Best(), _Reservoir(self._rng)
        self._parts: dict[SampleReason, _Best | _Reservoir] = {
            SampleReason.UNCERTAIN: self._uncertain,
            SampleReason.DRIFT: self._far,
            SampleReason.RANDOM: self._random,
        }
        self._bytes = 0
