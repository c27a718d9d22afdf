"""How far production is from the reference, what that may cost, and since when: a verdict on independent frames.

A trigger says that there is a difference; a verdict says how large it is. Verdicts do not overlap, and one begins anew
after an alarm, so that a verdict is wholly of after it. Effects are distances from the best mixture of the contexts:
half a day of light and half a night are no drift. Classes are counted over more frames than one verdict has, for shares
are known well only then; once the newest are like the reference's again, those before them are forgotten, so that a
drift that has gone is not measured on. An alarm does not end the counting, for a lasting drift alarms again and again.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agent.ipc import Verdict
from agent.worker.drift.e_detectors import reference_error
from edge_models.drift.effects import class_effect, effects, mixed
from edge_models.drift.impact import estimate, impact_features
from edge_models.profile import Context, Profile, ranks_of
from edge_models.profile.columns import standardised
from edge_models.sketch import Sketch

CLASS_FRAMES = 1000
RECENT_FRAMES = 200
WORTH = 0.1  # no smaller difference ever counts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One independent frame.

    Attributes:
        position: Of the frame in its source.
        values: Its signals (k,); None for a refused one.
        predicted: Its class.
        calibrated: Its calibrated confidence.
        health: Whether it was refused, and whether a signal is out of range.
    """

    position: int
    values: NDArray[np.floating] | None
    predicted: int | None
    calibrated: float | None
    health: tuple[bool, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What others know when a verdict closes; attributes as in ``agent.ipc.Verdict``."""

    thin: int
    commissioned: bool
    is_learning: bool
    attribution: Mapping[str, float]
    changed_at: int | None
    faults: Mapping[str, int]
    labelled: int
    labelled_accuracy: float | None


class ClassCounts:
    """Predicted classes of the last independent frames, as long as these are of one condition.

    Args:
        classes: How many the model knows.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._seen: deque[int] = deque(maxlen=CLASS_FRAMES)

    @property
    def n(self) -> int:
        """How many frames there are."""
        return len(self._seen)

    def extend(self, predicted: Iterable[int]) -> None:
        """Take the classes of the next frames."""
        self._seen.extend(predicted)

    def clear(self) -> None:
        """Begin anew."""
        self._seen.clear()

    def effect(self, contexts: Sequence[Context], weights: NDArray[np.float64]) -> float | None:
        """Total variation from the contexts' classes; None without any.

        The older frames go when all together differ, but the newest ones by no more than luck makes them on average, or
        by less than half as much. The mean of a class's |share - p| is sqrt(2 p (1 - p) / (pi n)).
        """
        if not self._seen or not self._classes:
            return None
        seen = np.array(self._seen, np.int64)
        found, newest = (class_effect(contexts, weights, self._counts(part)) for part in (seen, seen[-RECENT_FRAMES:]))
        p = mixed(weights, [context.class_prior for context in contexts])
        luck = float(np.sqrt(np.clip(p * (1 - p), 0, None)).sum()) / math.sqrt(2 * math.pi * RECENT_FRAMES)
        if len(seen) <= RECENT_FRAMES or found < WORTH or newest > max(luck, found / 2):
            return found
        for _ in range(len(seen) - RECENT_FRAMES):
            self._seen.popleft()
        return newest

    def _counts(self, seen: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(seen, minlength=self._classes)


class VerdictCounter:
    """Gathers independent frames until there are enough for a verdict.

    Args:
        profile: The reference.
        size: Independent frames in a verdict, refused ones included.
    """

    def __init__(self, profile: Profile, *, size: int) -> None:
        self._profile = profile
        self._size = size
        error = reference_error(profile)
        self._accuracy = None if error is None else 1.0 - error
        if profile.impact is not None:
            self._accuracy = profile.impact.reference_accuracy
        self._evidence: Sketch | None = None
        self._classes = ClassCounts(profile.class_prior.size)
        self._start: int | None = None
        self._position = self._n = self._slots = 0
        self._values: list[NDArray[np.float64]] = []
        self._predicted: list[int] = []
        self._calibrated: list[float] = []

    def count(self, position: int) -> None:
        """A frame came, independent or not."""
        self._start = position if self._start is None else self._start
        self._position = position
        self._n += 1

    def add(self, sample: Sample) -> bool:
        """Take an independent frame; whether the verdict is full."""
        self._slots += 1
        if sample.values is not None:
            self._values.append(np.array(sample.values, np.float64))
            if sample.predicted is not None:
                self._predicted.append(sample.predicted)
            if sample.calibrated is not None:
                self._calibrated.append(sample.calibrated)
        return self._slots >= self._size

    def restart(self) -> None:
        """Begin anew, as after an alarm."""
        self._start = None
        self._position = self._n = self._slots = 0
        self._values, self._predicted, self._calibrated = [], [], []

    def forget(self) -> None:
        """Begin anew, classes included: a new normal starts."""
        self._classes.clear()
        self.restart()

    def collect_evidence(self, *, on: bool) -> None:
        """Start merging verdicts into an evidence sketch from nothing, or stop."""
        self._evidence = Sketch.of(self._profile) if on else None

    def close(self, contexts: Sequence[Context], findings: Findings) -> Verdict:
        """The verdict, after which the next one begins."""
        profile = self._profile
        sketch = Sketch.of(profile)
        self._classes.extend(self._predicted)
        if self._values:
            predicted = np.array(self._predicted, np.int64) if self._predicted else None
            sketch.add_batch(profile.bins(np.stack(self._values)), predicted)
        if self._evidence is not None:
            self._evidence = self._evidence.merge(sketch)
        verdict = Verdict(
            start=self._start or 0,
            position=self._position,
            n=self._n,
            n_effective=sketch.n,
            thin=findings.thin,
            profile=profile.id,
            effects={},
            attribution=dict(findings.attribution),
            labelled=findings.labelled,
            labelled_accuracy=findings.labelled_accuracy,
            accuracy_reference=self._accuracy,
            changed_at=findings.changed_at,
            is_learning=findings.is_learning,
            commissioned=findings.commissioned,
            faults=dict(findings.faults),
            evidence="" if self._evidence is None else self._evidence.encode(),
            evidence_n=0 if self._evidence is None else self._evidence.n,
        )
        verdict = self._measured(verdict, sketch, contexts)
        self.restart()
        return verdict

    def _measured(self, verdict: Verdict, sketch: Sketch, contexts: Sequence[Context]) -> Verdict:
        """The verdict with what the frames in the sketch show; unchanged without any."""
        profile = self._profile
        if not self._values:
            return verdict
        k = len(profile.signals)
        values = np.stack(self._values)
        ranks = ranks_of(standardised(values, profile.mean, profile.std), profile.column_edges[:k])
        ranks = ranks[np.isfinite(values).all(axis=1)] if len(ranks) else ranks
        u_mean = ranks.mean(axis=0) if len(ranks) else np.full(k, 0.5)
        found = effects(contexts, sketch.counts, u_mean)
        classes = self._classes.effect(contexts, found.weights)
        measured = replace(
            verdict,
            context=contexts[found.context].name,
            effects=_named(profile.signals, found.distance),
            signature=_named(profile.signals, found.signature),
            class_effect=classes,
            class_n=0 if classes is None else self._classes.n,
            class_count=profile.class_prior.size,
        )
        if profile.impact is None or not self._calibrated or not len(ranks):
            return measured
        v_mean = np.abs(2 * ranks - 1).mean(axis=0)
        confidence = float(np.mean(self._calibrated))
        guess = estimate(profile.impact, impact_features(contexts, found.weights, u_mean, v_mean, confidence))
        return replace(
            measured,
            accuracy=guess.accuracy,
            accuracy_low=guess.low,
            accuracy_high=guess.high,
        )


def _named(signals: Sequence[str], values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(signals, values.tolist(), strict=True))
