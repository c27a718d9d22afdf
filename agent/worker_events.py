"""The active worker's messages as events of the core."""

from __future__ import annotations

from agent import ipc
from agent.core import events as ev
from edge_models.manifest import BundleId

_NOT_THE_MODEL = ("source", "config")


def event_of(message: ipc.Message, body: bytes, bundle: str) -> ev.Event | None:
    """The event of a message; None for one that only the slot cares about."""
    event: ev.Event | None = None
    match message:
        case ipc.Ready():
            event = ev.WorkerReady(bundle=bundle)
        case ipc.Heartbeat(seq=seq, held=held, health=health, rss_kb=rss_kb):
            event = ev.WorkerRan(bundle=bundle, frames=seq - held, health=health, rss_kb=rss_kb)
        case ipc.Alarm() | ipc.Window() | ipc.Verdict():
            event = _observation(message)
        case ipc.PredictionOut():
            event = ev.WorkerPrediction(bundle=BundleId(bundle), prediction=message)
        case ipc.SampleOut():
            event = ev.WorkerSample(sample=message, body=body)
        case ipc.Adapted() | ipc.DriftSaved():
            event = _knowledge(message, body, BundleId(bundle))
        case ipc.SourceEnded(position=position):
            event = ev.SourceEnded(position=position)
        case ipc.SourceDown(failures=failures) if _is_news(failures):
            event = ev.SourceDown(down=message)
        case ipc.SourceUp():
            event = ev.SourceUp(up=message)
        case _:
            pass
    return event


def _is_news(failures: int) -> bool:
    """The first failure in a row, the second, the fourth ...: a camera gone for months is told in a few words."""
    return failures & (failures - 1) == 0


def names_its_bundle(event: ev.Event) -> bool:
    """Whether the core knows whose it is; what a worker saw is taken for the active bundle's."""
    named = (ev.WorkerReady, ev.WorkerRan, ev.WorkerAdapted, ev.WorkerDriftSaved, ev.WorkerPrediction)
    return isinstance(event, named)


def death_of(bundle: str, reason: str, failed: ipc.Failed | None, *, has_run: bool = True) -> ev.WorkerDied:
    """A worker's end as an event.

    Args:
        bundle: What it ran.
        reason: One sentence.
        failed: Its last word, if it had one.
        has_run: Whether there was a process at all; none says nothing about its model.
    """
    code = None if failed is None else failed.code
    return ev.WorkerDied(
        bundle=bundle,
        reason=reason[:300],
        blames_model=has_run and code not in _NOT_THE_MODEL,
        is_damaged=code == "bundle",
    )


def _observation(message: ipc.Alarm | ipc.Window | ipc.Verdict) -> ev.Event:
    match message:
        case ipc.Alarm():
            return ev.WorkerAlarm(alarm=message)
        case ipc.Window():
            return ev.WorkerWindow(window=message)
        case ipc.Verdict():
            return ev.WorkerVerdict(verdict=message)


def _knowledge(message: ipc.Adapted | ipc.DriftSaved, body: bytes, bundle: BundleId) -> ev.Event:
    match message:
        case ipc.Adapted():
            return ev.WorkerAdapted(bundle=bundle, adapted=message, body=body)
        case ipc.DriftSaved():
            return ev.WorkerDriftSaved(bundle=bundle, saved=message, body=body)
