"""The smallest shift of each signal that the bank finds within so many frames, at a budget of false alarms.

Held-out frames of the reference are drawn at random, one signal of them is shifted by so many of its standard
deviations, and the bank runs on them as on a device. A shift counts as found when nine of ten runs in either direction
end in an alarm; the smallest one is looked for on a grid whose steps are a fifth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.drift.bank import StreamBank
from edge_models.drift.bets import Bets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.profile import Profile

WITHIN = (100, 1000)
SHIFTS_SD = tuple(round(0.05 * 1.2**step, 3) for step in range(26))  # up to 4.8 standard deviations

_RUNS = 10
_FOUND = 0.9
_POOL = 500  # frames that runs draw from; each takes 4 KB while a shift is tried
_SPREADLESS = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectable:
    """What is found on one signal.

    Attributes:
        signal: Its name.
        within: Numbers of independent frames.
        shift_sd: For each of them the smallest shift that is found, in standard deviations of the signal; None where
            even the largest that was tried is not, or where the signal never varies.
        shift: The same in the signal's own unit.
    """

    signal: str
    within: tuple[int, ...]
    shift_sd: tuple[float | None, ...]
    shift: tuple[float | None, ...]


def detectability(
    profile: Profile,
    values: NDArray[Any],
    predicted: NDArray[Any] | None,
    *,
    threshold: float,
    seed: int = 0,
    within: Sequence[int] = WITHIN,
    on_signal: Callable[[int, int], None] | None = None,
) -> tuple[Detectable, ...]:
    """The smallest shifts that are found, by signal; empty where frames alarm unshifted, so that nothing can be told.

    Args:
        profile: The reference.
        values: Signals (n, k) of frames that the profile was not measured on, or else of those that it was.
        predicted: Predicted class of each, (n,); None for a model without classes.
        threshold: Of the bank, ``edge_models.drift.budget.threshold``.
        seed: Which frames are drawn.
        within: Numbers of frames, rising.
        on_signal: Told how many signals are done, of how many.

    Raises:
        ValueError: No frame, or numbers of frames that do not rise.
    """
    if not len(values) or list(within) != sorted(set(within)) or min(within, default=0) < 1:
        raise ValueError(f"{len(values)} frames, within {list(within)}, expected frames, and numbers that rise from 1")
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(values))[:_POOL]
    trial = _Trial(
        bets=Bets(profile),
        threshold=threshold,
        values=np.asarray(values, np.float64)[chosen],
        predicted=None if predicted is None else np.asarray(predicted)[chosen],
        seed=seed,
    )
    if trial.is_found(0, 0.0, within[-1]):
        return ()
    found = []
    for j, name in enumerate(profile.signals):
        found.append(_signal(trial, j, name, float(profile.std[j]), tuple(within)))
        if on_signal is not None:
            on_signal(j + 1, len(profile.signals))
    return tuple(found)


def _signal(trial: _Trial, j: int, name: str, std: float, within: tuple[int, ...]) -> Detectable:
    shifts: list[float | None] = []
    size = len(SHIFTS_SD)
    if std > _SPREADLESS:
        most = size  # what is found within fewer frames is found within more
        for frames in within:
            most = _first(lambda step, frames=frames: trial.is_found(j, SHIFTS_SD[step] * std, frames), most)  # type: ignore[misc]
            shifts.append(SHIFTS_SD[most] if most < size else None)
    else:
        shifts = [None] * len(within)
    own = tuple(None if shift is None else shift * std for shift in shifts)
    return Detectable(signal=name, within=within, shift_sd=tuple(shifts), shift=own)


def _first(is_found: Callable[[int], bool], end: int) -> int:
    """The first step below ``end`` that is found, by halving; ``end`` if none is."""
    low, high = 0, end
    while low < high:
        middle = (low + high) // 2
        if is_found(middle):
            high = middle
        else:
            low = middle + 1
    return low


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Trial:
    """Frames to shift and the bank to find it."""

    bets: Bets
    threshold: float
    values: NDArray[np.float64]
    predicted: NDArray[Any] | None
    seed: int

    def is_found(self, j: int, shift: float, frames: int) -> bool:
        """Whether enough runs alarm within so many frames when signal j is shifted up, and when it is shifted down."""
        return all(self._share(j, way * shift, frames) >= _FOUND for way in (1, -1))

    def _share(self, j: int, shift: float, frames: int) -> float:
        values = self.values.copy()
        values[:, j] += shift
        bank = StreamBank(self.bets, self.threshold, _RUNS)
        factors = bank.factors(self.bets.batch(self.bets.columns.batch(values), self.predicted))
        drawn = np.random.default_rng(self.seed).integers(len(values), size=(frames, _RUNS))
        alarmed = np.zeros(_RUNS, bool)
        for rows in drawn:
            alarmed |= bank.update(factors[rows])
            if alarmed.mean() >= _FOUND:
                break
        return float(alarmed.mean())
