"""The first message to a worker: what agent.yaml says of it, and where it begins."""

from __future__ import annotations

from pathlib import Path

from agent import ipc
from agent.config import AgentConfig
from agent.core.records import ActiveRecord
from agent.progress import Progress


def active_configuration(
    config: AgentConfig,
    active: ActiveRecord,
    bundle_dir: Path,
    *,
    boot: int,
    progress: Progress,
    standby: bool,
    careful: bool,
) -> ipc.Configure:
    """For a worker that runs the source, or stands by to do so; arguments as the message's fields."""
    return ipc.Configure(
        role="active",
        bundle_dir=str(bundle_dir),
        bundle=active.bundle,
        artifact=active.artifact,
        source=config.source,
        hold_codes=config.hold_codes,
        gating=config.gating,
        drift=config.drift,
        adaptation=config.adaptation,
        samples=config.samples,
        predictions_hz=max(config.report.predictions_hz, 0.0 if config.sink is None else config.sink.rate_hz),
        position=progress.position,
        mark=progress.mark,
        source_down=progress.figures.source_is_down,
        boot=boot,
        standby=standby,
        memory_mb=config.worker.memory_mb,
        careful=careful,
    )
