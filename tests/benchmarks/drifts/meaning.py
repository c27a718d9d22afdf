"""What a drift costs, who else has it, and what a few labels win back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.config import AdaptationConfig
from agent.worker.adaptation.opening import open_guard
from agent.worker.adaptation.port import Example
from deploy.fleet.deviation import DeviceSketch
from deploy.fleet.verdict import FleetKind, fleet_verdict
from edge_models.drift.effects import effects
from edge_models.drift.impact import calibrated_confidence, estimate, impact_features
from edge_models.profile import count_bins
from edge_models.sketch import Sketch
from tests.benchmarks.drifts.cases import Pool
from tests.benchmarks.drifts.images import Pictures
from tests.benchmarks.drifts.shifts import UNSEEN, Shift
from tests.benchmarks.drifts.watched import ARTIFACT
from tests.benchmarks.harness import Row, Target

WINDOW, WINDOWS = 300, 4
MIXES = (1.0, 0.6, 0.3)
MOST_COST = 40.0
LABELS, COSTLY = 200, 20.0
FLEET, COHORT, N_EFFECTIVE = 20, 5, 1000
REGIONS = ("north", "south", "east", "west")

Part = tuple[list[Row], list[Target]]


def estimates(known: Pictures) -> Part:
    """Estimated accuracy of windows of 300 frames of shifts that the converter never made up, beside the true one."""
    profile = known.watcher.profile
    if profile.impact is None:
        return [], [Target(name="accuracy estimate: the profile has no impact model", value=0, op="==", target=1)]
    rng = np.random.default_rng(51)
    errors, naive, covered = [], [], []
    for shift in UNSEEN:
        pool = known.shifted[shift.name]
        for mix in MIXES:
            truth = mix * pool.accuracy + (1 - mix) * known.null.accuracy
            if not 0 <= 100 * (known.null.accuracy - truth) <= MOST_COST:
                continue
            for _ in range(WINDOWS):
                window = _mixed(pool, known.null, round(mix * WINDOW), rng)
                accuracy, low, high, confidence = _estimated(known, window)
                errors.append(abs(accuracy - truth))
                naive.append(abs(confidence - truth))
                covered.append(low <= truth <= high)
    ours, theirs, share = (float(np.mean(values)) for values in (errors, naive, covered))
    row = Row(
        name="accuracy estimate, unseen families costing 0-40 points",
        values={"windows": len(errors), "MAE points": 100 * ours, "CBPE MAE points": 100 * theirs, "covered": share},
    )
    return [row], [
        Target(name="accuracy estimate: share of 90 % intervals that cover", value=share, op=">=", target=0.85),
        Target(name="accuracy estimate: MAE, points", value=100 * ours, op="<=", target=4.0),
        Target(name="accuracy estimate: MAE less that of CBPE, points", value=100 * (ours - theirs), op="<", target=0),
    ]


def _estimated(known: Pictures, window: Pool) -> tuple[float, float, float, float]:
    profile = known.watcher.profile
    assert profile.impact is not None
    k = len(profile.signals)
    ranks = profile.ranks(profile.columns(window.values))[:, :k]
    confidence = float(calibrated_confidence(window.logits, profile.temperature).mean())
    found = effects(profile.contexts, count_bins(profile.bins(window.values)), ranks.mean(axis=0))
    features = impact_features(
        profile.contexts, found.weights, ranks.mean(axis=0), np.abs(2 * ranks - 1).mean(axis=0), confidence
    )
    guess = estimate(profile.impact, features)
    return guess.accuracy, guess.low, guess.high, confidence


def _mixed(pool: Pool, null: Pool, shifted: int, rng: np.random.Generator) -> Pool:
    first = pool[rng.integers(0, len(pool), shifted)]
    rest = null[rng.integers(0, len(null), WINDOW - shifted)]
    return Pool(**{name: np.concatenate([getattr(first, name), getattr(rest, name)]) for name in Pool.__slots__})


def labels(known: Pictures, shifts: Sequence[Shift]) -> Part:
    """What 200 labels win back on the other frames of shifts that cost 20 points or more, and lose without drift."""
    costly = [shift for shift in shifts if known.cost(shift) >= COSTLY]
    won = {shift.name: _won(known, known.shifted[shift.name], seed) for seed, shift in enumerate(costly)}
    rng = np.random.default_rng(53)
    lost = [-_won(known, known.null[rng.permutation(len(known.null))[:6000]], 60 + seed) for seed in range(5)]
    rows = [
        Row(name=f"200 labels, {name}", values={"costs points": known.cost(shift), "won points": won[name]})
        for name, shift in ((shift.name, shift) for shift in costly)
    ]
    rows.append(Row(name="200 labels, no drift, mean of 5", values={"won points": -float(np.mean(lost))}))
    median = float(np.median(list(won.values())))
    return rows, [
        Target(name="200 labels: points won back, median of costly shifts", value=median, op=">=", target=15.0),
        Target(name="200 labels: points lost without drift", value=float(np.mean(lost)), op="<=", target=0.5),
    ]


def _won(known: Pictures, pool: Pool, seed: int) -> float:
    """Points that the guarded head is better than the artifact, after 200 labels, on the frames without."""
    config = AdaptationConfig(learner={"name": "head"})
    guard = open_guard(config, known.watcher.bundle.artifact(ARTIFACT))
    order = np.random.default_rng([52, seed]).permutation(len(pool))
    for row in order[:LABELS].tolist():
        guard.learn(_example(pool, row), int(pool.y[row]))
    rest = order[LABELS:]
    right = [int(guard.predict(_example(pool, row)).argmax()) == int(pool.y[row]) for row in rest.tolist()]
    return 100 * (float(np.mean(right)) - pool[rest].accuracy)


def _example(pool: Pool, row: int) -> Example:
    return Example(features=pool.features[row], logits=pool.logits[row].astype(np.float64))


def fleets(known: Pictures) -> Part:
    """Verdicts on simulated fleets of 20 devices: for every unseen shift, of nobody, one, a cohort and all of them."""
    found = list(_judged(known))
    right = [is_right for _, _, is_right in found]
    rows = [
        Row(
            name=f"fleet verdict, {kind}",
            values={
                "fleets": sum(one is kind for one, _, _ in found),
                "right": float(np.mean([ok for one, _, ok in found if one is kind])),
                "wrong on": "; ".join(name for one, name, ok in found if one is kind and not ok) or "none",
            },
        )
        for kind in FleetKind
    ]
    return rows, [Target(name="fleet verdicts that are right", value=float(np.mean(right)), op=">=", target=0.95)]


def _judged(known: Pictures) -> Iterator[tuple[FleetKind, str, bool]]:
    rng = np.random.default_rng(54)
    for shift in UNSEEN:
        for kind, drifted in (
            (FleetKind.NONE, range(0)),
            (FleetKind.DEVICE, range(3, 4)),
            (FleetKind.COHORT, range(0, FLEET, len(REGIONS))),
            (FleetKind.FLEET, range(FLEET)),
        ):
            devices = [
                _device(known, number, known.shifted[shift.name] if number in drifted else known.null, rng)
                for number in range(FLEET)
            ]
            verdict = fleet_verdict(devices)
            named = set(verdict.findings[0].devices) if verdict.findings else set()
            is_right = verdict.kind is kind and named == {f"device-{number:02}" for number in drifted}
            yield kind, shift.name, is_right


def _device(known: Pictures, number: int, pool: Pool, rng: np.random.Generator) -> DeviceSketch:
    rows: NDArray[np.intp] = rng.integers(0, len(pool), N_EFFECTIVE)
    sketch = Sketch.of(known.watcher.profile)
    sketch.add_batch(known.watcher.profile.bins(pool.values[rows]), pool.predicted[rows])
    return DeviceSketch(
        device=f"device-{number:02}",
        sketch=sketch,
        profile=known.watcher.profile,
        labels={"region": REGIONS[number % len(REGIONS)], "hardware": "pi4" if number < FLEET // 2 else "pi5"},
    )
