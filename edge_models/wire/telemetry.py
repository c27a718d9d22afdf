"""What a device tells about itself and its input. What it tells about single frames is in ``predictions``,
and the verdict on drift in ``drift``.

Metric messages (``State``, ``Stats``, ``DriftReport``) hold no lists of objects, because Telegraf's JSON reader drops
them; mappings are one level deep and become ``effects_confidence`` and the like there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edge_models.fields import described
from edge_models.manifest import MODEL_NAME, BundleId
from edge_models.wire.values import (
    CODE,
    DEVICE_ID,
    MAX_INT,
    DeviceId,
    Scalar,
    Timestamp,
    bundle_field,
    check_times,
    count_field,
    id_field,
    measure_field,
    sent_field,
    share_field,
    text_field,
    time_field,
    up_field,
    version_field,
)

MAX_SIGNALS = 64
MAX_SKETCH_CHARS = 1600  # leaves 400 for the rest of a stats row of 2 KB


class Status(StrEnum):
    """The plain payload of ``status``."""

    ONLINE = "online"
    OFFLINE = "offline"


class DriftState(StrEnum):
    """How far an episode of drift has come."""

    OK = "ok"
    SUSPECT = "suspect"
    CONFIRMED = "confirmed"
    REQUESTED = "requested"
    RECOVERED = "recovered"


class DriftLevel(StrEnum):
    """How much a drift matters, by effect size or by the accuracy that it costs."""

    WATCH = "watch"
    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


class Severity(StrEnum):
    """How much an event should worry an operator."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class EventType(StrEnum):
    """The events that this version sends; readers accept others, so that old ones survive new agents."""

    STARTED = "started"
    WORKER_RESTARTED = "worker_restarted"
    DRIFT_SUSPECTED = "drift_suspected"
    DRIFT_CONFIRMED = "drift_confirmed"
    DRIFT_RECOVERED = "drift_recovered"
    MODEL_REQUESTED = "model_requested"
    REQUEST_CLOSED = "request_closed"
    UPDATE_STARTED = "update_started"
    UPDATE_COMMITTED = "update_committed"
    UPDATE_REJECTED = "update_rejected"
    UPDATE_FAILED = "update_failed"
    ROLLED_BACK = "rolled_back"
    DESIRED_REFUSED = "desired_refused"
    MESSAGE_REFUSED = "message_refused"
    SUBSCRIPTION_REFUSED = "subscription_refused"
    SOURCE_ENDED = "source_ended"
    SOURCE_FAILED = "source_failed"
    SOURCE_RECOVERED = "source_recovered"
    FRAME_SKIPPED = "frame_skipped"
    STORAGE_FAILED = "storage_failed"
    MODEL_UNHEALTHY = "model_unhealthy"
    ADAPTATION_CHANGED = "adaptation_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    """What the device is; sent on connect, retained."""

    v: int = version_field()
    ts: Timestamp | None = sent_field()
    up: float = up_field()
    id: DeviceId = described("The device's id, as in the topic.", pattern=DEVICE_ID)
    agent: str = text_field("Version of the agent.", max_length=40)
    model: str = described("The model slot that it runs.", pattern=MODEL_NAME)
    channel: str = described("The signed channel that it follows.", pattern=MODEL_NAME)
    hardware: str = text_field("Board, such as Raspberry Pi 4 Model B Rev 1.4.", default="")
    arch: str = text_field("Machine, such as aarch64.", default="", max_length=40)
    os: str = text_field("Operating system and its version.", default="")
    python: str = text_field("Version of Python.", default="", max_length=40)
    runtimes: dict[str, str] = described("Versions of working runtimes by name.", default_factory=dict, max_length=16)
    capabilities: dict[str, str] = described("What it can do, by name.", default_factory=dict, max_length=32)
    labels: dict[str, str] = described("Site, region and the like.", default_factory=dict, max_length=32)
    groups: tuple[str, ...] = described("Groups it belongs to.", default=(), max_length=32, pattern=DEVICE_ID)
    max_packet_bytes: int = count_field("Largest MQTT packet that it sends or takes.", default=65536)

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        check_times(self.ts)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How the device is doing now; it expires after three intervals, so a stale one cannot look fresh."""

    v: int = version_field()
    ts: Timestamp | None = sent_field()
    up: float = up_field()
    boot: int = count_field("Number of the agent's start.")
    seq: int = count_field("Rises by one with every state of this start.")
    bundle: BundleId | None = bundle_field("The running bundle; null when none runs.")
    artifact: str | None = text_field("The running artifact.", default=None, max_length=40)
    runtime: str | None = text_field("Library and version that loaded it.", default=None, max_length=80)
    executor: str | None = text_field("How it runs now: interpreter, collapsed, c, c-delta, numpy.", default=None)
    executor_note: str | None = text_field(
        "Why it is not faster, if something is missing.", default=None, max_length=300
    )
    mean_steps: float | None = measure_field("Time steps of a frame, of a spiking artifact.", default=None)
    adapted_rev: int | None = count_field(
        "Corrections learnt here; 0 for none, null where nothing learns.", default=None
    )
    n: int = count_field("Frames answered since the agent started.")
    held: int = count_field("Of them, frames that gating held: answered as the one before, not inferred.", default=0)
    rate_hz: float = measure_field("Frames answered per second, lately.")
    errors: int = count_field("Frames that could not be used since the agent started.", default=0)
    p50_us: float | None = measure_field("Median time of one inference, preprocessing included.", default=None)
    p95_us: float | None = measure_field("95th percentile of the same.", default=None)
    cpu_percent: float | None = measure_field("Processor time of the agent's processes, 100 = one core.", default=None)
    cpu_temperature_c: float | None = described("Temperature of the processor.", default=None, ge=-100, le=200)
    memory_mb: float | None = measure_field("Memory of the agent's processes (PSS).", default=None)
    disk_free_mb: float | None = measure_field("Free space where bundles are kept.", default=None)
    throttled: bool | None = described("Whether the board slows itself down; null if unknown.", default=None)
    clock_synced: bool | None = described("Whether the clock is synchronised; null if unknown.", default=None)
    stages: dict[str, float] = described(
        "p50 and p95 of each stage since the worker started, such as infer_p95_us.",
        default_factory=dict,
        max_length=32,
        ge=0,
    )
    disk_written_mb: float | None = measure_field("Written to the disk by the agent since it started.", default=None)
    source: str | None = text_field("ok, or why the source delivers nothing.", default=None, max_length=300)
    outbox_messages: int = count_field("Messages that wait for the broker.", default=0)
    outbox_bytes: int = count_field("Their size.", default=0)
    outbox_oldest_s: float | None = measure_field("Age of the oldest.", default=None)
    outbox_dropped: int = count_field("Messages given up for want of room or because they expired.", default=0)
    delivered: dict[str, int] = described(
        "Highest seq that the broker acknowledged in this start, by kind: what is missing below it was lost beyond.",
        default_factory=dict,
        max_length=4,
        ge=0,
        le=MAX_INT,
    )
    delivered_before: dict[str, int] = described(
        "The same of an earlier start, whose number is `boot`.", default_factory=dict, max_length=5, ge=0, le=MAX_INT
    )
    messages_refused: int = count_field("Wrong messages received since the agent started.", default=0)
    worker_restarts: int = count_field("Times that the inference worker had to be started again.", default=0)
    drift: DriftState = described("How far the present episode has come.", default=DriftState.OK)

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        check_times(self.ts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """One window of frames, kept on disk until the broker has it; (boot, seq) shows gaps and duplicates."""

    v: int = version_field()
    ts: Timestamp | None = sent_field()
    up: float = up_field()
    boot: int = count_field("Number of the agent's start.")
    seq: int = count_field("Rises by one with every row of this start.")
    bundle: BundleId = bundle_field("The bundle that ran.")
    artifact: str = text_field("The artifact that ran.", max_length=40)
    ts_from: Timestamp | None = time_field("When the window began.", default=None)
    ts_to: Timestamp | None = time_field("When it ended.", default=None)
    position: int | None = count_field("Index of its last frame in the source.", default=None)
    n: int = count_field("Frames in the window.")
    held: int = count_field("Of them, frames that gating held.", default=0)
    thin: int = described("Of so many frames one counts as independent.", default=1, ge=1, le=MAX_INT)
    faults: dict[str, int] = described(
        "Frames by fault: refused, out_of_range, repeated.", default_factory=dict, max_length=16, ge=0, le=MAX_INT
    )
    rate_hz: float | None = measure_field("Frames per second.", default=None)
    mean_confidence: float | None = share_field("Mean of the largest class probability.", default=None)
    p50_us: float | None = measure_field("Median time of one inference, preprocessing included.", default=None)
    p95_us: float | None = measure_field("95th percentile of the same.", default=None)
    classes: dict[str, int] = described(
        "Predictions by class index; only the most frequent where the row would be too long.",
        default_factory=dict,
        max_length=256,
        ge=0,
        le=MAX_INT,
    )
    sketch: str | None = text_field("Mergeable histograms, zlib + base64.", default=None, max_length=MAX_SKETCH_CHARS)

    def __post_init__(self) -> None:
        """Refuse times that are none."""
        check_times(self.ts, self.ts_from, self.ts_to)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something an operator may want to know; kept on disk until the broker has it, never retained."""

    v: int = version_field()
    ts: Timestamp | None = sent_field()
    up: float = up_field()
    id: str = id_field("Identity of the event, for deduplication.")
    boot: int = count_field("Number of the agent's start.")
    seq: int = count_field("Rises by one with every event of this start.")
    type: str = described("What happened, such as update_committed.", pattern=CODE)
    severity: Severity = described("How much it should worry.", default=Severity.INFO)
    message: str = text_field("One sentence for people.", default="", max_length=500)
    data: dict[str, Scalar] = described("Its particulars.", default_factory=dict, max_length=32)

    def __post_init__(self) -> None:
        """Refuse a time that is none."""
        check_times(self.ts)
