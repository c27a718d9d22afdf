"""What the active worker says about its input and about itself, and who in the core listens to it."""

from __future__ import annotations

from agent.core import commands as do
from agent.core import events as ev
from agent.core.episode import Episode
from agent.core.records import ActiveRecord, Now
from agent.core.reports import Voice


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
