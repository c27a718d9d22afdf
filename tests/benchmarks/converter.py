"""The converter on real data: shipped recipes and MLPerf Tiny's models, float beside int8, on both runtimes.

Needs the real data (`DRIFTLINE_DATA`). Trained nets are kept in `.driftline/benchmarks/converter`, by the digest of
their recipe: the first run trains, the next ones convert and measure anew. Remove that folder to train again.
Learning from few labels takes as long again and is a benchmark of its own, `few_labels`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from converter.progress import progress_shown
from tests.benchmarks.conversion.golden import Golden, on_every_runtime
from tests.benchmarks.conversion.place import open_place
from tests.benchmarks.conversion.published import Fidelity, anomaly_detection, resnet, visual_wake_words
from tests.benchmarks.conversion.published import wrapped_keywords as wrapped
from tests.benchmarks.conversion.result import Result
from tests.benchmarks.conversion.tasks import measured_tasks, speakers_left_out
from tests.benchmarks.harness import Report, Row, Target, Value

LARGE = 2000  # examples from which on half a point is more than chance
NEAR_DB = 1.0  # both are calibrated on other inputs, and on which of them varies it by as much
FIRST_S, AGAIN_S = 1800.0, 300.0
NOTES = (
    "drop: float32 minus int8 on the same examples, interval of a paired bootstrap; accuracy or AUC after `metric`",
    "us: median of one inference, one thread, int8 and float32 in turns, LiteRT with XNNPACK on this machine",
    "fsdd: a net for each speaker, which has not heard him; kws: takes of known speakers that it has not heard",
    "fidelity: int8 beside float32 without labels. vww: CIFAR pictures at 96 x 96; ad: spectra of a motor's vibration",
    "gates that a bundle misses are waived here, and counted; a user's build refuses the bundle",
)


def run() -> Report:
    """Train what is not there, convert and measure everything."""
    started = time.monotonic()
    with progress_shown("auto") as progress:
        place = open_place(progress)
        results = [*measured_tasks(place), *speakers_left_out(place), wrapped(place), *resnet(place)]
        fidelities = [*visual_wake_words(place), *anomaly_detection(place)]
    golden, notes = on_every_runtime([result.bundle for result in results if result.bundle is not None])
    seconds = time.monotonic() - started
    rows = [*(result.row for result in results), *(one.row for one in fidelities), *_golden_rows(golden)]
    targets = [*_quality(results), *_published(results, fidelities), *_golden_targets(golden)]
    budget_s = FIRST_S if any(result.is_trained for result in results) else AGAIN_S
    targets.append(Target(name="whole benchmark, seconds", value=seconds, op="<=", target=budget_s))
    missed = [f"{one.name} misses the gates {', '.join(one.waived)}" for one in results if one.waived]
    return Report(rows=rows, targets=targets, notes=(*NOTES, *missed, *notes))


def _quality(results: Sequence[Result]) -> Iterator[Target]:
    """What int8 may lose, and what the wrapped model has to reach."""
    drops = []
    for result in results:
        figures = result.figures
        if result.drop is None or result.name.startswith("resnet8, published"):
            continue
        if figures.metric == "auc":
            yield Target(name=f"{result.name}: AUC lost by int8", value=result.drop.value, op="<=", target=0.01)
        elif figures.n >= LARGE:
            drops.append(result.drop.value)
            yield Target(name=f"{result.name}: accuracy lost by int8", value=drops[-1], op="<=", target=0.005)
    mean = sum(drops) / len(drops) if drops else float("nan")
    yield Target(name=f"accuracy lost by int8, mean of {len(drops)} tasks", value=mean, op="<=", target=0.003)
    keywords = _named(results, "kws, published int8 wrapped").figures.overall.artifact.value
    yield Target(name="kws, published int8 wrapped: accuracy", value=keywords, op=">=", target=0.89)


def _published(results: Sequence[Result], fidelities: Sequence[Fidelity]) -> Iterator[Target]:
    """Our int8 of MLPerf's Keras models beside their own int8: no larger, no worse."""
    ours, theirs = (_named(results, f"resnet8, {whose}").figures for whose in ("converted by us", "published int8"))
    reached, wanted = ours.overall.artifact.value, theirs.overall.artifact.value
    yield Target(name="resnet8: accuracy of our int8 beside the published", value=reached, op=">=", target=wanted)
    sizes = [("resnet8", ours.size_bytes, theirs.size_bytes)]
    for published, made in zip(fidelities[::2], fidelities[1::2], strict=True):
        name = published.name.partition(",")[0]
        sizes.append((name, made.size_bytes, published.size_bytes))
        yield Target(
            name=f"{name}: SQNR of our int8 beside the published less 1 dB",
            value=made.sqnr_db,
            op=">=",
            target=published.sqnr_db - NEAR_DB,
        )
    for name, size, limit in sizes:
        yield Target(name=f"{name}: bytes of our int8 beside the published", value=size, op="<=", target=limit)


def _golden_rows(golden: Sequence[Golden]) -> Iterator[Row]:
    for runtime in sorted({one.runtime for one in golden}):
        for delegates in (False, True):
            some = [one for one in golden if one.runtime == runtime and one.delegates == delegates]
            if some:
                failed = [f"{one.bundle}: {one.reason}" for one in some if not one.ok]
                name = f"golden outputs, {runtime}, XNNPACK {'on' if delegates else 'off'}"
                worst = max(one.worst_lsb for one in some)
                values: dict[str, Value] = {"n": len(some), "worst step": worst, "failed": "; ".join(failed) or "none"}
                yield Row(name=name, values=values)


def _golden_targets(golden: Sequence[Golden]) -> Iterator[Target]:
    runtimes = {one.runtime for one in golden if one.ok}
    exact = [one.worst_lsb for one in golden if one.ok and not one.delegates]
    failed = sum(not one.ok for one in golden)
    yield Target(name="runtimes with golden outputs", value=len(runtimes), op=">=", target=2)
    yield Target(name="golden outputs that a runtime does not give", value=failed, op="==", target=0)
    yield Target(name="golden outputs without XNNPACK, worst step", value=max(exact, default=-1), op="==", target=0)


def _named(results: Sequence[Result], name: str) -> Result:
    return next(result for result in results if result.name == name)
