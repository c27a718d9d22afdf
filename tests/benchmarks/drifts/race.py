"""The race: every contestant takes the same streams in turns, and what came of it, summed up by group of cases."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tests.benchmarks.drifts.cases import AFTER, Case, Stream
from tests.benchmarks.drifts.contestants import Contestant
from tests.benchmarks.harness import Row, Value

BUDGET_S = 12.0  # for each contestant and group of cases: the streams that it did not come to are left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a contestant made of one stream.

    Attributes:
        contestant: Its name.
        case: Name of the case.
        group: Of the case.
        delay: Frames from the change to the alarm, the frame of the alarm included; None for a miss.
        false: Alarms before the change.
        before: Frames before it.
        frames: That it took in all.
        cpu_s: Of them.
        blamed: What the alarm was put down to, most important first; empty for contestants that do not say.
        state_bytes: To go on after a restart.
    """

    contestant: str
    case: str
    group: str
    delay: int | None
    false: int
    before: int
    frames: int
    cpu_s: float
    blamed: tuple[str, ...] = ()
    state_bytes: int | None = None


def raced(
    cases: Sequence[Case],
    makers: Mapping[str, Callable[[Case], Contestant]],
    runs: int,
    seed: int,
    told: Callable[[int, int], None],
    *,
    budget_s: float = BUDGET_S,
) -> Iterator[Outcome]:
    """Every contestant over every stream, in turns.

    Args:
        cases: What happens.
        makers: Contestants by name.
        runs: Streams of each case.
        seed: Streams follow from it.
        told: How many cases are done, of how many.
        budget_s: Processor time of each contestant for a group of cases.
    """
    spent: dict[tuple[str, str], float] = {}
    makers = dict(makers)
    for done, (case, streams) in enumerate([(case, list(case.streams(runs, seed))) for case in cases]):
        for name, make in makers.items():
            key = name, case.group
            for stream in streams:
                if spent.get(key, 0.0) < budget_s:
                    outcome = played(name, make(case), stream)
                    spent[key] = spent.get(key, 0.0) + outcome.cpu_s
                    yield outcome
        told(done + 1, len(cases))


def played(name: str, contestant: Contestant, stream: Stream) -> Outcome:
    """One contestant over one stream, until its first alarm after the change."""
    pool, case = stream.pool, stream.case
    change = len(pool) if case.scenario == "none" else stream.change
    classes = pool.predicted.tolist()
    false, delay, position = 0, None, -1
    started = time.process_time()
    for position, (values, predicted) in enumerate(zip(pool.values, classes, strict=True)):
        if not contestant.update(values, predicted):
            continue
        if position >= change:
            delay = position - change + 1
            break
        false += 1
        contestant.reset()
    spent = time.process_time() - started
    blamed: tuple[str, ...] = getattr(contestant, "blamed", tuple)() if delay is not None else ()
    return Outcome(
        contestant=name,
        case=case.name,
        group=case.group,
        delay=delay,
        false=false,
        before=min(change, position + 1),
        frames=position + 1,
        cpu_s=spent,
        blamed=blamed,
        state_bytes=contestant.state_bytes(),
    )


def summed_up(outcomes: Iterable[Outcome]) -> list[Row]:
    """A line for each group and contestant, in the order in which they came."""
    parts: dict[tuple[str, str], list[Outcome]] = {}
    for outcome in outcomes:
        parts.setdefault((outcome.group, outcome.contestant), []).append(outcome)
    return [Row(name=f"{group}: {contestant}", values=_figures(part)) for (group, contestant), part in parts.items()]


def _figures(part: Sequence[Outcome]) -> dict[str, Value]:
    before = sum(one.before for one in part)
    is_null = all(one.delay is None and one.before == one.frames for one in part)
    frames = sum(one.frames for one in part)
    sizes = [one.state_bytes for one in part if one.state_bytes is not None]
    return {
        "streams": len(part),
        "detected": None if is_null else round(detection_rate(part), 4),
        "median delay": None if is_null else median_delay(part),
        "false per 10k": round(1e4 * sum(one.false for one in part) / before, 2) if before else None,
        "CPU us": round(1e6 * sum(one.cpu_s for one in part) / frames, 1),
        "state bytes": max(sizes, default=None),
    }


def detection_rate(part: Sequence[Outcome]) -> float:
    """Share of streams whose change was found."""
    return float(np.mean([one.delay is not None for one in part])) if part else float("nan")


def median_delay(part: Sequence[Outcome]) -> float:
    """Median over cases of the median over streams; a miss counts as the longest delay."""
    by_case: dict[str, list[int]] = {}
    for one in part:
        by_case.setdefault(one.case, []).append(AFTER if one.delay is None else one.delay)
    return float(np.median([np.median(delays) for delays in by_case.values()])) if by_case else float("nan")
