"""fleet.yaml: one frozen tree with every default visible, read strictly.

An unknown key or a wrong value is an error that names the file, the path of the key and what may stand there. Paths are
taken from the file's own directory, so that a daemon may be started anywhere. Flags take the place of single keys.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from deploy.errors import ConfigError
from edge_models.errors import FieldError
from edge_models.fields import decode, described
from edge_models.manifest import ARTIFACT_NAME, MODEL_NAME
from edge_models.yaml_document import parse_yaml

MAX_CONFIG_BYTES = 256 * 1024
_SQLITE = "sqlite:///"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsConfig:
    """TLS to the broker."""

    ca: str = described("File with the certificates that may sign the broker's.")
    cert: str | None = described("File with the fleet side's own certificate.", default=None)
    key: str | None = described("File with its private key.", default=None)

    def __post_init__(self) -> None:
        """Refuse half an identity."""
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key together, or neither")


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """The connection to the broker."""

    host: str = described("Name or address of the broker.", default="localhost", max_length=253)
    port: int = described("TCP port.", default=1883, ge=1, le=65535)
    base: str = described(
        "First level(s) of every topic.",
        default="driftline",
        pattern=r"[A-Za-z0-9_.-]{1,60}(/[A-Za-z0-9_.-]{1,60}){0,3}",  # as edge_models.wire.Topics wants it
    )
    client_id: str = described("Client id; two controllers need two.", default="driftline-fleet", max_length=64)
    username: str | None = described("User name, if the broker wants one.", default=None)
    password_file: str | None = described("File that holds the password and nothing else.", default=None)
    protocol: Literal["auto", 5, "5", "3.1.1"] = described("MQTT version; auto tries 5, then 3.1.1.", default="auto")
    keepalive_s: int = described("Seconds between pings.", default=30, ge=5, le=3600)
    session_expiry_s: int = described(
        "How long the broker keeps events and samples for an absent controller.", default=7 * 86400, ge=0, le=2**32 - 2
    )
    tls: TlsConfig | None = described("TLS settings; none means plain TCP.", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutConfig:
    """How a bundle reaches the fleet."""

    canary: int = described("Devices that try a bundle before all others.", default=1, ge=1, le=10_000)
    wave_timeout_s: float = described(
        "After this long a device of the wave that has not committed counts as missing.", default=1800.0, ge=1, le=2.6e6
    )
    back_timeout_s: float = described(
        "How long to wait for confirmation that devices are back on the base bundle.", default=600.0, ge=1, le=2.6e6
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainConfig:
    """How a request for a better model is answered."""

    settle_s: float = described("Requests this close to each other share a job.", default=20.0, ge=0, le=86400)
    settle_most_s: float = described("A job waits no longer than this for more.", default=120.0, ge=0, le=86400)
    samples: int = described(
        "Samples to ask each asking device for; 0 asks for none, they can still be asked for by hand.",
        default=200,
        ge=0,
        le=10**6,
    )
    min_samples: int = described("Labelled samples of each asking device to wait for.", default=60, ge=0, le=10**6)
    wait_s: float = described("How long to wait for them before giving up.", default=7 * 86400.0, ge=0, le=3.2e7)
    held_fraction: float = described("Share of the samples held back from training.", default=0.3, ge=0.05, le=0.9)
    min_held: int = described("Held-back samples needed to judge a bundle.", default=20, ge=1, le=10**6)
    device_cap: int = described("Most samples of one device that take part.", default=400, ge=1, le=10**6)
    max_old_loss: float = described("Accuracy that may be lost on the old test set.", default=0.01, ge=0, le=1)
    artifact: str | None = described(
        "Artifact whose accuracy judges a bundle, such as spiking where devices run that; int8 TFLite when left out.",
        default=None,
        pattern=ARTIFACT_NAME,
    )
    blind: bool = described("Also train without evidence, to measure what the evidence is worth.", default=True)
    timeout_s: float = described("Bound on one run of the converter.", default=7200.0, ge=10, le=604800)
    nice: int = described("Niceness of the converter's process.", default=0, ge=0, le=19)


@dataclass(frozen=True, slots=True, kw_only=True)
class GapsConfig:
    """What is done about durable messages that never arrived."""

    grace_s: float = described("They may come late by so much before they are asked for.", default=60.0, ge=0.1)
    pause_s: float = described("Between asking and asking again.", default=300.0, ge=0.1)
    asks: int = described("Times to ask in vain before they are given up.", default=3, ge=1, le=100)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetConfig:
    """The whole of fleet.yaml: one model slot of one fleet."""

    database: str = described("SQLAlchemy URL of the fleet database.", default="sqlite:///fleet.sqlite")
    registry: str = described("Directory of the registry.", default="registry")
    model: str | None = described("Name of the model slot; needed for rollouts.", default=None, pattern=MODEL_NAME)
    channel: str = described("Signed channel that the devices follow.", default="stable", pattern=MODEL_NAME)
    work_dir: str = described("Directory for the files of retraining jobs.", default="fleet-work")
    recipe: str | None = described("Recipe that retraining starts from.", default=None)
    keep_days: float = described(
        "Events and unlabelled samples are dropped after this many days.", default=90.0, ge=0.01, le=36500
    )
    mqtt: MqttConfig = described("The broker.", default_factory=MqttConfig)
    rollout: RolloutConfig = described("Rollouts.", default_factory=RolloutConfig)
    retrain: RetrainConfig = described("Retraining.", default_factory=RetrainConfig)
    gaps: GapsConfig = described("Messages that never arrived.", default_factory=GapsConfig)


def load_config(path: Path | None, flags: Mapping[str, object] | None = None) -> FleetConfig:
    """Read and check fleet.yaml.

    Args:
        path: The file; without one, the defaults and ``flags`` are everything.
        flags: Values by dotted key, such as ``mqtt.port``, that beat the file's; None values are left out. Paths in
            them are taken from the working directory.

    Raises:
        ConfigError: It is missing, no YAML, or holds a wrong value.
    """
    document = {} if path is None else _read_yaml(path)
    config = _decoded(document, str(path) if path else "options")
    if path is not None:
        config = resolved(config, path.absolute().parent)
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    if not given:
        return config if path else resolved(config, Path.cwd())
    document = dataclasses.asdict(config)
    for key, value in given.items():
        _place(document, key, value)
    return resolved(_decoded(document, "options"), Path.cwd())


def resolved(config: FleetConfig, base: Path) -> FleetConfig:
    """The same configuration with every relative path taken from ``base``."""

    def absolute(path: str) -> str:
        return str(base / Path(path).expanduser())

    def maybe(path: str | None) -> str | None:
        return None if path is None else absolute(path)

    tls = config.mqtt.tls and dataclasses.replace(
        config.mqtt.tls,
        ca=absolute(config.mqtt.tls.ca),
        cert=maybe(config.mqtt.tls.cert),
        key=maybe(config.mqtt.tls.key),
    )
    database = config.database
    if re.match(r"sqlite:///[^/:]", database):
        database = _SQLITE + absolute(database.removeprefix(_SQLITE))
    return dataclasses.replace(
        config,
        database=database,
        registry=absolute(config.registry),
        work_dir=absolute(config.work_dir),
        recipe=_recipe(config.recipe, base),
        mqtt=dataclasses.replace(config.mqtt, tls=tls, password_file=maybe(config.mqtt.password_file)),
    )


def _recipe(recipe: str | None, base: Path) -> str | None:
    """A recipe is a file, or the bare name of one that the converter brings along."""
    if recipe is None or not ("/" in recipe or recipe.endswith((".yaml", ".yml"))):
        return recipe
    return str(base / Path(recipe).expanduser())


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_CONFIG_BYTES + 1)
    except OSError as exc:
        raise ConfigError(f"{path}: {exc.strerror}; expected a fleet.yaml as README.md shows it") from exc
    if len(data) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{path}: more than {MAX_CONFIG_BYTES} bytes, expected a configuration")
    try:
        document = parse_yaml(data)
    except FieldError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: found a {type(document).__name__}, expected keys such as database: and mqtt:")
    return document


def _decoded(document: dict[str, Any], label: str) -> FleetConfig:
    try:
        return decode(FleetConfig, document, unknown="refuse")
    except FieldError as exc:
        raise ConfigError(f"{label}: {exc}") from exc


def _place(document: dict[str, Any], key: str, value: object) -> None:
    *groups, name = key.split(".")
    for group in groups:
        document = document[group]
    document[name] = value
