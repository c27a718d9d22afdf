"""The signed channel document: which bundles may run, and which of them a device should choose.

It is a TUF target, ``channels/<model>/<channel>.json``, signed by a delegated online role. MQTT only hints; this file
holds the rule that turns channel and hint into a choice. No IO here: fetching and trusting is the update client's.

    >>> new, old = "b" * 64, "a" * 64
    >>> channel = Channel(model="digits", channel="stable", rev=2, bundle=new, base=old, percent=0,
    ...                   listed={old: 1, new: 2})
    >>> choose(channel, "pi7-cam", None, current_serial=1).bundle == old
    True
    >>> choose(channel, "pi7-cam", Desired(rev=1, bundle=new), current_serial=1).bundle == new
    True
    >>> choose(channel, "pi7-cam", Desired(rev=1, bundle="c" * 64), current_serial=1).refused
    'desired names cccccccccccc, which channel stable rev 2 does not list'
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from edge_models.fields import canonical_json, decode_json, described
from edge_models.manifest import MANIFEST_NAME, MODEL_NAME, SHA256, BundleId, short
from edge_models.wire.update import Desired, GroupDesired
from edge_models.wire.values import MAX_INT

MAX_CHANNEL_BYTES = 256 * 1024
MAX_LISTED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One channel of one model."""

    v: int = described("Version of the document; a reader refuses others.", default=1, ge=1, le=1)
    model: str = described("The model slot.", pattern=MODEL_NAME)
    channel: str = described("The channel's name.", pattern=MODEL_NAME)
    rev: int = described("Rises by one with every change.", ge=0, le=MAX_INT)
    bundle: BundleId = described("What devices inside percent run.", pattern=SHA256)
    base: BundleId | None = described(
        "What the others run; null leaves them as they are.", default=None, pattern=SHA256
    )
    percent: int = described("Share of devices that run bundle.", default=100, ge=0, le=100)
    seed: str = described("Which devices are the first ones.", default="", max_length=64)
    min_serial: int = described("Bundles below it must no longer be started.", default=1, ge=1, le=MAX_INT)
    listed: dict[BundleId, int] = described(
        "Serial of every bundle that may run, bundle and base among them.", max_length=MAX_LISTED, ge=1, le=MAX_INT
    )

    def __post_init__(self) -> None:
        """Refuse a document that contradicts itself."""
        for key in self.listed:
            if not re.fullmatch(SHA256, key):
                raise ValueError(f"bundle ids (64 hex digits) as keys of listed, not {key[:80]!r}")
        for name in (self.bundle, self.base):
            if name is not None and self.listed.get(name, 0) < self.min_serial:
                raise ValueError(f"bundle {short(name)} in listed with a serial of at least {self.min_serial}")

    def to_bytes(self) -> bytes:
        """The target's content."""
        return canonical_json(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Channel:
        """Read a target's content, whose signature has been checked.

        Raises:
            FieldError: It is not a channel document.
        """
        return decode_json(cls, data, max_bytes=MAX_CHANNEL_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a device should run.

    Attributes:
        bundle: The bundle; None leaves it as it is.
        refused: Why the hint was not followed, one sentence; None if it was, or there was none.
        downgrade: Whether the choice is older than what runs, which the channel allows.
    """

    bundle: BundleId | None
    refused: str | None = None
    downgrade: bool = False


def channel_target(model: str, channel: str) -> str:
    """TUF target path of a channel document."""
    return f"channels/{model}/{channel}.json"


def manifest_target(bundle: str) -> str:
    """TUF target path of a bundle's manifest; its blobs lie beside it and are no targets."""
    return f"{bundle}/{MANIFEST_NAME}"


def takes_part(seed: str, device_id: str, percent: int) -> bool:
    """Whether a device is among the first ``percent`` of a hundred; the same device for every larger share too.

    >>> takes_part("wave", "pi7-cam", 100), takes_part("wave", "pi7-cam", 0)
    (True, False)
    """
    return int.from_bytes(hashlib.sha256((seed + device_id).encode()).digest(), "big") % 100 < percent


def effective_hint(device_id: str, own: Desired | None, groups: Iterable[GroupDesired]) -> Desired | None:
    """The hint that counts: a device's own beats those of its groups, of which the highest rev wins.

    Args:
        device_id: The device.
        own: What its own ``desired`` topic holds.
        groups: What the topics of its groups hold.
    """
    if own is not None:
        return own
    meant = [hint for hint in groups if takes_part(hint.seed, device_id, hint.percent)]
    return max(meant, key=lambda hint: hint.rev, default=None)


def choose(
    channel: Channel,
    device_id: str,
    hint: Desired | None,
    current_serial: int | None,
) -> Choice:
    """Decide what a device should run.

    A hint is obeyed only if the channel lists its bundle with a serial of at least ``min_serial``; otherwise the device
    follows the channel. So an older bundle runs only where the signed channel still stands by it. The last good bundle
    is no exception: a device goes back to it by itself or by ``cmd/rollback``, never because a hint names it.

    Args:
        channel: The signed document.
        device_id: The device.
        hint: From MQTT, or None.
        current_serial: Serial of the running bundle; None when nothing runs.
    """
    inside = takes_part(channel.seed, device_id, channel.percent)
    followed = channel.bundle if inside else channel.base
    if hint is None:
        return Choice(bundle=followed, downgrade=_is_older(channel, followed, current_serial))
    reason = _refusal(channel, hint.bundle)
    if reason is None:
        return Choice(bundle=hint.bundle, downgrade=_is_older(channel, hint.bundle, current_serial))
    return Choice(bundle=followed, refused=reason, downgrade=_is_older(channel, followed, current_serial))


def _refusal(channel: Channel, bundle: BundleId) -> str | None:
    where = f"channel {channel.channel} rev {channel.rev}"
    serial = channel.listed.get(bundle)
    if serial is None:
        return f"desired names {short(bundle)}, which {where} does not list"
    if serial < channel.min_serial:
        return f"desired names {short(bundle)} with serial {serial}, {where} wants at least {channel.min_serial}"
    return None


def _is_older(channel: Channel, bundle: BundleId | None, current_serial: int | None) -> bool:
    if bundle is None or current_serial is None:
        return False
    return channel.listed.get(bundle, 0) < current_serial
