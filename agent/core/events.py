"""What the shell tells the core: one frozen dataclass for everything that can happen. Do not subclass them."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent import ipc
from agent.core.records import Target
from agent.core.stream_events import (
    FrameSkipped,
    SourceDown,
    SourceEnded,
    SourceUp,
    WorkerAdapted,
    WorkerAlarm,
    WorkerDriftSaved,
    WorkerPrediction,
    WorkerSample,
    WorkerStarted,
    WorkerVerdict,
    WorkerWindow,
)
from edge_models.channel import Channel
from edge_models.manifest import BundleId
from edge_models.wire.command import Command, Feedback
from edge_models.wire.topics import CommandVerb
from edge_models.wire.update import Desired, GroupDesired


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time has passed; nothing else happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSeen:
    """The signed channel document was fetched and its signatures hold."""

    channel: Channel
    metadata: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFailed:
    """The channel could not be fetched, or its signatures do not hold."""

    code: str
    message: str
    transient: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChosen:
    """Another bundle should run than the one that does."""

    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetWithdrawn:
    """The running bundle is the wanted one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackAsked:
    """The operator wants the previous bundle."""

    rev: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchProgress:
    """So much of a bundle is here."""

    bundle: BundleId
    bytes: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchDone:
    """Every file of a bundle is here."""

    bundle: BundleId


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchFailed:
    """The download ended without the bundle."""

    bundle: BundleId
    code: str
    message: str
    transient: bool = False  # the same download may succeed later without anybody's help
    retry_after_s: float = 0.0  # and not before


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetVerified:
    """The target's files are what its manifest says, and this is what the manifest says of it."""

    model: str
    version: str
    serial: int
    artifact: str
    answers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetBad:
    """The target is not what the manifest says, or nothing here can run it."""

    code: str
    message: str
    transient: bool = False  # it could not be looked at, which says nothing about it


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateTested:
    """The candidate ran the golden inputs."""

    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateCompared:
    """How the candidate compares with the active model so far."""

    verdict: ipc.ShadowVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateDied:
    """The candidate's process ended, had to be killed, or could not be started."""

    reason: str
    blames_model: bool = True  # False when it never ran


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReady:
    """The active worker has loaded its model."""

    bundle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRan:
    """The active worker has run so many frames since it was started."""

    bundle: str
    frames: int
    health: ipc.ModelHealth | None = None
    rss_kb: int = 0  # resident memory of the worker; 0 where it cannot be read


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDied:
    """The active worker's process ended or had to be killed."""

    bundle: str
    reason: str
    blames_model: bool = True  # False when the source is at fault
    is_damaged: bool = False  # the bundle's files are not what its manifest says


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSteady:
    """The active worker has run for so long that what came before was no crash loop."""

    bundle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFailed:
    """A state or the pointer could not be made durable, so its work was not begun."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionRefused:
    """The broker does not let this device hear something that it needs."""

    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The broker accepted the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredSeen:
    """The device's own hint; None when it was taken back."""

    desired: Desired | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDesiredSeen:
    """The hint to one of the device's groups; None when it was taken back."""

    group: str
    desired: GroupDesired | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSeen:
    """A command that is new, not retained and well formed."""

    verb: CommandVerb
    command: Command


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackSeen:
    """A true label."""

    feedback: Feedback


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRefused:
    """A message that breaks the contract, the first of its kind."""

    kind: str
    reason: str


UpdateEvent = (
    Tick | TargetChosen | TargetWithdrawn | RollbackAsked | FetchProgress | FetchDone | FetchFailed | TargetVerified
    | TargetBad | CandidateTested | CandidateCompared | CandidateDied | WorkerReady | WorkerRan | WorkerDied
    | WorkerSteady | StorageFailed
)  # fmt: skip
EpisodeEvent = WorkerAlarm | WorkerWindow | WorkerVerdict | WorkerSample
LinkEvent = (
    Connected | SubscriptionRefused | DesiredSeen | GroupDesiredSeen | CommandSeen | FeedbackSeen | MessageRefused
)
SourceEvent = SourceEnded | SourceDown | SourceUp | FrameSkipped
Event = (
    UpdateEvent | EpisodeEvent | SourceEvent | LinkEvent | WorkerStarted | WorkerAdapted | WorkerDriftSaved
    | WorkerPrediction | ChannelSeen | CheckFailed
)  # fmt: skip

__all__ = [
    "CandidateCompared",
    "CandidateDied",
    "CandidateTested",
    "ChannelSeen",
    "CheckFailed",
    "CommandSeen",
    "Connected",
    "DesiredSeen",
    "EpisodeEvent",
    "Event",
    "FeedbackSeen",
    "FetchDone",
    "FetchFailed",
    "FetchProgress",
    "FrameSkipped",
    "GroupDesiredSeen",
    "LinkEvent",
    "MessageRefused",
    "RollbackAsked",
    "SourceDown",
    "SourceEnded",
    "SourceEvent",
    "SourceUp",
    "StorageFailed",
    "SubscriptionRefused",
    "TargetBad",
    "TargetChosen",
    "TargetVerified",
    "TargetWithdrawn",
    "Tick",
    "UpdateEvent",
    "WorkerAdapted",
    "WorkerAlarm",
    "WorkerDied",
    "WorkerDriftSaved",
    "WorkerPrediction",
    "WorkerRan",
    "WorkerReady",
    "WorkerSample",
    "WorkerStarted",
    "WorkerSteady",
    "WorkerVerdict",
    "WorkerWindow",
]
