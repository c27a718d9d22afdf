"""The MQTT contract: topics, messages and how each is sent.

The dataclasses here are the source; ``asyncapi.yaml`` and ``schemas/`` are generated from them by
``python -m edge_models.wire``, and a test compares. Standard library only: the supervisor imports this.
"""

from __future__ import annotations

from edge_models.wire.channels import CHANNELS, Direction, MessageChannel, channel_named
from edge_models.wire.codec import decode_message, decode_payload, encode_message
from edge_models.wire.command import Command, Feedback, Reply
from edge_models.wire.drift import DriftReport
from edge_models.wire.predictions import Prediction, SampleMessage, SampleReason
from edge_models.wire.telemetry import (
    DriftLevel,
    DriftState,
    Event,
    EventType,
    Meta,
    Severity,
    State,
    Stats,
    Status,
)
from edge_models.wire.topics import Address, CommandVerb, Topics, device_id, discovery_status_topic, discovery_topic
from edge_models.wire.update import (
    Desired,
    Evidence,
    GroupDesired,
    LastResult,
    ModelRequest,
    ModelState,
    ModelVersion,
    RequestReason,
    UpdateEntity,
    UpdateError,
    UpdatePhase,
)
from edge_models.wire.values import DeviceId, Timestamp, timestamp, unix_time_s

__all__ = [
    "CHANNELS",
    "Address",
    "Command",
    "CommandVerb",
    "Desired",
    "DeviceId",
    "Direction",
    "DriftLevel",
    "DriftReport",
    "DriftState",
    "Event",
    "EventType",
    "Evidence",
    "Feedback",
    "GroupDesired",
    "LastResult",
    "MessageChannel",
    "Meta",
    "ModelRequest",
    "ModelState",
    "ModelVersion",
    "Prediction",
    "Reply",
    "RequestReason",
    "SampleMessage",
    "SampleReason",
    "Severity",
    "State",
    "Stats",
    "Status",
    "Timestamp",
    "Topics",
    "UpdateEntity",
    "UpdateError",
    "UpdatePhase",
    "channel_named",
    "decode_message",
    "decode_payload",
    "device_id",
    "discovery_status_topic",
    "discovery_topic",
    "encode_message",
    "timestamp",
    "unix_time_s",
]
