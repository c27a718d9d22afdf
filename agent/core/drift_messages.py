"""The messages that tell of drift, built from what policy and verdicts say. No decisions here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from agent import ipc
from agent.core.commands import Publish
from agent.core.records import ActiveRecord, Now
from agent.core.reports import Voice, clipped_effects
from agent.core.request_outputs import OpenRequest, StateChanged
from agent.core.request_policy import RequestPolicy
from agent.core.severity import measured
from edge_models.errors import FieldError
from edge_models.wire.codec import encode_message
from edge_models.wire.drift import MAX_ATTRIBUTED, DriftReport
from edge_models.wire.telemetry import DriftState, EventType, Severity
from edge_models.wire.update import MAX_EVIDENCE_CHARS, Evidence, ModelRequest
from edge_models.wire.values import Scalar

FEWER_EFFECTS = 12  # in a request that would be too long with all of them

_EVENTS = {
    DriftState.SUSPECT: (EventType.DRIFT_SUSPECTED, Severity.INFO),
    DriftState.CONFIRMED: (EventType.DRIFT_CONFIRMED, Severity.WARNING),
    DriftState.REQUESTED: (EventType.MODEL_REQUESTED, Severity.WARNING),
    DriftState.RECOVERED: (EventType.DRIFT_RECOVERED, Severity.INFO),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """What a drift costs, as estimated; all None where nobody knows."""

    accuracy: float | None = None
    low: float | None = None
    high: float | None = None
    loss: float | None = None
    loss_low: float | None = None
    loss_high: float | None = None


def impact_of(verdict: ipc.Verdict | None) -> Impact:
    """The estimate of a verdict; the loss is against the accuracy that the same method gives for the reference."""
    if verdict is None or verdict.accuracy is None:
        return Impact()
    low, high, reference = verdict.accuracy_low, verdict.accuracy_high, verdict.accuracy_reference
    return Impact(
        accuracy=_share(verdict.accuracy),
        low=None if low is None else _share(low),
        high=None if high is None else _share(high),
        loss=None if reference is None else _share(reference - verdict.accuracy),
        loss_low=None if reference is None or high is None else _share(reference - high),
        loss_high=None if reference is None or low is None else _share(reference - low),
    )


def drift_report(
    now: Now,
    voice: Voice,
    policy: RequestPolicy,
    verdict: ipc.Verdict | None,
    active: ActiveRecord | None,
    *,
    position: int | None,
) -> DriftReport:
    """The verdict on drift; ``position`` is the frame at which the state was entered."""
    record, known, impact = policy.record, policy.known, impact_of(verdict)
    report = DriftReport(
        ts=voice.ts(now),
        up=voice.up(now),
        state=policy.state,
        since=record.since,
        position=position,
        bundle=None if active is None else active.bundle,
        artifact=None if active is None else active.artifact,
        signal=None if record.signal is None else record.signal[:60],
        detector=None if record.detector is None else record.detector[:60],
        on_arrival=record.on_arrival,
        learning=record.learning,
        known=None if known is None else known.name,
        benign=known is not None and known.benign,
        waits_for=policy.waits_for,
        estimated_accuracy=impact.accuracy,
        estimated_accuracy_low=impact.low,
        estimated_accuracy_high=impact.high,
        estimated_impact=impact.loss,
        estimated_impact_low=impact.loss_low,
        estimated_impact_high=impact.loss_high,
        request=policy.request,
    )
    return report if verdict is None else _with_verdict(report, verdict)


def _with_verdict(report: DriftReport, verdict: ipc.Verdict) -> DriftReport:
    weighed, effects = measured(verdict), clipped_effects(verdict.effects)
    labelled = verdict.labelled_accuracy
    return replace(
        report,
        changed_at=verdict.changed_at,
        context=verdict.context[:40] or None,
        level=None if weighed is None else weighed.level,
        severity=None if weighed is None else _share(weighed.effect),
        signal=next(iter(effects), report.signal) if weighed is None else weighed.signal[:60],
        attribution=attributed(verdict.attribution),
        effects=effects,
        class_effect=None if verdict.class_effect is None else _share(verdict.class_effect),
        n=verdict.n,
        n_effective=verdict.n_effective,
        thin=verdict.thin,
        labelled=verdict.labelled,
        labelled_accuracy=None if labelled is None else _share(labelled),
        faults=dict(list(verdict.faults.items())[:16]),
        commissioned=verdict.commissioned,
    )


def changed_event(change: StateChanged, policy: RequestPolicy, voice: Voice, now: Now) -> Publish | None:
    """The event of a new state; None for the return to calm."""
    if change.state not in _EVENTS:
        return None
    kind, severity = _EVENTS[change.state]
    data: dict[str, Scalar] = {
        "position": change.position,
        "signal": change.signal,
        "detector": change.detector,
        "severity": None if change.severity is None else round(change.severity, 3),
    }
    known = policy.known if change.state is DriftState.CONFIRMED else None
    if known is not None:
        data["known"] = known.name
        severity = Severity.INFO if known.benign else severity
    if policy.waits_for is not None:
        data["waits_for"] = policy.waits_for
    return voice.event(now, kind, f"drift {change.state.value}", severity=severity, data=data)


def evidence_of(
    output: OpenRequest, policy: RequestPolicy, verdict: ipc.Verdict | None, window: ipc.Window | None
) -> Evidence | None:
    """What a request shows; the sketch is of all frames since the suspicion, or else of the last window."""
    if verdict is None:
        return None
    merged = 0 < len(verdict.evidence) <= MAX_EVIDENCE_CHARS
    single = "" if window is None or len(window.sketch) > MAX_EVIDENCE_CHARS else window.sketch
    impact, weighed, labelled = impact_of(verdict), measured(verdict), verdict.labelled_accuracy
    return Evidence(
        profile=verdict.profile,
        sketch=verdict.evidence if merged else single,
        n=verdict.evidence_n if merged else 0 if window is None else window.n,
        effects=dict(sorted(clipped_effects(verdict.effects).items())),  # as stored, so resent unchanged
        since=policy.record.suspected,
        severity=None if output.severity is None else _share(output.severity),
        level=None if weighed is None else weighed.level,
        context=verdict.context[:40] or None,
        attribution=dict(sorted(attributed(verdict.attribution).items())),
        n_effective=verdict.n_effective,
        estimated_accuracy=impact.accuracy,
        estimated_impact=impact.loss,
        estimated_impact_low=impact.loss_low,
        estimated_impact_high=impact.loss_high,
        labelled=verdict.labelled,
        labelled_accuracy=None if labelled is None else _share(labelled),
        on_arrival=policy.record.on_arrival,
    )


def fitting_request(request: ModelRequest) -> ModelRequest:
    """The request, or what of its evidence goes into a message."""
    if request.evidence is None:
        return request
    try:
        encode_message(request)
    except FieldError:
        fewer = dict(sorted(sorted(request.evidence.effects.items(), key=lambda item: -item[1])[:FEWER_EFFECTS]))
        return replace(request, evidence=replace(request.evidence, effects=fewer, attribution={}))
    return request


def attributed(attribution: Mapping[str, float]) -> dict[str, float]:
    """The largest shares, in three digits."""
    kept = sorted(attribution.items(), key=lambda item: -item[1])[:MAX_ATTRIBUTED]
    return {name: _share(value) for name, value in kept}


def _share(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 3)
