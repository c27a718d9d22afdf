"""Labels that change their meaning: the SEA stream of river.datasets, a frozen classifier, and who sees its errors."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from river import drift, naive_bayes
from river.datasets import synth

from edge_models.drift import SHARES, ErrorRate, threshold
from tests.benchmarks.drifts.race import Outcome

GROUP = "labels, SEA of river.datasets"
LEARNT, BEFORE, AFTER, SEEDS = 2000, 5000, 5000, 5
CONCEPTS = ((0, 1), (1, 2), (2, 3))  # of SEA, before and after
RATE_HZ = 1.0

Update = Callable[[bool], bool]


def labelled() -> Iterator[Outcome]:
    """Every detector of errors over every stream."""
    for (first, second), seed in itertools.product(CONCEPTS, range(SEEDS)):
        reference, errors = _errors(first, second, seed)
        for name, make in _detectors(reference).items():
            yield _played(name, f"concept {first} to {second}", make, errors)


def _errors(first: int, second: int, seed: int) -> tuple[float, list[bool]]:
    """Share of errors on data like those learnt from, and whether each answer of the stream was wrong."""
    model: Any = naive_bayes.GaussianNB()  # type: ignore[no-untyped-call]
    known = list(synth.SEA(variant=first, seed=seed).take(2 * LEARNT + BEFORE))
    for x, y in known[:LEARNT]:
        model.learn_one(x, y)
    stream = [*known[LEARNT:], *synth.SEA(variant=second, seed=seed + 100).take(AFTER)]
    wrong = [model.predict_one(x) != y for x, y in stream]
    return float(np.mean(wrong[:LEARNT])), wrong[LEARNT:]


def _detectors(reference: float) -> dict[str, Callable[[], Update]]:
    limit = threshold(RATE_HZ, 1, 1.0, SHARES["error_rate"])

    def river(make: Callable[[], Any]) -> Callable[[], Update]:
        def fresh() -> Update:
            detector = make()

            def update(is_wrong: bool) -> bool:
                detector.update(is_wrong)
                return bool(detector.drift_detected)

            return update

        return fresh

    return {
        "ours": lambda: ErrorRate(reference, limit).update,
        "River ADWIN": river(drift.ADWIN),
        "River DDM": river(drift.binary.DDM),
        "River EDDM": river(drift.binary.EDDM),
        "River HDDM_A": river(drift.binary.HDDMA),
    }


def _played(name: str, case: str, make: Callable[[], Update], errors: list[bool]) -> Outcome:
    update, false, delay, position = make(), 0, None, -1
    started = time.process_time()
    for position, is_wrong in enumerate(errors):
        if not update(is_wrong):
            continue
        if position >= BEFORE:
            delay = position - BEFORE + 1
            break
        false += 1
        update = make()
    return Outcome(
        contestant=name,
        case=case,
        group=GROUP,
        delay=delay,
        false=false,
        before=BEFORE,
        frames=position + 1,
        cpu_s=time.process_time() - started,
    )
