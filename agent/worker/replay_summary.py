"""A replay for people: what came out and how long it took, then the drift as ``explain`` tells it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.core.severity import measured
from agent.explain.story import AlarmMark, Ask, Reading, Story, Traits
from agent.explain.text import told
from agent.explain.wording import named
from agent.worker.drift.port import Alarm
from agent.worker.replay_report import ReplayReport, VerdictAt, median


def summary(report: ReplayReport) -> str:
    """One fact a line."""
    return "\n".join(_lines(report))


def story_of(report: ReplayReport) -> Story:
    """The drift of a replay, as one episode from the first frame to the last."""
    rate_hz = report.rate_hz or 1.0
    times_s = {turn.frame: turn.at_s for turn in report.states}
    times_s |= {each.verdict.position: each.at_s for each in report.verdicts}

    def at_s(frame: int) -> float:
        return times_s.get(frame, frame / rate_hz)

    state = report.states[-1].state if report.states else "ok"
    asks = tuple(
        Ask(frame=each.frame, at_s=at_s(each.frame), id=each.id, reason=each.reason, signal=each.signal)
        for each in report.requests
    )
    return Story(
        title=f"{report.artifact} over {report.recording or 'recorded frames'}",
        source=report.recording,
        state=state,
        turns=tuple(report.states),
        readings=tuple(_reading(each) for each in report.verdicts),
        alarms=tuple(
            AlarmMark(frame=a.position, at_s=at_s(a.position), signal=a.signal, detector=a.detector)
            for a in report.alarms
        ),
        asks=asks,
        open_request=asks[-1].id if asks and state == "requested" else None,
        traits=_traits(report),
    )


def _reading(each: VerdictAt) -> Reading:
    verdict, weighed = each.verdict, measured(each.verdict)
    return Reading(
        frame=verdict.position,
        at_s=each.at_s,
        n_effective=verdict.n_effective,
        severity=each.severity,
        signal="" if weighed is None else weighed.signal,
        limit=None if weighed is None else weighed.limit,
        effects=verdict.effects,
        context=verdict.context,
        class_effect=verdict.class_effect,
        accuracy=verdict.accuracy,
        accuracy_low=verdict.accuracy_low,
        accuracy_high=verdict.accuracy_high,
        labelled_accuracy=verdict.labelled_accuracy,
        true_accuracy=each.accuracy,
    )


def _traits(report: ReplayReport) -> Traits:
    worst = report.worst
    asked_at = report.requests[0].frame if report.requests else None
    decided = [each.verdict for each in report.verdicts if each.verdict.position == asked_at]
    deciding = decided[0] if decided else None if worst is None else worst.verdict
    confirmed = any(turn.state in ("confirmed", "requested") for turn in report.states)
    weighed = None if worst is None or not confirmed else measured(worst.verdict)
    return Traits(
        level="" if weighed is None else weighed.level.value,
        changed_at=None if deciding is None else deciding.changed_at,
        effects={} if worst is None else worst.effects,
        signature={} if worst is None else worst.verdict.signature,
        attribution={} if deciding is None else deciding.attribution,
        on_arrival=report.on_arrival,
        waits_for=report.waits_for,
        is_commissioned=report.commissioned_at is not None or not report.verdicts,
        thin=report.thin,
        faults=report.faults,
        reference_accuracy=None if deciding is None else deciding.accuracy_reference,
    )


def _lines(report: ReplayReport) -> Iterator[str]:
    yield f"{len(report.predictions)} frames through {report.artifact} on {report.runtime}, {report.executor}"
    yield from _answers(report)
    yield f"alarms       {len(report.alarms)}" + (
        f", the first at frame {report.alarms[0].position}" if report.alarms else ""
    )
    for signal, alarms in _by_signal(report.alarms).items():
        yield f"             {named(signal)}: {len(alarms)} ({alarms[0].detector}), first at frame {alarms[0].position}"
    yield f"requests     {len(report.requests)}"
    for request in report.requests:
        yield f"             {request.id} at frame {request.frame}: {request.reason}, signal {request.signal}"
    yield from _watched(report)
    if report.ungated is not None:
        yield f"gating       {report.held} of {len(report.predictions)} frames held"
        yield from (f"             {line}" for line in _compared(report, report.ungated))
    yield "median us    " + ", ".join(f"{name} {median(times):.1f}" for name, times in report.stages().items())
    story = story_of(report)
    if story.turns or story.asks:
        yield ""
        yield told(story)


def _answers(report: ReplayReport) -> Iterator[str]:
    if report.accuracy is not None:
        yield f"accuracy     {report.accuracy:.4f} over {report.labelled} labelled frames"
    if report.mean_steps is not None:
        yield f"time steps   {report.mean_steps:.2f} a frame on average"
    if report.note:
        yield f"slower than it could be: {report.note}"
    if report.unadapted_accuracy is not None:
        yield f"un-adapted   {report.unadapted_accuracy:.4f} without what was learnt"
        for change in report.changes:
            yield f"             {change.why.replace('_', ' ')} after {change.labels} labels: revision {change.rev}"
    for reason, count in report.refused.items():
        yield f"refused      {count}: {reason}"


def _watched(report: ReplayReport) -> Iterator[str]:
    yield (
        f"watching     {len(report.verdicts)} verdicts, one of {report.thin} frames independent; at {report.rate_hz:g} "
        f"frames a second at most {report.false_alarms_per_month:g} false alarms a month on average"
    )
    if report.fed_back:
        yield f"feedback     {report.fed_back} labels"
    if report.verdicts and report.commissioned_at is None:
        yield "             commissioning did not end: requests were held (--commissioning-hours 0 ends it at once)"


def _compared(on: ReplayReport, off: ReplayReport) -> Iterator[str]:
    """What gating changes, one figure a line."""
    times = off.cpu_s_per_hour / on.cpu_s_per_hour if on.cpu_s_per_hour else 1.0
    yield f"CPU seconds an hour  {on.cpu_s_per_hour:.2f}, without {off.cpu_s_per_hour:.2f} ({times:.1f} times)"
    if on.accuracy is not None and off.accuracy is not None:
        yield f"accuracy             {on.accuracy:.4f}, without {off.accuracy:.4f}"
    yield f"alarms, requests     {len(on.alarms)}, {len(on.requests)}, without {len(off.alarms)}, {len(off.requests)}"


def _by_signal(alarms: Sequence[Alarm]) -> dict[str, list[Alarm]]:
    grouped: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        grouped.setdefault(alarm.signal, []).append(alarm)
    return grouped
