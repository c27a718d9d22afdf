"""What the core tells the shell to do, in this order; the shell does it and reports back with events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent import ipc
from agent.core.episode_record import EpisodeRecord
from agent.core.records import ActiveRecord, Target, UpdateRecord
from agent.core.request_record import RequestRecord
from edge_models.manifest import BundleId

DriftKind = Literal["trigger", "contexts"]
ResendKind = Literal["event", "stats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUpdate:
    """Make update.json durable before the next command is carried out."""

    record: UpdateRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PointTo:
    """Make active.json durable; None removes it."""

    active: ActiveRecord | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRequest:
    """Make request.json durable."""

    record: RequestRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEpisode:
    """Keep the story of the last episode of drift."""

    record: EpisodeRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDrift:
    """Keep what the worker of a bundle knows of its stream, for the next worker; empty bytes remove it."""

    bundle: BundleId
    kind: DriftKind
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAdapted:
    """Keep what was learnt on an artifact of a bundle, for the next worker."""

    bundle: BundleId
    artifact: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCheck:
    """Fetch the signed channel document in a child; ChannelSeen or CheckFailed follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartFetch:
    """Fetch the target in a child; FetchProgress and then FetchDone or FetchFailed follow."""

    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class StartVerify:
    """Hash the target's files in a child and read its manifest; TargetVerified or TargetBad follows."""

    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCandidate:
    """Start the target in a second worker; CandidateTested or CandidateDied follows."""

    bundle: BundleId
    artifact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartShadow:
    """Let the active worker copy frames to the candidate; CandidateCompared follows."""

    rate_hz: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTrial:
    """End the fetching, the verifying, the candidate and the copying, whichever there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunActive:
    """End the active worker if there is one and start what active.json points to, at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepBundles:
    """Remove every bundle and partial download that is not among these."""

    keep: frozenset[BundleId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Send a message of the contract; None clears a retained one."""

    kind: str  # name of its row in edge_models.wire.channels
    message: object | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """Send durable messages of one kind and start again, as far as they are kept."""

    kind: ResendKind
    boot: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DropSamples:
    """Forget the samples that wait to be sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishState:
    """Measure the machine and send ``state`` now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TellWorker:
    """Send to the active worker, if it runs."""

    message: ipc.ToWorker


Work = StartCheck | StartFetch | StartVerify | StartCandidate | StartShadow | StopTrial | RunActive
Store = StoreUpdate | PointTo | StoreRequest | StoreEpisode | StoreDrift | StoreAdapted | KeepBundles
Action = Store | Publish | Resend | DropSamples | PublishState | TellWorker | Work
