"""Cases of the race: pools of signals before and after a known change, and streams that are drawn from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_models.profile import Profile
from tests.benchmarks.drifts.contestants import Reference

Scenario = Literal["sudden", "gradual", "recurring", "cold start", "class prior", "none"]
BEFORE, AFTER = 1000, 4000
RAMP_STEPS = 30  # pools of a gradual change, each for a thirtieth of the way
OFF_ON = 500  # frames of a phase of a recurring change


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Frames as detectors see them.

    Attributes:
        values: Signals, (n, k).
        predicted: Classes that the artifact names, (n,); 0 where it names none.
        y: True ones, (n,).
        features: Embeddings, (n, d); d is 0 for an artifact without.
        logits: Logarithms of the artifact's probabilities, (n, c); c is 0 for an artifact without classes.
    """

    values: NDArray[np.float64]
    predicted: NDArray[np.int64]
    y: NDArray[np.int64]
    features: NDArray[np.float32]
    logits: NDArray[np.float32]

    @property
    def accuracy(self) -> float:
        """Of the artifact on these frames."""
        return float((self.predicted == self.y).mean())

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: NDArray[np.intp] | slice) -> Pool:
        return Pool(**{name: getattr(self, name)[rows] for name in COLUMNS})


COLUMNS = tuple(one.name for one in fields(Pool))


def joined(pools: list[Pool]) -> Pool:
    """One after the other."""
    return Pool(**{name: np.concatenate([getattr(pool, name) for pool in pools]) for name in COLUMNS})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One thing that happens to one kind of data.

    Attributes:
        name: For the table.
        group: Line of the table that it belongs to.
        scenario: How it comes.
        profile: What our trigger knows.
        reference: What contestants know.
        null: Held-out frames of the unchanged source.
        drifted: Frames after the change; of a gradual one in the order of its way.
        right: Signals, or ``class N``, that count as the right explanation; empty where none is asked for.
        costs: Points of accuracy that it costs, negative ones included; None without classes.
        ordered: Whether frames come as they are, instead of drawn independently.
    """

    name: str
    group: str
    scenario: Scenario
    profile: Profile
    reference: Reference
    null: Pool
    drifted: Pool
    right: frozenset[str] = frozenset()
    costs: float | None = None
    ordered: bool = False

    def streams(self, runs: int, seed: int) -> Iterator[Stream]:
        """Streams that are drawn from it."""
        for run in range(runs):
            rng = np.random.default_rng([seed, run])
            before = 0 if self.scenario == "cold start" else BEFORE
            yield Stream(case=self, pool=joined([self._before(before, rng), self._after(rng)]), change=before, run=run)

    def _before(self, frames: int, rng: np.random.Generator) -> Pool:
        return self.null[slice(0, frames)] if self.ordered else self.null[rng.integers(0, len(self.null), frames)]

    def _after(self, rng: np.random.Generator) -> Pool:
        n = len(self.drifted)
        match self.scenario:
            case "gradual":
                step = np.minimum(np.arange(AFTER) * RAMP_STEPS // (AFTER - BEFORE), RAMP_STEPS - 1)
                size = n // RAMP_STEPS
                return self.drifted[step * size + rng.integers(0, size, AFTER)]
            case "recurring":
                on, off = self.drifted[rng.integers(0, n, AFTER)], self.null[rng.integers(0, len(self.null), AFTER)]
                is_on = np.arange(AFTER) // OFF_ON % 2 == 0
                return joined([on, off])[np.arange(AFTER) + np.where(is_on, 0, AFTER)]
            case _:
                return self.drifted[:AFTER] if self.ordered else self.drifted[rng.integers(0, n, AFTER)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """A case, drawn once; the change is before frame ``change``."""

    case: Case
    pool: Pool
    change: int
    run: int
