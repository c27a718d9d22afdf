"""What tests of the outbox share: how messages get in, and which ones come out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.outbox import Lane, Numbered, Outbox

UTC_S = 1_800_000_000.0
Open = Callable[[int], Outbox]


def put(
    outbox: Outbox, name: str, lane: Lane = Lane.EVENT, *, expiry_s: float | None = None, utc_s: float | None = UTC_S
) -> bool:
    return outbox.put(lane=lane, kind="event", topic=name, body=b"x" * 90, expiry_s=expiry_s, utc_s=utc_s)


def topics(outbox: Outbox, utc_s: float | None = UTC_S) -> list[str]:
    found: list[str] = []
    skip: list[int] = []
    while (row := outbox.next(utc_s, skip=skip)) is not None:
        found.append(row.topic)
        skip.append(row.id)
    return found


def put_numbered(outbox: Outbox, seq: int, lane: Lane = Lane.EVENT, *, boot: int = 1) -> None:
    kind = "event" if lane is Lane.EVENT else "stats"
    numbered = Numbered(boot, seq)
    outbox.put(
        lane=lane, kind=kind, topic=f"{kind}-{seq}", body=b"x" * 90, expiry_s=600.0, utc_s=UTC_S, numbered=numbered
    )


def deliver_all(outbox: Outbox) -> list[str]:
    found = []
    while (row := outbox.next(UTC_S)) is not None:
        found.append(row.topic)
        outbox.delivered(row.id)
    return found


def corrupt(path: Path, page: int) -> None:
    """Overwrite a page of 4096 bytes, the first one being 0."""
    with path.open("r+b") as file:
        file.seek(page * 4096)
        file.write(b"\xa5" * 4096)
