"""The events of an update, of the disk and of a model that is unwell, each with the evidence for it."""

from __future__ import annotations

from agent.core.commands import Publish
from agent.core.events import StorageFailed, WorkerDied
from agent.core.judgement import Judgement
from agent.core.records import ActiveRecord, Now, UpdateRecord
from agent.core.reports import Voice
from agent.core.update_table import State
from edge_models.manifest import BundleId, short
from edge_models.wire.results import remedy
from edge_models.wire.telemetry import EventType, Severity
from edge_models.wire.values import Scalar

OUTCOMES = {
    State.DOWNLOADING: (EventType.UPDATE_STARTED, Severity.INFO),
    State.COMMITTED: (EventType.UPDATE_COMMITTED, Severity.INFO),
    State.REJECTED: (EventType.UPDATE_REJECTED, Severity.WARNING),
    State.FAILED: (EventType.UPDATE_FAILED, Severity.WARNING),
    State.ROLLED_BACK: (EventType.ROLLED_BACK, Severity.WARNING),
}


def update_event(voice: Voice, now: Now, record: UpdateRecord) -> Publish:
    """Where an update stands that has begun or ended; one that ended says by which figures."""
    kind, severity = OUTCOMES[record.phase]
    bundle = None if record.target is None else record.target.bundle
    error = record.error
    message = f"{record.phase.value} {short(bundle or '')}" + (f": {error.message}" if error else "")
    data: dict[str, Scalar] = {
        "bundle": bundle,
        "attempt": record.attempt,
        "code": error.code if error else None,
        "rollout": record.target.rollout if record.target else None,
    }
    if record.phase is not State.DOWNLOADING:
        data |= _agreement(record, bundle)
        last, decision = record.last_result, record.decision
        data["result"] = last.result.value if last is not None and last.result is not None else None
        data["remedy"] = error.remedy if error else ""
        if decision is not None and decision.bundle == bundle:
            data |= decision.evidence
    return voice.event(now, kind, message, severity=severity, data=data)


def _agreement(record: UpdateRecord, bundle: BundleId | None) -> dict[str, Scalar]:
    """With the model before it, as the shadow run found; told of every update that had one, whatever it decided."""
    shares = [one.evidence.get("agreement") for one in record.decisions if one.bundle == bundle]
    known = [share for share in shares if share is not None]
    return {"agreement": known[-1]} if known else {}


def trouble_event(voice: Voice, now: Now, event: StorageFailed | WorkerDied) -> Publish:
    """The worker had to be replaced; or something could not be made durable, and what runs goes on running."""
    if isinstance(event, WorkerDied):
        return voice.event(now, EventType.WORKER_RESTARTED, event.reason, severity=Severity.WARNING)
    data: dict[str, Scalar] = {"code": "storage", "remedy": remedy("storage")}
    return voice.event(now, EventType.STORAGE_FAILED, event.message, severity=Severity.WARNING, data=data)


def unwell_event(voice: Voice, now: Now, active: ActiveRecord, judged: Judgement) -> Publish:
    """The active model is unwell, and there is no better one to put in its place."""
    data: dict[str, Scalar] = {"bundle": active.bundle, "code": judged.code, "remedy": remedy(judged.code)}
    data |= judged.evidence
    return voice.event(now, EventType.MODEL_UNHEALTHY, judged.message, severity=Severity.WARNING, data=data)
