"""What ``cmd/resend`` asks for: a range of durable messages that the fleet side has never seen."""

from __future__ import annotations

from collections.abc import Mapping

from agent.core.commands import Resend
from edge_models.wire.values import Scalar

MAX_RESENT = 1000  # messages at once; whoever misses more asks again
RESEND_ARGS = f"expected kind: event or stats, boot, and first <= last of seq, at most {MAX_RESENT} of them"


def resend_order(args: Mapping[str, Scalar]) -> Resend | None:
    """The order in a command's arguments, or None where they are none.

    >>> resend_order({"kind": "event", "boot": 3, "first": 7, "last": 9})
    Resend(kind='event', boot=3, first=7, last=9)
    >>> resend_order({"kind": "event", "boot": 3, "first": 9, "last": 7})
    """
    boot, first, last = (_count(args.get(name)) for name in ("boot", "first", "last"))
    if boot is None or first is None or last is None or not first <= last < first + MAX_RESENT:
        return None
    match args.get("kind"):
        case "event":
            return Resend(kind="event", boot=boot, first=first, last=last)
        case "stats":
            return Resend(kind="stats", boot=boot, first=first, last=last)
        case _:
            return None


def _count(value: Scalar) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
