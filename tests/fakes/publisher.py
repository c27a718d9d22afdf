"""A broker that is a list: the port through which the agent publishes."""

from __future__ import annotations


class FakePublisher:
    """An ``agent.delivery.Publisher``: takes what is handed over while it is up.

    Attributes:
        up: Whether there is a connection.
        sent: What was handed over: kind, payload, QoS, retain.
    """

    def __init__(self) -> None:
        self.up = True
        self.sent: list[tuple[str, bytes, int, bool]] = []

    @property
    def topics(self) -> list[str]:
        """Kinds of what was handed over."""
        return [topic for topic, *_ in self.sent]

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: float | None) -> int | None:
        """As the port has it; the mid is the place in ``sent``, counted from 1."""
        if not self.up:
            return None
        self.sent.append((topic.removeprefix("driftline/pi-1/"), payload, qos, retain))
        return len(self.sent)
