"""request.json: the open request, and what the request policy must not forget through a restart."""

from __future__ import annotations

from dataclasses import dataclass

from agent.core.fingerprint import MAX_ASKED, MAX_BENIGN, MAX_SHIFT_CHARS, SHIFT, Fingerprint, Shift
from agent.core.pause import Pause
from edge_models.fields import described
from edge_models.wire.drift import MAX_NAME_CHARS
from edge_models.wire.telemetry import DriftState
from edge_models.wire.update import ModelRequest
from edge_models.wire.values import Timestamp, time_field


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRecord:
    """All that the request policy knows but for the state and the request; counts stop where they no longer matter."""

    over: int = described("Verdicts in a row over the limit.", default=0, ge=0)
    calm: int = described("Verdicts in a row within it.", default=0, ge=0)
    quiet: int = described("Verdicts in a row far within it.", default=0, ge=0)
    detector: str | None = described("What began the episode.", default=None)
    signal: str | None = described("The signal with the largest effect, or the one of the alarm.", default=None)
    since: Timestamp | None = time_field("When the state was entered.", default=None)
    suspected: Timestamp | None = time_field("When the episode began.", default=None)
    has_matched: bool = described("Whether this bundle's reference was ever like the input here.", default=False)
    on_arrival: bool = described("Whether the episode began before that.", default=False)
    shift: Shift = described(
        "What the episode's drift looks like.", default="", max_length=MAX_SHIFT_CHARS, pattern=SHIFT
    )
    asked: int = described("Requests since the last commit.", default=0, ge=0)
    pause: Pause = described("Cool-down after the last request.", default_factory=Pause)
    fingerprints: tuple[Fingerprint, ...] = described(
        "Drifts seen before.", default=(), max_length=MAX_BENIGN + MAX_ASKED
    )
    learning: str | None = described(
        "Context that the present input is being learnt as.", default=None, max_length=MAX_NAME_CHARS
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """request.json."""

    v: int = described("Version of the document.", default=1, ge=1, le=1)
    state: DriftState = described(
        "State of the episode; requested without a request means answered.", default=DriftState.OK
    )
    request: ModelRequest | None = described("The open request, exactly as it is published.", default=None)
    policy: PolicyRecord = described("The rest of the policy.", default_factory=PolicyRecord)
