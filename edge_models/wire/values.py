"""Kinds of values that several messages share: times, counts, durations, identities.

Times are RFC 3339 UTC text on the wire because consoles show payloads as they are; ``null`` says that the sender's
clock is not synchronised, which happens on every boot of a board without a real-time clock.
"""

# ruff: noqa: ANN401 - what dataclasses.field returns has no static type that fits every annotation

from __future__ import annotations

from dataclasses import MISSING
from datetime import UTC, datetime
from typing import Any, NewType

from edge_models.fields import described
from edge_models.manifest import SHA256
from edge_models.scalars import shown

VERSION = 1  # of the payloads: new fields keep it, a breaking change takes a new base topic
MAX_INT = 2**53 - 1  # RFC 8259 section 6: integers up to here survive every JSON reader
DEVICE_ID = r"[a-z0-9-]{1,40}"
MESSAGE_ID = r"[A-Za-z0-9._:-]{1,80}"
CODE = r"[a-z0-9_]{1,40}"
PROFILE_ID = r"[0-9a-f]{16}"
RFC3339_UTC = (
    r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z"
)

DeviceId = NewType("DeviceId", str)
"""Name of one agent instance: certificate CN = MQTT username = client id."""

Timestamp = NewType("Timestamp", str)
"""RFC 3339 UTC with ``Z``, such as 2026-11-22T08:30:00.250Z."""

Scalar = bool | int | float | str | None
"""What an open mapping may hold: nothing nested, so that a console can show it as one line."""


def timestamp(unix_s: float) -> Timestamp:
    """The wire form of a time, in milliseconds.

    >>> timestamp(1795336200.25)
    '2026-11-22T08:30:00.250Z'
    """
    return Timestamp(datetime.fromtimestamp(unix_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def unix_time_s(time: Timestamp) -> float:
    """Seconds since 1970 of a time that a message carries; ValueError for a day that no calendar has.

    >>> unix_time_s(Timestamp("2026-11-22T08:30:00.250Z"))
    1795336200.25
    """
    return datetime.fromisoformat(time).timestamp()


def check_times(*times: Timestamp | None) -> None:
    """Refuse what looks like a time and is none, such as 30 February; the decoder checks only the pattern.

    Raises:
        ValueError: One of them is not on the calendar.
    """
    for time in times:
        if time is not None:
            try:
                unix_time_s(time)
            except (ValueError, OverflowError) as exc:
                raise ValueError(f"an RFC 3339 UTC time, not {shown(time)} ({exc})") from exc


def version_field() -> Any:
    """The ``v`` of a message."""
    return described("Version of the payload; a reader refuses others.", default=VERSION, ge=VERSION, le=VERSION)


def time_field(doc: str, *, default: Any = MISSING) -> Any:
    """A time, or null where the type allows it."""
    return described(doc, default=default, pattern=RFC3339_UTC)


def sent_field() -> Any:
    """The ``ts`` of a device's message: it must be there, so a device says openly that it does not know the time."""
    return time_field("When it was sent; null while the sender's clock is not synchronised.")


def received_field() -> Any:
    """The ``ts`` of a message to a device, which people also write by hand."""
    return time_field("When it was sent, if the sender says.", default=None)


def up_field() -> Any:
    """The ``up`` of a message: orders a device's messages when ``ts`` is null."""
    return described("Monotonic seconds since the agent started.", ge=0)


def count_field(doc: str, *, default: Any = MISSING) -> Any:
    """A number of things, or of bytes."""
    return described(doc, default=default, ge=0, le=MAX_INT)


def measure_field(doc: str, *, default: Any = MISSING) -> Any:
    """A measured quantity that cannot be negative; its unit is in the field's name."""
    return described(doc, default=default, ge=0)


def share_field(doc: str, *, default: Any = MISSING) -> Any:
    """A share, probability or distance between 0 and 1."""
    return described(doc, default=default, ge=0, le=1)


def shares_field(doc: str, *, max_length: int) -> Any:
    """Shares of 1, or distances up to 1, by name; none unless given."""
    return described(doc, default_factory=dict, max_length=max_length, ge=0, le=1)


def bundle_field(doc: str, *, default: Any = MISSING) -> Any:
    """The digest of a bundle."""
    return described(doc, default=default, pattern=SHA256)


def id_field(doc: str, *, default: Any = MISSING) -> Any:
    """The id of a message, a request or a rollout."""
    return described(doc, default=default, pattern=MESSAGE_ID)


def text_field(doc: str, *, default: Any = MISSING, max_length: int = 200) -> Any:
    """Text for people."""
    return described(doc, default=default, max_length=max_length)
