"""Telling systemd how the service is doing: the protocol of sd_notify(3), which is a datagram of KEY=VALUE lines.

Where nobody listens (a shell, a container, another init) nothing is sent, and nothing else changes.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import MutableMapping

_MICROSECONDS = 1e-6


class Systemd:
    """The socket that systemd listens on.

    Args:
        address: Path, or ``@`` and an abstract name, as NOTIFY_SOCKET gives it; None for nobody.
        watchdog_s: Time within which WATCHDOG=1 has to come again; None for never.
    """

    def __init__(self, address: str | None = None, *, watchdog_s: float | None = None) -> None:
        self.watchdog_s = watchdog_s if address else None
        self._address = "\0" + address[1:] if address and address.startswith("@") else address

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str], pid: int) -> Systemd:
        """What systemd told this process; the variables are taken away, so that no child speaks for it.

        Args:
            environment: ``os.environ``.
            pid: Of this process; a watchdog that is meant for another one is none.
        """
        address = environment.pop("NOTIFY_SOCKET", None)
        period = environment.pop("WATCHDOG_USEC", "")
        meant_for = environment.pop("WATCHDOG_PID", str(pid))
        is_ours = meant_for == str(pid) and period.isdecimal() and int(period) > 0
        return cls(address, watchdog_s=int(period) * _MICROSECONDS if is_ours else None)

    def tell(self, **assignments: str) -> None:
        """Send these assignments, such as READY="1"; what does not get through is lost, for the next one may."""
        if not self._address:
            return
        lines = "\n".join(f"{key}={' '.join(value.split())}" for key, value in assignments.items())
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.settimeout(0.0)
            sender.sendto(lines.encode(), self._address)
