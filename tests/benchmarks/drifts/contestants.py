"""River's detectors and windowed tests as contestants: one row of signals at a time, and whether that was an alarm.

All take the same rows as our trigger. Parameters are those that the tools come with; where one is a probability of a
false alarm and there is a detector for each signal, it is divided among them (Bonferroni), which favours them.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN, KSWIN, PageHinkley
from scipy.stats import chisquare, ks_2samp

Rows = NDArray[np.float64]

ADWIN_DELTA = 0.002  # River's default
PSI_LIMIT, KS_LIMIT, DRIFT_SHARE = 0.1, 0.05, 0.5  # Evidently 0.7: stattest thresholds, and of DataDriftPreset
WINDOW = 200


class Contestant(Protocol):
    """Something that takes a stream and raises alarms."""

    def update(self, values: NDArray[np.float64], predicted: int) -> bool:
        """Take the signals (k,) and the class of one frame; whether there is an alarm."""

    def reset(self) -> None:
        """Begin again, as after an alarm."""

    def state_bytes(self) -> int:
        """What would have to be stored to go on after a restart."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """What contestants may know beforehand: signals (n, k) and classes (n,) of the profile part, and their names."""

    names: tuple[str, ...]
    values: Rows
    predicted: NDArray[np.int64]
    classes: int


Make = Callable[[Reference], Contestant]


class RiverBank:
    """A detector of River for each of some signals; any of them alarms for all."""

    def __init__(self, reference: Reference, make: Callable[[int], Any], only: tuple[str, ...] = ()) -> None:
        low, high = reference.values.min(axis=0), reference.values.max(axis=0)
        self._low, self._span = low, np.maximum(high - low, 1e-9)
        names = reference.names
        self._columns = [names.index(name) for name in only if name in names] if only else list(range(len(names)))
        self._make = make
        self.reset()

    def update(self, values: NDArray[np.float64], predicted: int) -> bool:
        """Take one frame."""
        scaled = ((values - self._low) / self._span).clip(0, 1).tolist()  # ADWIN's bound is for 0..1
        found = False
        for detector, column in zip(self._detectors, self._columns, strict=True):
            detector.update(scaled[column])
            found |= detector.drift_detected
        return found

    def reset(self) -> None:
        """Fresh detectors."""
        self._detectors: list[Any] = [self._make(len(self._columns)) for _ in self._columns]

    def state_bytes(self) -> int:
        """As pickled."""
        return len(pickle.dumps(self._detectors))


class Windowed:
    """A test of each full window against the reference; it drifts when half of the columns do."""

    def __init__(self, reference: Reference, differs: Callable[[Rows, Rows], NDArray[np.bool_]]) -> None:
        self._reference, self._differs = reference, differs
        self._counts = np.bincount(reference.predicted, minlength=reference.classes) + 0.5
        self.reset()

    def update(self, values: NDArray[np.float64], predicted: int) -> bool:
        """Take one frame."""
        self._rows.append(values)
        self._predicted.append(predicted)
        if len(self._rows) < WINDOW:
            return False
        rows, counts = np.stack(self._rows), np.bincount(self._predicted, minlength=len(self._counts))
        self.reset()
        differs = self._differs(self._reference.values, rows).sum() + self._classes_differ(counts)
        return bool(differs >= DRIFT_SHARE * (rows.shape[1] + 1))

    def _classes_differ(self, counts: NDArray[np.intp]) -> bool:
        if len(self._counts) < 2:
            return False
        return bool(chisquare(counts, self._counts / self._counts.sum() * counts.sum()).pvalue < KS_LIMIT)

    def reset(self) -> None:
        """An empty window."""
        self._rows: deque[NDArray[np.float64]] = deque()
        self._predicted: deque[int] = deque()

    def state_bytes(self) -> int:
        """A full window of float64."""
        return WINDOW * (len(self._reference.names) + 1) * 8


def kolmogorov_smirnov(reference: Rows, rows: Rows) -> NDArray[np.bool_]:
    """Evidently's ``ks``: two samples, p below .05, of each column."""
    chosen = reference[:1000]  # above a thousand rows Evidently changes to distances
    pairs = zip(chosen.T, rows.T, strict=True)
    return np.array([ks_2samp(expected, found, method="asymp").pvalue < KS_LIMIT for expected, found in pairs])


def population_stability(reference: Rows, rows: Rows) -> NDArray[np.bool_]:
    """Evidently's ``psi``: Sturges' bins of both together, empty ones as .0001, above .1, of each column."""
    found = []
    for expected, seen in zip(reference.T, rows.T, strict=True):
        edges = np.histogram_bin_edges(np.concatenate([expected, seen]), "sturges")
        p, q = (np.maximum(np.histogram(part, edges)[0] / len(part), 1e-4) for part in (expected, seen))
        found.append(float(((q - p) * np.log(q / p)).sum()) > PSI_LIMIT)
    return np.array(found)


def _adwin(delta: float) -> Any:
    return ADWIN(delta=delta)  # type: ignore[no-untyped-call]


def river_and_tests() -> Mapping[str, Make]:
    """Contestants that run in this environment, by name."""
    return {
        "River ADWIN for each signal": lambda reference: RiverBank(reference, lambda k: _adwin(ADWIN_DELTA / k)),
        "River PageHinkley for each signal": lambda reference: RiverBank(reference, lambda _k: PageHinkley()),
        "River KSWIN on confidence": lambda reference: RiverBank(
            reference, lambda _k: KSWIN(seed=0), ("confidence", "reconstruction_error")
        ),
        "KS, windows of 200": lambda reference: Windowed(reference, kolmogorov_smirnov),
        "PSI, windows of 200": lambda reference: Windowed(reference, population_stability),
    }
