"""Topic names: how they are built, and whose message one is.

What is sent on them is in ``channels``. A device may publish only below its own id, so the id in a topic is as
trustworthy as the broker's access list makes it.

    >>> topics = Topics()
    >>> topics.state(DeviceId("pi7-cam"))
    'driftline/pi7-cam/state'
    >>> topics.parse("driftline/pi7-cam/model/request")
    Address(owner='pi7-cam', kind='model/request')
    >>> topics.parse("driftline/group/south/desired")
    Address(owner='south', kind='group/desired')
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from edge_models.errors import FieldError
from edge_models.wire.values import DEVICE_ID, DeviceId

BASE = "driftline"
DISCOVERY_PREFIX = "homeassistant"
RESERVED_IDS = frozenset({"group", "all"})  # "group" is a level of its own, "all" is kept for later
GROUP_DESIRED = "group/desired"


class CommandVerb(StrEnum):
    """What a device can be told to do at once; the last level of a command's topic."""

    CHECK = "check"
    INSTALL = "install"
    ROLLBACK = "rollback"
    SNAPSHOT = "snapshot"
    REBASELINE = "rebaseline"
    DISMISS = "dismiss"
    HOLD = "hold"
    UNDO = "undo"
    SAMPLES = "samples"
    RESEND = "resend"


KINDS = (
    "status",
    "meta",
    "state",
    "stats",
    "drift",
    "event",
    "prediction",
    "sample",
    "model/update",
    "model/state",
    "model/request",
    "file/get",
    "file/block",
    "desired",
    "feedback",
    *(f"cmd/{verb}" for verb in CommandVerb),
    *(f"reply/{verb}" for verb in CommandVerb),
)


class Address(NamedTuple):
    """Whose message a topic carries, and of which kind.

    Attributes:
        owner: The device's id; for kind ``group/desired`` the group's name.
        kind: The rest of the topic, one of ``KINDS`` or ``group/desired``.
    """

    owner: DeviceId
    kind: str


def device_id(text: str, *, where: str = "id") -> DeviceId:
    """Check a device id or group name.

    Raises:
        FieldError: It does not fit into a topic, or is reserved.
    """
    if not re.fullmatch(DEVICE_ID, text) or text in RESERVED_IDS:
        raise FieldError(
            where, repr(text[:60]), f"1 to 40 of a-z, 0-9 and '-', other than {' and '.join(sorted(RESERVED_IDS))}"
        )
    return DeviceId(text)


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics below one base topic; MQTT's own wildcard ``+`` in the place of an id makes a subscription filter."""

    base: str = BASE

    def __post_init__(self) -> None:
        """Refuse a base that would change the number of levels or their meaning."""
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,60}(/[A-Za-z0-9_.-]{1,60}){0,3}", self.base):
            raise ValueError(f"base topic {self.base!r} is not one to four levels of letters, digits, '_', '.' and '-'")

    def of(self, device: str, kind: str) -> str:
        """The topic of ``kind`` for one device, or for all with ``+``.

        Raises:
            ValueError: There is no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"no kind {kind!r}, only {', '.join(KINDS)}")
        return f"{self.base}/{device}/{kind}"

    def status(self, device: str) -> str:
        """Plain ``online`` or ``offline``; the last will is sent here."""
        return self.of(device, "status")

    def meta(self, device: str) -> str:
        """What the device is."""
        return self.of(device, "meta")

    def state(self, device: str) -> str:
        """How it is doing now."""
        return self.of(device, "state")

    def stats(self, device: str) -> str:
        """Durable window rows."""
        return self.of(device, "stats")

    def drift(self, device: str) -> str:
        """The verdict on drift."""
        return self.of(device, "drift")

    def event(self, device: str) -> str:
        """What an operator may want to know."""
        return self.of(device, "event")

    def prediction(self, device: str) -> str:
        """Single predictions."""
        return self.of(device, "prediction")

    def sample(self, device: str) -> str:
        """Inputs worth labelling."""
        return self.of(device, "sample")

    def model_update(self, device: str) -> str:
        """Home Assistant's ``update`` entity."""
        return self.of(device, "model/update")

    def model_state(self, device: str) -> str:
        """The update machine."""
        return self.of(device, "model/state")

    def model_request(self, device: str) -> str:
        """The open request for a model, or an empty payload."""
        return self.of(device, "model/request")

    def file_get(self, device: str) -> str:
        """A question for blocks of a registry's file."""
        return self.of(device, "file/get")

    def file_block(self, device: str) -> str:
        """The answer, block by block."""
        return self.of(device, "file/block")

    def desired(self, device: str) -> str:
        """Which bundle the fleet side would like the device to run."""
        return self.of(device, "desired")

    def feedback(self, device: str) -> str:
        """True labels."""
        return self.of(device, "feedback")

    def command(self, device: str, verb: CommandVerb | str) -> str:
        """A command; ``+`` as the verb subscribes to all."""
        return f"{self.base}/{device}/cmd/+" if verb == "+" else self.of(device, f"cmd/{verb}")

    def reply(self, device: str, verb: CommandVerb | str) -> str:
        """The answer to a command; ``+`` as the verb subscribes to all."""
        return f"{self.base}/{device}/reply/+" if verb == "+" else self.of(device, f"reply/{verb}")

    def group_desired(self, group: str) -> str:
        """As ``desired``, for a share of a group."""
        return f"{self.base}/group/{group}/desired"

    def parse(self, topic: str) -> Address:
        """Find out whose message it is and of which kind.

        Raises:
            FieldError: The topic is not one of the contract's.
        """
        rest = topic.removeprefix(f"{self.base}/")
        owner, _, kind = rest.partition("/")
        if owner == "group":
            owner, _, kind = kind.partition("/")
            kind, known = GROUP_DESIRED, kind == "desired"
        else:
            known = kind in KINDS
        if rest == topic or not known:
            raise FieldError("topic", repr(topic[:120]), f"{self.base}/ID/KIND with one of the contract's kinds")
        return Address(device_id(owner, where="topic"), kind)


def discovery_topic(device: str, *, prefix: str = DISCOVERY_PREFIX) -> str:
    """Where Home Assistant looks for the device; retained, and an empty payload removes it."""
    return f"{prefix}/device/{device}/config"


def discovery_status_topic(*, prefix: str = DISCOVERY_PREFIX) -> str:
    """Where Home Assistant says ``online`` after a start, which is when discovery has to be sent again."""
    return f"{prefix}/status"
