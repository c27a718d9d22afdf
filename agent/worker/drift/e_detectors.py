"""The e-detectors of ``drift.detectors`` on one profile: what they watch, and their shares of the budget.

    e_bank        bets on all columns, classes and faults of independent frames (``edge_models.drift.bank``)
    class_prior   the shares of predicted classes, all at once (``edge_models.drift.class_prior``)
    error_rate    errors that labels show (``edge_models.drift.error_rate``)

Each alarms at A / share, so all of them together raise the alarms that the configuration allows, on average at most.
They are the same with and without River; ``agent.worker.drift.river_detectors`` has them as detectors of River.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.worker.errors import DetectorError
from edge_models.drift import Bets, ClassPrior, EBank, ErrorRate
from edge_models.drift.budget import SHARES, threshold
from edge_models.errors import DriftStateError
from edge_models.profile import Context, Profile

log = logging.getLogger(__name__)

E_BANK, CLASS_PRIOR, ERROR_RATE = "e_bank", "class_prior", "error_rate"
ERROR_SIGNAL = "error"
CLASS_SIGNAL = "class"
RANKED = 8
_LIGHTEST = 1e-6
_SAME_RATE = 0.05  # a threshold that is off by so little is left alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """An e-detector alarms.

    Attributes:
        detector: Its name.
        ranked: Signals and classes that drove it, with shares of 1, largest first.
    """

    detector: str
    ranked: tuple[tuple[str, float], ...]


def shares_of(items: Sequence[Mapping[str, object]]) -> dict[str, float]:
    """Share of the budget of each e-detector that a configuration names; others are left out.

    Raises:
        DetectorError: A parameter that there is not, or shares that are no shares.
    """
    shares: dict[str, float] = {}
    for item in items:
        name = str(item.get("name"))
        if name not in SHARES:
            continue
        unknown = sorted(set(item) - {"name", "share"})
        share = item.get("share", SHARES[name])
        if unknown or isinstance(share, bool) or not isinstance(share, (int, float)) or not _LIGHTEST <= share <= 1:
            found = f"parameters {', '.join(unknown)}" if unknown else f"share {share!r}"
            raise DetectorError(f"drift detector {name}: found {found}, expected at most a share above 0 and up to 1")
        shares[name] = float(share)
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def reference_error(profile: Profile) -> float | None:
    """Share of wrong answers on the reference; None where the profile does not know."""
    if profile.confusion is not None:
        right = np.diagonal(profile.confusion.dense()).astype(np.float64)
        seen = profile.confusion.share.sum(axis=1) > 0
        if seen.any():
            return float(1.0 - right[seen].mean())
    return None if profile.impact is None else float(1.0 - profile.impact.reference_accuracy)


class EDetectors:
    """Watches against one reference.

    Args:
        shares: Of the budget, by detector, as ``shares_of`` gives them.
        profile: The reference.
        contexts: All conditions that are all right.
        dead_band: Shift in standard deviations that does not count.
        false_alarms_per_month: The budget.
    """

    def __init__(
        self,
        shares: Mapping[str, float],
        profile: Profile,
        contexts: Sequence[Context],
        *,
        dead_band: float,
        false_alarms_per_month: float,
    ) -> None:
        self._shares = shares
        self._contexts = tuple(contexts)
        self._per_month = false_alarms_per_month
        self._bets = Bets(profile, contexts, dead_band)
        self._k = len(profile.signals)
        self._effective_hz = 1.0
        error, has_classes = reference_error(profile), profile.class_prior.size > 1 and profile.class_prior.any()
        self._bank = EBank(self._bets, self._limit(E_BANK, 1.0)) if E_BANK in shares else None
        self._classes: ClassPrior | None = None
        if CLASS_PRIOR in shares and has_classes:
            self._classes = ClassPrior.of(self._contexts, self._limit(CLASS_PRIOR, 1.0))
        self._errors: ErrorRate | None = None
        if ERROR_RATE in shares and error is not None:
            self._errors = ErrorRate(error, self._limit(ERROR_RATE, 1.0))

    def set_budget(self, rate_hz: float, thin: int) -> None:
        """Move the thresholds to another rate of frames; what was gathered stays."""
        if abs(math.log(rate_hz / thin / self._effective_hz)) < _SAME_RATE:
            return
        self._effective_hz = rate_hz / thin
        for name, each in self._all().items():
            each.set_threshold(self._limit(name, rate_hz if name == ERROR_RATE else self._effective_hz))

    def _limit(self, name: str, rate_hz: float) -> float:
        return threshold(rate_hz, 1, self._per_month, self._shares[name])

    def update(
        self, values: NDArray[np.floating] | None, predicted: int | None, health: tuple[bool, bool]
    ) -> tuple[list[Evidence], NDArray[np.float32] | None]:
        """Take one independent frame; what alarms, and the ranks (k,) of its signals.

        Args:
            values: Its signals (k,); None for a refused one.
            predicted: Its class.
            health: Whether it was refused, and whether a signal is out of range.
        """
        columns = None if values is None else self._bets.columns.of(values)
        g = self._bets.of(columns, predicted, health)
        found: list[Evidence] = []
        if self._bank is not None and self._bank.update(g):
            found.append(Evidence(detector=E_BANK, ranked=tuple(self._bank.ranked(RANKED))))
        if self._classes is not None and predicted is not None and self._classes.update(predicted):
            found.append(Evidence(detector=CLASS_PRIOR, ranked=tuple(self._classes.ranked(RANKED))))
        return found, None if columns is None else g[: self._k]

    def on_label(self, *, is_wrong: bool) -> list[Evidence]:
        """Take one labelled answer."""
        if self._errors is None or not self._errors.update(is_wrong):
            return []
        return [Evidence(detector=ERROR_RATE, ranked=((ERROR_SIGNAL, 1.0),))]

    def ranks(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """Ranks (n, J) of all columns of n frames (n, k)."""
        columns = self._bets.columns
        return columns.ranks(columns.batch(values))

    def reset(self) -> None:
        """Forget the stream."""
        for each in self._all().values():
            each.reset()

    def save(self) -> dict[str, bytes]:
        """State by name."""
        return {name: each.save() for name, each in self._all().items()}

    def restore(self, states: Mapping[str, bytes]) -> None:
        """Go on from ``save``; a state that does not fit is left out, for that detector begins anew."""
        for name, each in self._all().items():
            if name in states:
                try:
                    each.restore(states[name])
                except DriftStateError as exc:
                    log.warning("detector begins anew detector=%s reason=%s", name, exc)

    def _all(self) -> dict[str, EBank | ClassPrior | ErrorRate]:
        all_of_them = {E_BANK: self._bank, CLASS_PRIOR: self._classes, ERROR_RATE: self._errors}
        return {name: each for name, each in all_of_them.items() if each is not None}
