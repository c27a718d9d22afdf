"""Tells devices something at once, and waits for what they reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deploy.clock import Clock
from deploy.link import Link
from edge_models.errors import FieldError
from edge_models.wire import Command, CommandVerb, Reply, Topics, channel_named, decode_message, encode_message
from edge_models.wire.values import Scalar

_RECEIVE_S = 0.1


def reply_subscriptions(topics: Topics, devices: Sequence[str], verb: CommandVerb) -> list[tuple[str, int]]:
    """Topic filters, each with its QoS, that a link needs before ``tell``."""
    return [(topics.reply(device, verb), channel_named(f"reply/{verb}").qos) for device in devices]


def tell(
    link: Link,
    topics: Topics,
    devices: Sequence[str],
    verb: CommandVerb,
    args: Mapping[str, Scalar],
    *,
    identity: str,
    timeout_s: float,
    clock: Clock,
) -> dict[str, Reply | None]:
    """Send a command to devices, and return the reply of each: None of one that did not answer in time.

    Args:
        link: Connected, with ``reply_subscriptions``.
        topics: Below the fleet's base topic.
        devices: Their ids.
        verb: What to do.
        args: How.
        identity: Of this command; a device does it once.
        timeout_s: How long to wait for all replies together.
        clock: Measures that.
    """
    channel = channel_named(f"cmd/{verb}")
    payload = encode_message(Command(id=identity, args=dict(args)))
    for device in devices:
        topic = topics.command(device, verb)
        link.publish(topic, payload, qos=channel.qos, retain=channel.retain, expiry_s=int(timeout_s) + 1)
    replies: dict[str, Reply | None] = dict.fromkeys(devices)
    deadline_s = clock.monotonic_s() + timeout_s
    while None in replies.values() and clock.monotonic_s() < deadline_s:
        deliveries = link.receive(_RECEIVE_S)
        link.acknowledge(deliveries)
        for delivery in deliveries:
            owner, reply = topics.parse(delivery.topic).owner, _reply(delivery.payload)
            if owner in replies and reply is not None and reply.id == identity:
                replies[owner] = reply
    return replies


def _reply(payload: bytes) -> Reply | None:
    try:
        return decode_message(Reply, payload)
    except FieldError:
        return None
