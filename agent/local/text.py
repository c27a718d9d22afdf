"""Answers of the agent as text for a person: what matters first, units in words, nothing that has no value."""

from __future__ import annotations

from collections.abc import Iterator

from agent.core.records import Decision
from agent.explain.record import story_of
from agent.explain.text import told
from agent.explain.wording import duration
from agent.local.messages import StatusReport, WhyReport
from edge_models.manifest import short
from edge_models.wire.results import remedy
from edge_models.wire.telemetry import State
from edge_models.wire.update import LastResult, ModelState, ModelVersion, UpdateError

STAGES = ("preprocess", "infer", "drift", "frame")
_WIDTH = 10
_DRIFT_REMEDIES = {
    "ok": "",
    "suspect": "Nothing yet: two verdicts decide whether it is confirmed.",
    "confirmed": "See what holds a request back; cmd/rebaseline accepts the present input, cmd/dismiss ends it.",
    "requested": "Offer a bundle that answers the request, or end it with cmd/dismiss.",
    "recovered": "",
}


def status_text(report: StatusReport) -> str:
    """How the agent is doing."""
    return "\n".join(f"{name:<{_WIDTH}}{words}" if name else words for name, words in _status(report) if words)


def why_text(report: WhyReport) -> str:
    """What was decided last, on updates and on drift, with evidence and remedy."""
    active = report.active
    runs = "none is installed" if active is None else f"{_named(active.as_version())}, {active.artifact}"
    return "\n".join([f"model: {runs}", "", *_update_story(report), "", *_drift_story(report)])


def _status(report: StatusReport) -> Iterator[tuple[str, str]]:
    state = report.state
    yield "", f"{report.id}  driftline-agent {report.agent}, pid {report.pid}, up {duration(state.up)}"
    yield "model", _model(report.update.installed, state)
    yield "frames", _frames(state)
    yield "stages", _stages(state)
    yield "source", state.source or "nothing heard of it yet"
    yield "drift", state.drift.value
    yield "update", _update(report)
    waits = "" if not state.outbox_messages else f", {state.outbox_messages} messages wait ({state.outbox_bytes} bytes)"
    dropped = f", {state.outbox_dropped} given up" if state.outbox_dropped else ""
    problem = f": {report.broker_problem}" if report.broker_problem and not report.connected else ""
    yield (
        "broker",
        f"{'connected to' if report.connected else 'NOT connected to'} {report.broker}{waits}{dropped}{problem}",
    )
    yield "machine", _machine(state)


def _model(installed: ModelVersion | None, state: State) -> str:
    if installed is None:
        return "none is installed"
    runs = ", ".join(part for part in (installed.artifact, state.runtime, state.executor) if part)
    note = f"; {state.executor_note}" if state.executor_note else ""
    return f"{_named(installed)}: {runs}{note}"


def _frames(state: State) -> str:
    times = "" if state.p50_us is None else f", p50 {_brief(state.p50_us)} p95 {_brief(state.p95_us or state.p50_us)}"
    held = f", {state.held} held" if state.held else ""
    restarts = f", {state.worker_restarts} worker restarts" if state.worker_restarts else ""
    return f"{state.n} answered, {state.rate_hz:.1f} in a second{times}, {state.errors} refused{held}{restarts}"


def _stages(state: State) -> str:
    """The median and the 95th percentile of each stage."""
    found = [
        f"{stage} {_brief(state.stages[f'{stage}_p50_us'])} / {_brief(state.stages[f'{stage}_p95_us'])}"
        for stage in STAGES
        if {f"{stage}_p50_us", f"{stage}_p95_us"} <= state.stages.keys()
    ]
    return f"{', '.join(found)} (p50 / p95)" if found else ""


def _update(report: StatusReport) -> str:
    model: ModelState = report.update
    parts = [model.phase.value]
    if model.target is not None and model.target != model.installed:
        parts.append(f"target {_named(model.target)}")
    if model.bytes is not None and model.total:
        parts.append(f"{model.bytes} of {model.total} bytes")
    if model.error is not None:
        parts.append(f"{model.error.code}: {model.error.message}")
    if model.held:
        left = "until hold --off" if report.hold_left_s is None else f"for {duration(report.hold_left_s)} more"
        parts.append(f"HELD {left}")
    elif report.next_look_s is not None:
        parts.append(f"next look at the channel in {duration(report.next_look_s)}")
    return ", ".join(parts)


def _machine(state: State) -> str:
    found = (
        (state.cpu_percent, "{:.0f} % of a core"),
        (state.memory_mb, "{:.1f} MB"),
        (state.cpu_temperature_c, "{:.1f} C"),
        (state.disk_free_mb, "{:.0f} MB free"),
        (state.disk_written_mb, "{:.1f} MB written"),
    )
    parts = [text.format(value) for value, text in found if value is not None]
    if state.throttled:
        parts.append("THROTTLED")
    parts.append("clock synchronised" if state.clock_synced else "clock NOT synchronised")
    return ", ".join(parts)


def _named(version: ModelVersion) -> str:
    return f"{version.version} ({short(version.bundle)})" if version.version else short(version.bundle)


def _brief(duration_us: float) -> str:
    return f"{duration_us:.0f} us" if duration_us < 1000 else f"{duration_us / 1000:.3g} ms"


def _update_story(report: WhyReport) -> Iterator[str]:
    record = report.update
    if record is None:
        yield "update: nothing was ever decided"
        return
    decision = record.decision
    yield f"update: {record.phase.value}" + ("" if decision is None else f", last decision on {_about(decision)}")
    if decision is not None:
        yield f"  {_verdict(decision)}"
        yield from (f"  {value:12.6g}  {name}" for name, value in sorted(decision.evidence.items()))
    error = report.error
    if error is not None and (decision is None or error.code != decision.code):
        yield f"  {error.code}: {error.message}"
    advice = _advice(error, decision)
    if advice:
        yield f"  what to do: {advice}"
    if record.last_result is not None:
        yield f"  the last update: {_ended(record.last_result)}"
    for earlier in reversed(record.decisions[:-1]):
        yield f"  before that: {_about(earlier)}: {_verdict(earlier)}"
    if record.crashes is not None and record.crashes.deaths:
        yield f"  the running model's process died {record.crashes.deaths} times in a row"
    if record.held:
        yield "  updates are held; driftline-agent hold --off lets them start"


def _verdict(decision: Decision) -> str:
    code = "" if decision.code in ("ok", decision.message) else f" ({decision.code})"
    return f"{decision.phase.value}: {decision.message or decision.code}{code}"


def _advice(error: UpdateError | None, decision: Decision | None) -> str:
    """What to do about what stands in the way now, or else about what was decided last."""
    if error is not None:
        return error.remedy or remedy(error.code)
    return "" if decision is None else remedy(decision.code)


def _ended(last: LastResult) -> str:
    outcome = last.outcome.value if last.result is None else last.result.value.replace("_", " ")
    return f"{short(last.bundle)} {outcome}, attempt {last.attempt}"


def _about(decision: Decision) -> str:
    return short(decision.bundle) + (f", {decision.ts}" if decision.ts else "")


def _drift_story(report: WhyReport) -> Iterator[str]:
    state = "ok" if report.drift is None else report.drift.value
    yield f"drift: {state}"
    if report.episode is None:
        yield "  no episode yet: no alarm was ever raised"
        return
    yield from (f"  {line}" if line else "" for line in told(story_of(report.episode, "")).splitlines())
    advice = _DRIFT_REMEDIES.get(state, "")
    if advice:
        yield f"  what to do: {advice}"
