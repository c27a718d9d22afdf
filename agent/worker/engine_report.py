"""What a worker tells about the engine that runs its model."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from agent.ipc import MAX_NOTE_CHARS, Ready
from agent.memory import resident_kb
from agent.worker.opened_model import OpenedModel
from edge_models.engines.port import Engine


@runtime_checkable
class Stepwise(Protocol):
    """An engine that runs a frame in time steps and may stop early."""

    @property
    def mean_steps(self) -> float:
        """Time steps of a frame on average, of those that were run; 0 before the first."""


def mean_steps(engine: Engine) -> float | None:
    """Time steps of a frame on average; None for an engine without them, and before the first frame."""
    return engine.mean_steps or None if isinstance(engine, Stepwise) else None


def ready(model: OpenedModel, unadaptable: str = "") -> Ready:
    """The message that a worker has its model.

    Args:
        model: The model.
        unadaptable: Why nothing can be learnt here, where something was to be.
    """
    engine = model.engine
    return Ready(
        runtime=engine.runtime,
        artifact=model.artifact_name,
        executor=engine.executor,
        note=engine.note[:MAX_NOTE_CHARS],
        unadaptable=unadaptable[:MAX_NOTE_CHARS],
        rss_kb=resident_kb(),
    )
