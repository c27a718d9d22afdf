"""All of agent.yaml: broker, updates, reports, identity; what a worker is given is in ``agent.config.stream``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NewType

from agent.config.sources import FILE_SOURCES, TOPIC, SourceConfig
from agent.config.stream import AdaptationConfig, DriftConfig, GatingConfig, SamplesConfig
from agent.errors import ConfigError
from agent.yaml_document import parse_yaml
from edge_models.errors import FieldError
from edge_models.fields import decode, described
from edge_models.manifest import MODEL_NAME

DeviceId = NewType("DeviceId", str)
DEVICE_ID = r"[a-z0-9-]{1,40}"
RESERVED_IDS = ("group", "all")
NO_URL = "http://registry.invalid"  # RFC 6761 section 6.4: a name that never exists
LEAST_BLOCK_BYTES = 32 * 1024  # what file/block may take
MAX_CONFIG_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """TLS to the broker, with a certificate whose common name is the id."""

    ca: str = described("File with the certificates that may sign the broker's.")
    cert: str | None = described("File with the device's certificate; its CN must be the id.", default=None)
    key: str | None = described("File with the device's private key.", default=None)

    def __post_init__(self) -> None:
        """Refuse half an identity."""
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key together, or neither")


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """The connection to the broker."""

    host: str = described("Name or address of the broker.", default="localhost", max_length=253)
    port: int = described("TCP port.", default=1883, ge=1, le=65535)
    base: str = described("First level(s) of every topic.", default="driftline", pattern=r"[A-Za-z0-9_/-]{1,60}")
    username: str | None = described("User name; the id with TLS certificates.", default=None)
    password_file: str | None = described("File that holds the password and nothing else.", default=None)
    protocol: Literal["auto", 5, "5", "3.1.1"] = described("MQTT version; auto tries 5, then 3.1.1.", default="auto")
    max_packet_bytes: int = described("Largest packet to send or take.", default=65536, ge=1024, le=268435455)
    keepalive_s: int = described("Seconds between pings.", default=30, ge=5, le=3600)
    outbox_bytes: int = described("Bound on stored messages.", default=8 << 20, ge=65536, le=1 << 30)
    tls: TlsConfig | None = described("TLS settings; none means plain TCP.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowConfig:
    """How a candidate runs beside the active model before it may replace it."""

    frames: int = described("Frames that both models must have seen.", default=200, ge=0, le=1_000_000)
    deadline_s: float = described("Accept after this long even without traffic.", default=60.0, ge=1, le=604800)
    min_agreement: float = described("Share of equal labels, unless a request is answered.", default=0.7, ge=0, le=1)
    rate_hz: float = described("Frames copied to the candidate in a second.", default=20.0, ge=0.01, le=1000)
    without_traffic: Literal["proceed", "reject"] = described(
        "What becomes of a candidate that has seen too few frames by the deadline.", default="proceed"
    )
    min_labels: int = described("True labels from which on they decide.", default=30, ge=10, le=100_000)
    max_slowdown: float = described("Largest p95 of a frame, in p95s of the active model.", default=3.0, ge=1, le=1000)
    max_memory_mb: float = described("Largest resident memory of a candidate.", default=512.0, ge=16, le=65536)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionalConfig:
    """How a new model must prove itself before it is committed."""

    frames: int = described("Frames without a failure of the worker.", default=200, ge=0, le=1_000_000)
    deadline_s: float = described("Commit after this long even without traffic.", default=120.0, ge=1, le=604800)
    max_slowdown: float = described(
        "Largest p95 of a frame, in p95s of the last good model.", default=3.0, ge=1, le=1000
    )
    min_confidence_ratio: float = described(
        "Smallest mean confidence, as a share of the profile's own.", default=0.6, ge=0, le=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """Limits of the process that runs the model."""

    memory_mb: float | None = described(
        "Resident memory at which it is ended and started again; none for no bound.", default=None, ge=32, le=65536
    )
    silence_s: float = described("Seconds without a word after which it is killed.", default=15.0, ge=0.5, le=600)
    deaths: int = described(
        "Deaths of a model in a row after which the last good one is taken.", default=5, ge=2, le=100
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalConfig:
    """The local socket, for `driftline-agent status` and its like."""

    enabled: bool = described("Whether there is one.", default=True)
    path: str | None = described("Where; agent.sock in state_dir when left out.", default=None)
    group: str | None = described("Group that may use it beside the agent's own user.", default=None, max_length=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkConfig:
    """Predictions kept on this device as JSON Lines, in a ring of two files."""

    path: str = described("The file; the one before it is PATH.1.")
    max_bytes: int = described("Bound on both together.", default=8 << 20, ge=4096, le=1 << 40)
    flush_s: float = described("Seconds between writes to the disk.", default=10.0, ge=0.1, le=3600)
    rate_hz: float = described("Predictions kept in a second, at most.", default=100.0, ge=0.001, le=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateConfig:
    """Where models come from."""

    url: str = described(
        "Address of the registry's directory, such as http://fleet:8080; not used with over: mqtt.",
        default=NO_URL,
        pattern=r"https?://\S+",
    )
    root: str = described("File with the trusted root metadata (root.json).")
    poll_s: float = described("Seconds between looks at the channel.", default=300.0, ge=1, le=604800)
    check_timeout_s: float = described("Bound on one look at the channel.", default=60.0, ge=1, le=3600)
    download_timeout_s: float = described("Bound on one download.", default=1800.0, ge=1, le=86400)
    self_test_timeout_s: float = described("Bound on a candidate's self-test.", default=120.0, ge=1, le=3600)
    max_bundle_bytes: int = described("Largest bundle to accept.", default=512 << 20, ge=1024, le=1 << 40)
    over: Literal["http", "mqtt"] = described(
        "How files come: from the registry's web server, or in blocks through the broker.", default="http"
    )
    max_bytes_per_s: int = described("Bound on the rate of downloads; 0 for none.", default=0, ge=0, le=1 << 40)
    max_bytes_per_day: int = described("Bound on what is downloaded in a day; 0 for none.", default=0, ge=0, le=1 << 50)
    attempts: int = described("Tries for one target before it is given up.", default=3, ge=1, le=28)
    shadow: ShadowConfig = described("Running beside the active model.", default_factory=ShadowConfig)
    provisional: ProvisionalConfig = described("Proving itself.", default_factory=ProvisionalConfig)

    def __post_init__(self) -> None:
        """Refuse to look nowhere."""
        if self.over == "http" and self.url == NO_URL:
            raise ValueError("the url of the registry, or over: mqtt")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """What the device tells."""

    state_s: float = described("Seconds between two state messages.", default=30.0, ge=0.1, le=86400)
    stats: bool = described("Publish a row of statistics for each window.", default=True)
    predictions_hz: float = described("Predictions published in a second; 0 means none.", default=0.0, ge=0, le=1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistantConfig:
    """Announcing the device to Home Assistant."""

    enabled: bool = described("Publish the discovery message.", default=True)
    prefix: str = described("Home Assistant's discovery prefix.", default="homeassistant", pattern=TOPIC)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentConfig:
    """The whole of agent.yaml: one agent, one model slot, one id."""

    id: str = described("Id of this agent: CN, user name and client id.", pattern=DEVICE_ID)
    model: str = described("Name of the model slot.", pattern=MODEL_NAME)
    channel: str = described("Channel of the model to follow.", default="stable", pattern=MODEL_NAME)
    state_dir: str = described("Directory for everything that must survive a restart.")
    bundle: str | None = described("Bundle to start with when none is active.", default=None)
    artifact: str | None = described("Artifact to run; the best that fits when left out.", default=None)
    mqtt: MqttConfig = described("The broker.", default_factory=MqttConfig)
    update: UpdateConfig | None = described("Where models come from; none means never.", default=None)
    source: SourceConfig | None = described("Where frames come from.", default=None)
    hold_codes: int = described(
        "Spiking artifacts: an input that differs from the value last taken by fewer codes keeps it; 0 is exact.",
        default=0,
        ge=0,
        le=255,
    )
    gating: GatingConfig | None = described("Holding frames in which nothing moves; none runs all.", default=None)
    drift: DriftConfig = described("Watching for drift.", default_factory=DriftConfig)
    adaptation: AdaptationConfig | None = described("Learning on the device; none means never.", default=None)
    report: ReportConfig = described("What is told.", default_factory=ReportConfig)
    samples: SamplesConfig = described("Inputs that may leave.", default_factory=SamplesConfig)
    groups: tuple[str, ...] = described("Groups whose desired model counts.", default=(), max_length=16)
    labels: dict[str, str] = described("Free labels such as site and region.", default_factory=dict, max_length=32)
    worker: WorkerConfig = described("Limits of the inference process.", default_factory=WorkerConfig)
    local: LocalConfig = described("The local socket.", default_factory=LocalConfig)
    sink: SinkConfig | None = described("Predictions kept here; none means nowhere.", default=None)
    homeassistant: HomeAssistantConfig = described("Home Assistant.", default_factory=HomeAssistantConfig)

    def __post_init__(self) -> None:
        """Refuse reserved ids, and packets that no block of a file fits into."""
        if self.id in RESERVED_IDS:
            raise FieldError("id", repr(self.id), f"an id other than {', '.join(RESERVED_IDS)}")
        takes_blocks = self.update is not None and self.update.over == "mqtt"
        if takes_blocks and self.mqtt.max_packet_bytes < LEAST_BLOCK_BYTES:
            found = f"{self.mqtt.max_packet_bytes} with update.over: mqtt"
            raise FieldError("mqtt.max_packet_bytes", found, f"at least {LEAST_BLOCK_BYTES}")


def load_config(path: Path, *, parse: Callable[[bytes], object] = parse_yaml) -> AgentConfig:
    """Read and check agent.yaml.

    Args:
        path: The file.
        parse: Turns YAML into JSON values; the daemon brings one that keeps PyYAML out of its memory.

    Raises:
        ConfigError: It is missing, no YAML, or holds a wrong value.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_CONFIG_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror}; expected a file such as agent.yaml in README.md") from exc
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path}: more than {MAX_CONFIG_BYTES} bytes, expected a configuration")
    try:
        config = decode(AgentConfig, parse(data), unknown="refuse")
    except (ConfigError, FieldError) as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    return resolved(config, path.absolute().parent)


def resolved(config: AgentConfig, base: Path) -> AgentConfig:
    """The same configuration with every path made absolute from ``base``."""

    def absolute(path: str | None) -> str | None:
        return None if path is None else str(base / Path(path).expanduser())

    tls = config.mqtt.tls and dataclasses.replace(
        config.mqtt.tls,
        ca=str(base / config.mqtt.tls.ca),
        cert=absolute(config.mqtt.tls.cert),
        key=absolute(config.mqtt.tls.key),
    )
    update = config.update and dataclasses.replace(config.update, root=str(base / config.update.root))
    source = config.source
    if isinstance(source, FILE_SOURCES):
        source = dataclasses.replace(source, path=str(base / source.path))
    return dataclasses.replace(
        config,
        state_dir=str(base / config.state_dir),
        bundle=absolute(config.bundle),
        sink=config.sink and dataclasses.replace(config.sink, path=str(base / config.sink.path)),
        local=dataclasses.replace(config.local, path=absolute(config.local.path)),
        mqtt=dataclasses.replace(config.mqtt, password_file=absolute(config.mqtt.password_file), tls=tls),
        update=update,
        source=source,
    )
