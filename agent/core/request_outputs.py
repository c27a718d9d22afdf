"""What the request policy is told and says; ``agent.core.episode`` turns that into messages and a durable record."""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.request_table import Sign
from edge_models.wire.telemetry import DriftState
from edge_models.wire.update import RequestReason


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicySettings:
    """How careful to be."""

    confirm_verdicts: int = 2
    cooldown_s: float = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    """The episode moved on.

    Attributes:
        state: The new state.
        sign: What led to it.
        position: Index of the frame at which it did.
        signal: The signal with the largest effect, or the one that raised the alarm.
        detector: The detector that raised the alarm, "arrival" or "verdict".
        severity: The largest effect; None before the first verdict.
    """

    state: DriftState
    sign: Sign
    position: int
    signal: str | None = None
    detector: str | None = None
    severity: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRequest:
    """Ask for a model; the id stays the same until the episode ends."""

    id: str
    reason: RequestReason
    position: int
    signal: str | None
    severity: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRequest:
    """The request needs no answer any more."""

    id: str
    why: str  # recovered, committed, answered, dismissed, benign or rebaselined


PolicyOutput = StateChanged | OpenRequest | CloseRequest
