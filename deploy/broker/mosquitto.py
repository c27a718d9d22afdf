"""A production configuration for Mosquitto 2.x, generated from the contract's own table of topics.

Every device has a certificate whose common name is its id. Mosquitto makes that name the user name and the client id,
and the access list lets a user write its own upward topics and read its own downward ones, so that a stolen device
cannot speak for another. Measured on 2.0.11: without ``use_username_as_clientid`` a device can take another's client id
and throw it off; SUBSCRIBE is granted for anything, even ``#``, and filtering happens when messages are delivered.
"""

from __future__ import annotations

from pathlib import Path

from edge_models.wire import CHANNELS, Direction, Topics, discovery_status_topic, discovery_topic

CONFIG_NAME = "driftline.conf"
ACL_NAME = "driftline.acl"
MAX_PACKET_BYTES = 1 << 20  # samples end at 64 KiB; this only bounds what a hostile client can make the broker hold
MAX_INFLIGHT = 20  # what the agents keep in flight

_CONFIG = """\
# Mosquitto 2.0 for Driftline; put both files into /etc/mosquitto/conf.d and restart mosquitto.
# Mosquitto 2.1 takes this file too, but warns: acl_file becomes a plugin there and goes away in 3.0.

listener {port}
cafile {certificates}/ca.crt
certfile {certificates}/server.crt
keyfile {certificates}/server.key
tls_version tlsv1.2

# Who connects: the certificate's common name is user name and client id, and nobody gets in without one.
require_certificate true
use_identity_as_username true
use_username_as_clientid true
allow_anonymous false
acl_file {directory}/{acl}

# Bounds: one device must not be able to fill the broker's memory.
max_packet_size {max_packet_bytes}
max_inflight_messages {max_inflight}
max_queued_messages 10000
max_queued_bytes 67108864
persistent_client_expiration 14d

# Retained messages and sessions survive a restart.
persistence true
persistence_location /var/lib/mosquitto/
autosave_interval 300
"""


def config(
    *, port: int = 8883, directory: str = "/etc/mosquitto/conf.d", certificates: str = "/etc/mosquitto/certs"
) -> str:
    """The broker's configuration.

    Args:
        port: TLS port.
        directory: Where both files will lie on the broker's machine.
        certificates: Directory with ca.crt, server.crt and server.key.
    """
    return _CONFIG.format(
        port=port,
        directory=directory,
        certificates=certificates,
        acl=ACL_NAME,
        max_packet_bytes=MAX_PACKET_BYTES,
        max_inflight=MAX_INFLIGHT,
    )


def acl(
    *,
    base: str = "driftline",
    fleet_user: str = "driftline-fleet",
    files_user: str = "driftline-files",
    home_assistant_user: str = "homeassistant",
) -> str:
    """The access list: devices below their own id, the fleet side and Home Assistant by name."""
    upward = [
        channel.template for channel in CHANNELS if channel.direction is Direction.UP and "{base}" in channel.template
    ]
    downward = [channel.template for channel in CHANNELS if channel.direction is Direction.DOWN]
    lines = [
        "# Devices: %u is the common name of the device's certificate.",
        *(f"pattern write {template.format(base=base, id='%u')}" for template in upward),
        *(f"pattern read {template.format(base=base, id='%u', group='+')}" for template in downward),
        f"pattern write {discovery_topic('%u')}",
        f"pattern read {discovery_status_topic()}",
        "",
        "# The controller of the fleet.",
        f"user {fleet_user}",
        f"topic readwrite {base}/#",
        "",
        "# `driftline-fleet registry serve --mqtt`: answers questions for files, and hears nothing else.",
        f"user {files_user}",
        f"topic read {base}/+/file/get",
        f"topic write {base}/+/file/block",
        "",
        "# Home Assistant: sees everything, may press buttons.",
        f"user {home_assistant_user}",
        f"topic read {base}/#",
        f"topic write {base}/+/cmd/+",
        "topic readwrite homeassistant/#",
    ]
    return "\n".join(lines) + "\n"


def write_files(directory: Path, *, port: int = 8883, base: str = "driftline") -> list[Path]:
    """Write both files into ``directory``, made if missing; return where they are."""
    Topics(base)  # a base that is none would make rules that match nothing
    directory.mkdir(parents=True, exist_ok=True)
    written = [directory / CONFIG_NAME, directory / ACL_NAME]
    for path, text in zip(written, (config(port=port), acl(base=base)), strict=True):
        path.write_text(text, encoding="utf-8")
    return written
