"""The registry of everything that is sent over MQTT: one row for each topic of the contract.

QoS, retain and expiry stand here and nowhere else; the AsyncAPI document is generated from these rows, the agent and
the fleet side publish and subscribe by them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from edge_models.wire.command import Command, Feedback, Reply
from edge_models.wire.drift import DriftReport
from edge_models.wire.files import FileBlock, FileGet
from edge_models.wire.predictions import Prediction, SampleMessage
from edge_models.wire.telemetry import Event, Meta, State, Stats
from edge_models.wire.topics import GROUP_DESIRED, CommandVerb
from edge_models.wire.update import Desired, GroupDesired, ModelRequest, ModelState, UpdateEntity

KIB = 1024
MINUTE_S = 60
DAY_S = 24 * 60 * MINUTE_S
WILL_DELAY_S = 10  # a reconnect within it is no outage
STATE_INTERVAL_S = 30
MAX_PACKET_BYTES = 64 * KIB


class Direction(StrEnum):
    """Which way a message goes."""

    UP = "up"  # from the device
    DOWN = "down"  # to the device


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageChannel:
    """How one kind of message is sent.

    Attributes:
        name: The kind, as in ``Topics.parse(topic).kind``.
        template: The topic with ``{base}`` and ``{id}``, or ``{group}``, or ``{prefix}``.
        direction: From the device, or to it.
        qos: MQTT's quality of service.
        retain: Whether the broker keeps the last one; an empty payload then clears it.
        expiry_s: MQTT 5 message expiry interval; None for never.
        message: The payload's class; None for a plain or foreign payload.
        max_bytes: Longer payloads are neither sent nor read.
        doc: What it is for, one sentence.
    """

    name: str
    template: str
    direction: Direction
    qos: Literal[0, 1]
    retain: bool
    expiry_s: int | None
    message: type | None
    max_bytes: int
    doc: str


def _row(
    name: str,
    direction: Direction,
    qos: Literal[0, 1],
    *,
    retain: bool,
    expiry_s: int | None,
    message: type | None,
    max_bytes: int,
    doc: str,
    template: str | None = None,
) -> MessageChannel:
    return MessageChannel(
        name=name,
        template=template or "{base}/{id}/" + name,
        direction=direction,
        qos=qos,
        retain=retain,
        expiry_s=expiry_s,
        message=message,
        max_bytes=max_bytes,
        doc=doc,
    )


_UP, _DOWN = Direction.UP, Direction.DOWN
_VERB_DOCS = {
    CommandVerb.CHECK: "Look for a model now.",
    CommandVerb.INSTALL: "Install what the channel names, also while updates are held.",
    CommandVerb.ROLLBACK: "Go back to the last known good model.",
    CommandVerb.SNAPSHOT: "Send state, drift and model/state now.",
    CommandVerb.REBASELINE: "Learn the present input as one more context of the reference (args: as, forget)."
    " With forget, those learnt before go.",
    CommandVerb.DISMISS: "Close the open model request (args: benign, as). With benign, drifts like this one never ask;"
    " with benign false that is taken back.",
    CommandVerb.HOLD: "Start no updates (args: on).",
    CommandVerb.UNDO: "Go back to what was learnt on the device before, or to nothing learnt.",
    CommandVerb.SAMPLES: "Deliver inputs worth a label, or wipe those kept (args: do=deliver|wipe, n).",
    CommandVerb.RESEND: "Send durable messages again that never arrived, as far as they are kept"
    " (args: kind=event|stats, boot, first, last).",
}

CHANNELS: tuple[MessageChannel, ...] = (
    _row("status", _UP, 1, retain=True, expiry_s=None, message=None, max_bytes=16,
         doc="Plain online or offline; the last will says offline."),
    _row("meta", _UP, 1, retain=True, expiry_s=None, message=Meta, max_bytes=8 * KIB,
         doc="What the device is."),
    _row("state", _UP, 0, retain=True, expiry_s=3 * STATE_INTERVAL_S, message=State, max_bytes=4 * KIB,
         doc="How the device is doing; expires after three reporting intervals."),
    _row("stats", _UP, 1, retain=False, expiry_s=7 * DAY_S, message=Stats, max_bytes=2 * KIB,
         doc="Durable rows, one for each window of frames."),
    _row("drift", _UP, 1, retain=True, expiry_s=None, message=DriftReport, max_bytes=8 * KIB,
         doc="The verdict on drift."),
    _row("event", _UP, 1, retain=False, expiry_s=7 * DAY_S, message=Event, max_bytes=4 * KIB,
         doc="What an operator may want to know."),
    _row("prediction", _UP, 0, retain=False, expiry_s=MINUTE_S, message=Prediction, max_bytes=KIB,
         doc="Single predictions; optional and rate-limited."),
    _row("sample", _UP, 1, retain=False, expiry_s=DAY_S, message=SampleMessage, max_bytes=MAX_PACKET_BYTES,
         doc="Inputs worth labelling; opt-in and budgeted."),
    _row("model/update", _UP, 1, retain=True, expiry_s=None, message=UpdateEntity, max_bytes=4 * KIB,
         doc="Home Assistant's update entity."),
    _row("model/state", _UP, 1, retain=True, expiry_s=None, message=ModelState, max_bytes=4 * KIB,
         doc="The update machine."),
    _row("model/request", _UP, 1, retain=True, expiry_s=None, message=ModelRequest, max_bytes=8 * KIB,
         doc="The open request for a model; empty when there is none."),
    _row("file/get", _UP, 0, retain=False, expiry_s=MINUTE_S, message=FileGet, max_bytes=KIB,
         doc="Asks for blocks of a registry's file, where only the broker can be reached."),
    _row("file/block", _DOWN, 0, retain=False, expiry_s=MINUTE_S, message=FileBlock, max_bytes=32 * KIB,
         doc="One block of a file, or why there is none."),
    _row("desired", _DOWN, 1, retain=True, expiry_s=None, message=Desired, max_bytes=4 * KIB,
         doc="The bundle that the device should run; a hint, checked against the signed channel."),
    _row("feedback", _DOWN, 1, retain=False, expiry_s=DAY_S, message=Feedback, max_bytes=KIB,
         doc="True labels of predictions."),
    *(
        _row(f"cmd/{verb}", _DOWN, 1, retain=False, expiry_s=300, message=Command, max_bytes=8 * KIB,
             doc=f"{_VERB_DOCS[verb]} A retained or oversize command is refused.")
        for verb in CommandVerb
    ),
    *(
        _row(f"reply/{verb}", _UP, 1, retain=False, expiry_s=300, message=Reply, max_bytes=4 * KIB,
             doc=f"What became of cmd/{verb}.")
        for verb in CommandVerb
    ),
    _row(GROUP_DESIRED, _DOWN, 1, retain=True, expiry_s=None, message=GroupDesired, max_bytes=4 * KIB,
         template="{base}/group/{group}/desired", doc="As desired, for a share of a group's devices."),
    _row("discovery", _UP, 1, retain=True, expiry_s=None, message=None, max_bytes=32 * KIB,
         template="{prefix}/device/{id}/config", doc="Home Assistant's discovery payload."),
)  # fmt: skip

_BY_NAME = {channel.name: channel for channel in CHANNELS}


def channel_named(name: str) -> MessageChannel:
    """The row of one kind; KeyError for a kind that does not exist, which is the caller's mistake."""
    return _BY_NAME[name]
