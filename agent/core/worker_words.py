"""What the active worker says about its input and about itself, and who in the core listens to it."""

from __future__ import annotations

from agent.core import commands as do
from agent.core import events as ev
from agent.core.episode import Episode
from agent.core.records import ActiveRecord, Now
from agent.core.reports import Voice
from edge_models.wire.telemetry import EventType, Severity
from edge_models.wire.values import Scalar


def heard(event: ev.EpisodeEvent, episode: Episode, now: Now, active: ActiveRecord) -> list[do.Action]:
    """It saw something in its input."""
    match event:
        case ev.WorkerAlarm(alarm=alarm):
            return episode.on_alarm(alarm, now, active)
        case ev.WorkerWindow(window=window):
            return episode.on_window(window, now, active)
        case ev.WorkerVerdict(verdict=verdict):
            return episode.on_verdict(verdict, now, active)
        case ev.WorkerSample(sample=sample, body=body):
            return episode.on_sample(sample, body, now, active)


def of_source(event: ev.SourceEvent, voice: Voice, now: Now) -> do.Publish:
    """How its source does, as an event for people."""
    match event:
        case ev.SourceEnded(position=position):
            data: dict[str, Scalar] = {"position": position}
            return voice.event(now, EventType.SOURCE_ENDED, "the source has no more frames", data=data)
        case ev.SourceDown(down=down):
            failing: dict[str, Scalar] = {"failures": down.failures, "retry_s": down.retry_s}
            return voice.event(now, EventType.SOURCE_FAILED, down.reason, severity=Severity.WARNING, data=failing)
        case ev.SourceUp(up=up):
            message = f"the source delivers again after {up.down_s:.0f} s"
            return voice.event(now, EventType.SOURCE_RECOVERED, message)
        case ev.FrameSkipped(position=position):
            message = f"frame {position} killed every worker and is skipped"
            passed: dict[str, Scalar] = {"position": position}
            return voice.event(now, EventType.FRAME_SKIPPED, message, severity=Severity.WARNING, data=passed)


def kept_for_the_next(
    event: ev.WorkerAdapted | ev.WorkerDriftSaved,
    episode: Episode,
    voice: Voice,
    now: Now,
    active: ActiveRecord | None,
) -> list[do.Action]:
    """It knows something that the next worker will need."""
    match event:
        case ev.WorkerAdapted(bundle=bundle, adapted=adapted, body=body):
            kept = do.StoreAdapted(bundle=bundle, artifact=adapted.artifact, body=body)
            return [kept, voice.adapted(now, adapted), do.PublishState()]
        case ev.WorkerDriftSaved(bundle=bundle, saved=saved, body=body):
            stored = do.StoreDrift(bundle=bundle, kind=saved.kind, body=body)
            is_learnt = saved.kind == "contexts" and len(body) > 0  # none: they were dropped
            return [stored, *(episode.on_learnt(now, active) if is_learnt else [])]
