"""paho in one place, imported without what it does not need here, and with a thread that does not end without a word.

paho catches what sockets raise. Whatever else ends its thread (a host name that is none, no memory) would leave a
connection that nobody mends, and that does not say so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from agent.lean_import import without

with without("urllib.request", unless="socks"):
    from paho.mqtt import client as paho
    from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

__all__ = ["PacketTypes", "PahoClient", "Properties", "ReasonCode", "paho", "properties"]

log = logging.getLogger(__name__)


class PahoClient(paho.Client):
    """A client of paho's.

    Args:
        device: Client id.
        protocol: Version of MQTT.
        session: Further arguments of paho's.
        on_end: Called in paho's thread with what ended it; the connection is of no use any more.
    """

    def __init__(
        self,
        device: str,
        protocol: MQTTProtocolVersion,
        session: dict[str, Any],
        on_end: Callable[[PahoClient, Exception], None],
    ) -> None:
        super().__init__(CallbackAPIVersion.VERSION2, client_id=device, protocol=protocol, **session)
        self.suppress_exceptions = True  # a raising callback would end the thread, too
        self._on_end = on_end

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:  # noqa: FBT001, FBT002 - paho's
        """What paho's thread does."""
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except Exception as exc:
            log.debug("thread of the connection ended", exc_info=True)
            self._on_end(self, exc)
            return MQTTErrorCode.MQTT_ERR_UNKNOWN


def properties(packet_type: int) -> Properties:
    """Properties of a packet of MQTT 5."""
    return Properties(packet_type)  # type: ignore[no-untyped-call]
