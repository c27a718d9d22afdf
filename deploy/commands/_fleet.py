"""What commands that work on the fleet share: their options, their configuration, their database."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.config import FleetConfig, MqttConfig, load_config
from deploy.errors import ConfigError

if TYPE_CHECKING:
    from deploy.fleet.database import FleetDatabase

DEFAULT_CONFIG = Path("fleet.yaml")


def add_options(parser: argparse.ArgumentParser, *, registry: bool = False, mqtt: bool = False) -> None:
    """Add -c, and the flags that take the place of the keys that most commands need."""
    group = parser.add_argument_group("fleet (flags beat the keys of fleet.yaml)")
    group.add_argument("-c", "--config", type=Path, metavar="FILE", help="fleet.yaml (./fleet.yaml if it is there)")
    group.add_argument("--database", metavar="URL", help="database: such as sqlite:///fleet.sqlite")
    if registry:
        group.add_argument("--registry", metavar="DIR", help="registry: directory of the registry")
        group.add_argument("--model", metavar="NAME", help="model: the model slot")
        group.add_argument("--channel", metavar="NAME", help="channel: what the devices follow")
    if mqtt:
        group.add_argument("--mqtt", metavar="HOST[:PORT]", help="mqtt.host and mqtt.port")
    parser.add_argument("--json", action="store_true", help="print JSON")


def config_of(args: argparse.Namespace) -> FleetConfig:
    """The configuration that the options name.

    Raises:
        ConfigError: It is wrong.
    """
    path = args.config
    if path is None and DEFAULT_CONFIG.is_file():
        path = DEFAULT_CONFIG
    flags = {
        key: getattr(args, key, None) for key in ("database", "registry", "model", "channel", "recipe", "work_dir")
    }
    if getattr(args, "mqtt", None) is not None:
        flags |= _broker(args.mqtt)
    return load_config(path, flags)


def broker_of(config: Path | None, broker: str | None) -> MqttConfig:
    """The broker that ``-c`` and ``--mqtt`` name, for commands that need nothing else of fleet.yaml.

    Raises:
        ConfigError: One of them is wrong.
    """
    return load_config(config, {} if broker is None else _broker(broker)).mqtt


@contextlib.contextmanager
def opened(config: FleetConfig, *, must_exist: bool = True) -> Iterator[FleetDatabase]:
    """The fleet database for the length of a block.

    Raises:
        ConfigError: There is none.
        DatabaseError: It cannot be opened.
    """
    from deploy.fleet.database import FleetDatabase

    database = FleetDatabase.open(config.database, must_exist=must_exist)
    try:
        yield database
    finally:
        database.close()


def port_number(text: str) -> int:
    """An argparse type: a TCP port, or 0 for a free one."""
    if not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected 0 to 65535")
    return int(text)


def count(text: str) -> int:
    """An argparse type: a number of things, at least 1."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number of at least 1")
    return int(text)


def _broker(text: str) -> dict[str, object]:
    host, colon, port = text.rpartition(":")
    if not colon:
        return {"mqtt.host": text}
    if not port.isdigit():
        raise ConfigError(f"--mqtt: found {text!r}, expected HOST or HOST:PORT")
    return {"mqtt.host": host, "mqtt.port": int(port)}
