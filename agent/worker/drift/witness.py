"""When a signal changed, and whether it came back: one River detector for each signal, on independent frames.

The trigger says that production differs from the reference; it does not say since when. ADWIN (Bifet and Gavalda 2007)
says that a stream differs from its own past; when it does, the change lies where two means describe the last frames
best (least squares; ADWIN's own window still holds much of the past at that time). It never triggers: a stream may
change and be as the reference all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.worker.drift.loader import ChangeDetector, canonical_name, detector, is_installed
from agent.worker.drift.per_signal import shared_budget
from edge_models.profile import Profile

log = logging.getLogger(__name__)

REMEMBERED_FRAMES = 512  # in which a change is looked for; what ADWIN takes longer to see is as old as the oldest
_BACK_SHARE = 0.5


class Witness:
    """Watches the rank of each signal.

    Args:
        signals: Their names.
        normal: Mean rank of each in the reference.
        item: Name and parameters of the detector, as in ``drift.witness``.

    Raises:
        DetectorError: River does not have the detector, or refuses the parameters.
    """

    def __init__(self, signals: Sequence[str], normal: Sequence[float], item: Mapping[str, object]) -> None:
        self._name = str(item.get("name"))
        given: dict[str, Any] = {key: value for key, value in item.items() if key != "name"}
        self._parameters = shared_budget(canonical_name(self._name), given, len(signals))
        self._signals = tuple(signals)
        self._normal = tuple(normal)
        self.reset()

    @property
    def changed_at(self) -> int | None:
        """Frame of the first change of those signals that have not come back; None when all are as they began."""
        return min(self._changed.values(), default=None)

    def update(self, ranks: NDArray[np.floating], position: int) -> None:
        """Take the ranks 0..1 (k,) of an independent frame, in the order of the signals."""
        place = self._n % REMEMBERED_FRAMES
        self._ranks[place] = ranks
        self._positions[place] = position
        self._n += 1
        for index, (river, rank) in enumerate(zip(self._detectors, ranks.tolist(), strict=True)):
            river.update(rank)
            if river.drift_detected:
                self._judge(index)

    def reset(self) -> None:
        """Begin again with fresh detectors."""
        self._detectors: list[ChangeDetector] = [detector(self._name, **self._parameters) for _ in self._signals]
        self._changed: dict[str, int] = {}
        self._known = [0] * len(self._signals)  # index of the first frame after the last change
        self._n = 0
        self._ranks = np.zeros((REMEMBERED_FRAMES, len(self._signals)), np.float16)
        self._positions = np.zeros(REMEMBERED_FRAMES, np.int64)

    def _judge(self, index: int) -> None:
        """The signal changed since its last change; a change most of the way back to the reference ends that one."""
        first = max(0, self._n - REMEMBERED_FRAMES, self._known[index])
        order = np.arange(first, self._n) % REMEMBERED_FRAMES
        if len(order) < 2:
            return
        cut, before, after = _cut(self._ranks[order, index].astype(np.float64))
        signal, normal = self._signals[index], self._normal[index]
        if signal not in self._changed:
            self._changed[signal] = int(self._positions[order[cut]])
        elif abs(after - normal) < _BACK_SHARE * abs(before - normal):
            del self._changed[signal]
        else:
            return  # the detector lets go of more of what it had before
        self._known[index] = first + cut


def open_witness(profile: Profile, item: Mapping[str, object] | None) -> Witness | None:
    """The witness of ``drift.witness``; None where there is no River: the trigger goes on, and nobody knows since when.

    Raises:
        DetectorError: As for the constructor.
    """
    if item is None:
        return None
    if not is_installed():
        log.warning("River cannot be loaded: the trigger goes on, but nothing tells since when a signal has changed")
        return None
    means = np.stack([context.u_mean for context in profile.contexts])[:, : len(profile.signals)]
    weights = np.array([context.n for context in profile.contexts], np.float64)
    return Witness(profile.signals, np.average(means, axis=0, weights=weights).tolist(), item)


def _cut(values: NDArray[np.float64]) -> tuple[int, float, float]:
    """First index after the change, and the means before and after it, that explain values (n,) best.

    >>> _cut(np.array([0.0, 0.0, 0.0, 1.0, 1.0]))
    (3, 0.0, 1.0)
    """
    n = len(values)
    sums = np.cumsum(values)
    left = np.arange(1, n)
    before, after = sums[:-1] / left, (sums[-1] - sums[:-1]) / (n - left)
    best = int((left * (n - left) * (after - before) ** 2).argmax())
    return best + 1, float(before[best]), float(after[best])
