"""A link without a broker: a list."""

from __future__ import annotations

from dataclasses import dataclass, field

from deploy.link import Delivery


@dataclass
class FakeLink:
    """What the controller uses of deploy.link.Link."""

    waiting: list[Delivery] = field(default_factory=list)
    acknowledged: list[Delivery] = field(default_factory=list)
    published: list[tuple[str, bytes, bool]] = field(default_factory=list)
    is_connected: bool = True
    connections: int = 1

    def receive(self, _timeout_s: float) -> list[Delivery]:
        found, self.waiting = self.waiting, []
        return found

    def acknowledge(self, deliveries: list[Delivery]) -> None:
        self.acknowledged += deliveries

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, expiry_s: int | None = None) -> None:
        self.published.append((topic, payload, retain))
