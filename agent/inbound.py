"""What comes from the broker, checked: bytes in, events for the core out, and everything else counted and dropped.

A command that is retained or too long is refused: it would be carried out again on every connect. The first wrong
message of a kind is reported, the others only counted, so that a broken sender cannot flood log and broker.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter

from agent import ipc
from agent.config import AgentConfig, MqttSource
from agent.core import events as ev
from agent.core.records import Now
from agent.link_events import Message
from edge_models.errors import FieldError
from edge_models.wire.channels import channel_named
from edge_models.wire.codec import decode_message
from edge_models.wire.command import Command, Feedback
from edge_models.wire.discovery import ONLINE_BIRTH
from edge_models.wire.files import FileBlock
from edge_models.wire.topics import GROUP_DESIRED, CommandVerb, Topics, discovery_status_topic
from edge_models.wire.update import Desired, GroupDesired

log = logging.getLogger(__name__)

MAX_BLOCKS_PER_SECOND = 300  # of files, 4.8 MB; reading one takes a tenth of a millisecond on a workstation
MAX_PER_SECOND = 50  # contract messages, and as many labels: whoever sends those must not keep a command out


class Inbound:
    """Turns messages into events.

    Args:
        config: Of the agent.
    """

    def __init__(self, config: AgentConfig) -> None:
        self._config = config
        self._topics = Topics(config.mqtt.base)
        self._source = config.source if isinstance(config.source, MqttSource) else None
        takes_blocks = config.update is not None and config.update.over == "mqtt"
        self._blocks = self._topics.file_block(config.id) if takes_blocks else None
        self._block_second = self._blocks_in_second = 0
        self._births = discovery_status_topic(prefix=config.homeassistant.prefix)
        self._second = 0
        self._in_second: Counter[bool] = Counter()  # labels, and all the rest
        self._frames = 0
        self.refused: Counter[str] = Counter()

    @property
    def subscriptions(self) -> list[str]:
        """Topic filters that this device needs."""
        device, topics = self._config.id, self._topics
        wanted = [topics.desired(device), topics.feedback(device), topics.command(device, "+")]
        wanted += [topics.group_desired(group) for group in self._config.groups]
        if self._config.homeassistant.enabled:
            wanted.append(self._births)
        if self._source is not None:
            wanted.append(self._source.topic)
        if self._blocks is not None:
            wanted.append(self._blocks)
        return wanted

    def is_birth(self, message: Message) -> bool:
        """Whether Home Assistant has just started and wants to be told of devices again."""
        return message.topic == self._births and message.payload == ONLINE_BIRTH

    def frame(self, message: Message) -> ipc.FrameIn | None:
        """The message for the worker, when this is a frame of the ``mqtt`` source; the payload is its body."""
        if self._source is None or message.topic != self._source.topic or message.retained:
            return None
        position, self._frames = self._frames, self._frames + 1
        return ipc.FrameIn(origin="mqtt", encoding=self._source.encoding, position=position)

    def lost(self, count: int) -> None:
        """So many messages since the start found no room to wait for the loop."""
        if count > self.refused["overflow"]:
            level = logging.DEBUG if self.refused["overflow"] else logging.WARNING
            log.log(level, "messages dropped, they came faster than they could be read dropped=%d", count)
            self.refused["overflow"] = count

    def block(self, message: Message, now: Now) -> FileBlock | None:
        """A block of a registry's file; one that is dropped is counted, and asked for again by whoever waits for it."""
        if message.topic != self._blocks:
            return None
        second = int(now.monotonic_s)
        self._blocks_in_second = self._blocks_in_second + 1 if second == self._block_second else 1
        self._block_second = second
        is_one = not message.retained and len(message.payload) <= channel_named("file/block").max_bytes
        if is_one and self._blocks_in_second <= MAX_BLOCKS_PER_SECOND:
            with contextlib.suppress(FieldError):
                return decode_message(FileBlock, message.payload)
        self.refused["file/block"] += 1
        return None

    def event(self, message: Message, now: Now) -> ev.Event | None:
        """The event for the core, or None when the message is to be dropped."""
        if message.topic in (self._births, self._blocks) or (
            self._source is not None and message.topic == self._source.topic
        ):
            return None
        kind = "unknown"
        try:
            kind = self._kind(message)
            self._check(kind, message, now)
            return self._decode(kind, message)
        except FieldError as exc:
            self.refused[kind] += 1
            if self.refused[kind] > 1:
                return None
            log.warning("message refused kind=%s reason=%s", kind, exc)
            return ev.MessageRefused(kind=kind, reason=str(exc)[:300])

    def _kind(self, message: Message) -> str:
        address = self._topics.parse(message.topic)
        mine = self._config.groups if address.kind == GROUP_DESIRED else (self._config.id,)
        if address.owner not in mine:  # the broker's session may still hold a subscription of yesterday
            raise FieldError("topic", f"a message for {address.owner}", f"one for {' or '.join(mine) or 'no group'}")
        return address.kind

    def _check(self, kind: str, message: Message, now: Now) -> None:
        limit = channel_named(kind).max_bytes
        if len(message.payload) > limit:
            raise FieldError(kind, f"{len(message.payload)} bytes", f"at most {limit} bytes")
        if message.retained and kind not in ("desired", GROUP_DESIRED):
            raise FieldError(kind, "a retained message", "one sent without retain, or every connect would repeat it")
        second = int(now.monotonic_s)
        if second != self._second:
            self._second = second
            self._in_second.clear()
        self._in_second[kind == "feedback"] += 1
        if self._in_second[kind == "feedback"] > MAX_PER_SECOND:
            raise FieldError(kind, f"more than {MAX_PER_SECOND} messages in a second", "fewer")

    def _decode(self, kind: str, message: Message) -> ev.Event:
        payload = message.payload
        if kind == "desired":
            return ev.DesiredSeen(desired=decode_message(Desired, payload) if payload else None)
        if kind == GROUP_DESIRED:
            group = self._topics.parse(message.topic).owner
            hint = decode_message(GroupDesired, payload) if payload else None
            return ev.GroupDesiredSeen(group=group, desired=hint)
        if kind == "feedback":
            return ev.FeedbackSeen(feedback=decode_message(Feedback, payload))
        verb = kind.removeprefix("cmd/")
        if verb == kind:
            raise FieldError("topic", f"a message of kind {kind}", "one that is sent to devices")
        return ev.CommandSeen(verb=CommandVerb(verb), command=decode_message(Command, payload or b"{}"))
