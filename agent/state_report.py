"""``state``: how the device is doing now, measured at the moment that it is told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from agent.active_slot import ActiveSlot
from agent.candidate_slot import CandidateSlot
from agent.core.core import Core
from agent.core.records import Now
from agent.health import HealthProbe
from agent.inbound import Inbound
from agent.jobs import Jobs
from agent.outbox import Outbox
from edge_models.errors import FieldError
from edge_models.latency import Latency
from edge_models.wire.telemetry import State

_QUANTILES = {"p50": 0.5, "p95": 0.95}


@dataclass(frozen=True, slots=True, kw_only=True)
class StateReport:
    """Measures the machine and the agent.

    Attributes:
        core: What runs, and how far an episode of drift has come.
        active: The active worker.
        candidate: The candidate.
        jobs: Short-lived children.
        health: Of the machine.
        inbound: What was refused.
        outbox: What waits.
    """

    core: Core
    active: ActiveSlot
    candidate: CandidateSlot
    jobs: Jobs
    health: HealthProbe
    inbound: Inbound
    outbox: Outbox

    def measured(self, now: Now, seq: int) -> State:
        """The message, as things are now."""
        core, figures, voice = self.core, self.active.figures, self.core.voice
        window, running = figures.window, core.active
        workers = [*self.active.pids, *self.candidate.pids]
        jobs = [process.pid for process in self.jobs.processes.values()]
        health = self.health.measure([os.getpid(), *workers, *jobs], now.monotonic_s)
        return State(
            ts=voice.ts(now),
            up=voice.up(now),
            boot=voice.boot,
            seq=seq,
            bundle=None if running is None else running.bundle,
            artifact=None if running is None else running.artifact,
            runtime=figures.runtime,
            executor=figures.executor,
            executor_note=figures.note,
            mean_steps=None if figures.mean_steps is None else round(figures.mean_steps, 3),
            adapted_rev=figures.adapted_rev,
            n=figures.frames,
            held=figures.held,
            rate_hz=round(figures.rate_hz(now.monotonic_s), 3),
            errors=figures.refused,
            p50_us=None if window is None else window.p50_us,
            p95_us=None if window is None else window.p95_us,
            cpu_percent=health.cpu_percent,
            cpu_temperature_c=health.cpu_temperature_c,
            memory_mb=health.memory_mb,
            disk_free_mb=health.disk_free_mb,
            throttled=health.throttled,
            stages=_stages(figures.stages),
            disk_written_mb=health.disk_written_mb,
            source=figures.source,
            clock_synced=now.utc_s is not None,
            outbox_messages=self.outbox.messages,
            outbox_bytes=self.outbox.bytes,
            outbox_oldest_s=self.outbox.oldest_s(now.utc_s),
            outbox_dropped=self.outbox.dropped,
            delivered=self.outbox.delivered_of(voice.boot),
            delivered_before=self.outbox.delivered_before(voice.boot),
            messages_refused=sum(self.inbound.refused.values()),
            worker_restarts=figures.restarts,
            drift=core.episode.policy.state,
        )


def _stages(encoded: Mapping[str, str]) -> dict[str, float]:
    """p50 and p95 of each stage in microseconds; a histogram that a worker got wrong is left out."""
    found: dict[str, float] = {}
    for stage, text in encoded.items():
        try:
            latency = Latency.decoded(text)
        except FieldError:
            continue
        for name, share in _QUANTILES.items():
            value_us = latency.quantile_us(share)
            if value_us is not None:
                found[f"{stage}_{name}_us"] = round(value_us, 1)
    return found
