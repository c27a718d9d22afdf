"""Cases of sound, vibration and weather: another speaker, an ageing sensor, another season."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from converter.datasets.windows import ExampleInputs
from converter.preparation import in_batches
from edge_models.profile import build_profile
from tests.benchmarks.drifts.cases import Case, Pool, joined
from tests.benchmarks.drifts.contestants import Reference
from tests.benchmarks.drifts.nets import STRANGER, Held, Nets
from tests.benchmarks.drifts.watched import Watcher

Floats = NDArray[np.float32]
Change = Callable[[Floats, np.random.Generator], Floats]
NOBODY: NDArray[np.str_] = np.zeros(0, np.str_)
MOST = 3000  # frames of a pool

SENSOR: Mapping[str, tuple[str, Change]] = {
    "gain falls to .7": ("std_0", lambda x, _: x * np.float32(0.7)),
    "offset of half a deviation": ("mean_0", lambda x, _: x + np.float32(0.5)),
    "noise of half a deviation": (
        "std_0",
        lambda x, rng: x + rng.normal(0, 0.5, x.shape).astype(np.float32),
    ),
    "clips at one deviation": ("std_0", lambda x, _: np.clip(x, -1, 1)),
}
"""What happens to standardised samples of the vibration, and the signals that say so."""


def other_cases(nets: Nets) -> Iterator[Case]:
    """Everything that is no picture; an artifact is closed when its cases are made."""
    for made, cases in (
        (nets.audio, _audio),
        (nets.sensor, _sensor),
        (nets.pump, _pump),
        (nets.weather, _weather),
    ):
        bundle, prepared, held = made()
        watcher = Watcher(bundle)
        try:
            known = _pool(watcher, Held(x=prepared.data.x, y=prepared.data.y, group=NOBODY), prepared.parts.profile)
            reference = Reference(
                names=watcher.names, values=known.values, predicted=known.predicted, classes=watcher.classes
            )
            yield from cases(watcher, held, reference, known)
        finally:
            watcher.close()


def _split_at_random(watcher: Watcher, known: Pool, null: Pool, group: str) -> Case:
    """Nothing changes; the reference is of the same takes, minutes or years: half of all frames, drawn at random."""
    everything = joined([known, null])
    order = np.random.default_rng(5).permutation(len(everything))
    half, other = everything[order[: len(order) // 2]], everything[order[len(order) // 2 :]]
    reference = Reference(names=watcher.names, values=half.values, predicted=half.predicted, classes=watcher.classes)
    profile = build_profile(watcher.names, half.values, half.predicted if watcher.classes else None, watcher.classes)
    case = _case(watcher, reference, other, None, group, "split at random")
    return replace(case, profile=profile)


def _pool(watcher: Watcher, held: Held, rows: NDArray[np.intp], change: Change | None = None) -> Pool:
    chosen = rows if len(rows) <= MOST else np.random.default_rng(3).choice(rows, MOST, replace=False)
    x = in_batches(ExampleInputs(watcher.bundle.manifest.input), held.x, chosen)
    if change is not None:
        x = change(x, np.random.default_rng(4))
    return watcher.inputs(x, held.y[chosen])


def _case(
    watcher: Watcher, reference: Reference, null: Pool, drifted: Pool | None, group: str, name: str, right: str = ""
) -> Case:
    return Case(
        name=name,
        group=group,
        scenario="none" if drifted is None else "sudden",
        profile=watcher.profile,
        reference=reference,
        null=null,
        drifted=null if drifted is None else drifted,
        right=frozenset({right} - {""}),
        costs=None if drifted is None else 100 * (null.accuracy - drifted.accuracy),
    )


def _audio(watcher: Watcher, held: Held, reference: Reference, known: Pool) -> Iterator[Case]:
    is_stranger = np.char.startswith(held.group, STRANGER)
    null = _pool(watcher, held, np.flatnonzero(~is_stranger))
    drifted = _pool(watcher, held, np.flatnonzero(is_stranger))
    yield _case(watcher, reference, null, drifted, "audio, another speaker (FSDD)", "another speaker")
    yield _case(watcher, reference, null, None, "audio, none, other takes", "the same speakers")
    yield _split_at_random(watcher, known, null, "audio, none, split at random")


def _sensor(watcher: Watcher, held: Held, reference: Reference, known: Pool) -> Iterator[Case]:
    everything = np.arange(len(held.y))
    null = _pool(watcher, held, everything)
    for name, (right, change) in SENSOR.items():
        drifted = _pool(watcher, held, everything, change)
        yield _case(watcher, reference, null, drifted, "sensor, ageing (CWRU)", name, right)
    yield _case(watcher, reference, null, None, "sensor, none, later minutes", "none")
    yield _split_at_random(watcher, known, null, "sensor, none, split at random")


def _pump(watcher: Watcher, held: Held, reference: Reference, _known: Pool) -> Iterator[Case]:
    """Each run as it was recorded: the healthy pump, then the valve that is being closed."""
    for run in np.unique(held.group):
        rows = np.flatnonzero(held.group == run)
        pool = _pool(watcher, held, rows)
        change = int(np.argmax(pool.y))
        if pool.y.any():
            parts = pool[slice(0, change)], pool[slice(change, None)]
            case = _case(watcher, reference, *parts, "sensor, a valve closes (SKAB)", f"run {run}")
            yield replace(case, ordered=True, costs=None)


def _weather(watcher: Watcher, held: Held, reference: Reference, known: Pool) -> Iterator[Case]:
    null = _pool(watcher, held, np.arange(len(held.y)))
    for season in np.unique(held.group):
        drifted = _pool(watcher, held, np.flatnonzero(held.group == season))
        name = f"only quarter {int(season) + 1} of the year"
        yield _case(watcher, reference, null, drifted, "tabular, one season (weather)", name)
    yield _case(watcher, reference, null, None, "tabular, none, later years", "none")
    yield _split_at_random(watcher, known, null, "tabular, none, split at random")
