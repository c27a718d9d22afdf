"""Durable messages that never arrived: seen by their numbers, asked for again, and given up with a count.

A device numbers its events and its statistics from 1 with every start (boot), and tells in ``state`` which numbers the
broker has acknowledged. So a number that is missing here was lost beyond the device: with a broker that was restarted
without its store, or a session that ended. The device keeps what it has sent for a while and sends it again when asked.
What it no longer has is counted as lost. A device that is met for the first time owes nothing from before.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from deploy.config import GapsConfig
from deploy.fleet.models import Device, Gap, Sequence
from edge_models.wire import Command, Event, State, Stats, Status

log = logging.getLogger(__name__)

NUMBERED = ("event", "stats")
MAX_RANGE = 1000  # numbers in one order, as devices bound it
MAX_GAPS = 200  # of one device, lost ones included; a broken one shall not fill the database
MAX_BOOTS = 8  # of one device and kind whose numbers are followed
MAX_ASKS = 20  # orders in one tick
UNMET = -1  # of a device that was met in the middle of a start: the first number that comes is where to begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """Numbers to ask a device for.

    Attributes:
        device: Its id.
        kind: ``event`` or ``stats``.
        boot: The start that they belong to.
        first: The first of them.
        last: The last of them.
    """

    device: str
    kind: str
    boot: int
    first: int
    last: int

    @property
    def command(self) -> Command:
        """What the device is told; without an id, for doing it twice does no harm."""
        return Command(args={"kind": self.kind, "boot": self.boot, "first": self.first, "last": self.last})


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """How many messages of a device are missing.

    Attributes:
        lost: Given up.
        asked: Not yet.
    """

    lost: int = 0
    asked: int = 0


def follow(session: Session, device: Device, message: object, now_s: float) -> float:
    """Note the numbers in a message; the time at which it ought to have come, which is now unless it filled a gap."""
    match message:
        case Event(boot=boot, seq=seq):
            return _arrived(session, device, "event", boot, seq, now_s)
        case Stats(boot=boot, seq=seq):
            return _arrived(session, device, "stats", boot, seq, now_s)
        case State():
            _told(session, device, message.boot, message.delivered, now_s)
            before = message.delivered_before
            if "boot" in before:
                _told(session, device, before["boot"], before, now_s)
        case _:
            pass
    return now_s


def due(session: Session, config: GapsConfig, now_s: float) -> list[Ask]:
    """What to ask for now, each taken for asked; gaps that were asked for often enough are given up."""
    chosen = (
        select(Gap)
        .join(Device, Device.id == Gap.device)
        .where(Gap.given_up_at.is_(None), Gap.found_at <= now_s - config.grace_s)
        .where((Gap.asked_at.is_(None)) | (Gap.asked_at <= now_s - config.pause_s))
        .where(func.coalesce(Device.status, "") != Status.OFFLINE.value)
        .order_by(Gap.device, Gap.kind, Gap.boot, Gap.first)
        .limit(MAX_ASKS)
    )
    asks = []
    for gap in session.scalars(chosen).all():
        if gap.asks >= config.asks:
            gap.given_up_at = now_s
            log.warning(
                "messages lost device=%s kind=%s boot=%d first=%d last=%d",
                gap.device, gap.kind, gap.boot, gap.first, gap.last,
            )  # fmt: skip
            continue
        gap.asks, gap.asked_at = gap.asks + 1, now_s
        first = max(gap.first, gap.last - MAX_RANGE + 1)  # a device forgets the oldest: if these are gone, all are
        asks.append(Ask(device=gap.device, kind=gap.kind, boot=gap.boot, first=first, last=gap.last))
    return asks


def missing(session: Session) -> dict[str, Missing]:
    """What is missing of each device that misses something."""
    found: dict[str, Missing] = {}
    numbers = func.sum(Gap.last - Gap.first + 1)
    for device, is_lost, count in session.execute(
        select(Gap.device, Gap.given_up_at.is_not(None), numbers).group_by(Gap.device, Gap.given_up_at.is_not(None))
    ):
        known = found.get(device, Missing())
        found[device] = Missing(
            lost=int(count) if is_lost else known.lost, asked=known.asked if is_lost else int(count)
        )
    return found


def forget_before(session: Session, before_s: float) -> None:
    """Drop what was given up before, and what nobody has said anything of since."""
    session.execute(delete(Gap).where(Gap.given_up_at < before_s))
    session.execute(delete(Gap).where(Gap.found_at < before_s))
    session.execute(delete(Sequence).where(Sequence.updated_at < before_s))


def begin_anew(session: Session, device: Device) -> None:
    """Forget the numbers of a device that has begun to count anew."""
    log.warning("device counts anew, its disk was replaced device=%s", device.id)
    session.execute(delete(Gap).where(Gap.device == device.id))
    session.execute(delete(Sequence).where(Sequence.device == device.id))


def _arrived(session: Session, device: Device, kind: str, boot: int, seq: int, now_s: float) -> float:
    sequence = _sequence(session, device, kind, boot, seq, now_s)
    if seq > sequence.highest:
        _miss(session, device, kind, boot, sequence.highest + 1, seq - 1, now_s)
        sequence.highest, sequence.updated_at = seq, now_s
        return now_s
    gap = _gap_around(session, device, kind, boot, seq)
    return now_s if gap is None else _fill(session, gap, seq)


def _told(session: Session, device: Device, boot: int, delivered: Mapping[str, int], now_s: float) -> None:
    for kind in NUMBERED:
        last = delivered.get(kind, 0)
        known = session.get(Sequence, (device.id, kind, boot))
        if last == 0 and known is not None and known.highest == UNMET:
            known.highest = 0
        if last == 0:
            continue
        sequence = _sequence(session, device, kind, boot, last + 1, now_s)
        if last > sequence.highest:
            _miss(session, device, kind, boot, sequence.highest + 1, last, now_s)
            sequence.highest, sequence.updated_at = last, now_s


def _sequence(session: Session, device: Device, kind: str, boot: int, seq: int, now_s: float) -> Sequence:
    """The row, of which ``seq`` has come; a new one owes all from 1 on, unless the device is met in the middle."""
    known = session.get(Sequence, (device.id, kind, boot))
    if known is not None:
        if known.highest == UNMET:
            known.highest = seq - 1
        return known
    earliest = session.scalar(select(func.min(Sequence.boot)).where(Sequence.device == device.id))
    is_met = earliest is None or boot < earliest
    _forget_boots(session, device, kind)
    made = Sequence(device=device.id, kind=kind, boot=boot, highest=seq - 1 if is_met else 0, updated_at=now_s)
    session.add(made)
    if is_met:
        others = [other for other in NUMBERED if other != kind and not session.get(Sequence, (device.id, other, boot))]
        highest = 0 if seq == 1 else UNMET
        session.add_all(
            Sequence(device=device.id, kind=other, boot=boot, highest=highest, updated_at=now_s) for other in others
        )
    session.flush()
    return made


def _forget_boots(session: Session, device: Device, kind: str) -> None:
    """Make room for one more start."""
    chosen = (Sequence.device == device.id) & (Sequence.kind == kind)
    boots = session.scalars(select(Sequence.boot).where(chosen).order_by(Sequence.boot.desc())).all()
    if len(boots) >= MAX_BOOTS:
        session.execute(delete(Sequence).where(chosen, Sequence.boot <= boots[MAX_BOOTS - 1]))


def _miss(session: Session, device: Device, kind: str, boot: int, first: int, last: int, now_s: float) -> None:
    if first > last:
        return
    count = session.scalar(select(func.count()).select_from(Gap).where(Gap.device == device.id)) or 0
    if count >= MAX_GAPS:
        log.warning(
            "messages missing and not asked for device=%s kind=%s boot=%d: too many gaps", device.id, kind, boot
        )
        return
    log.info("messages missing device=%s kind=%s boot=%d first=%d last=%d", device.id, kind, boot, first, last)
    session.add(Gap(device=device.id, kind=kind, boot=boot, first=first, last=last, found_at=now_s, asks=0))
    session.flush()


def _gap_around(session: Session, device: Device, kind: str, boot: int, seq: int) -> Gap | None:
    chosen = select(Gap).where(
        Gap.device == device.id, Gap.kind == kind, Gap.boot == boot, Gap.first <= seq, Gap.last >= seq
    )
    return session.scalars(chosen).first()


def _fill(session: Session, gap: Gap, seq: int) -> float:
    """Take a number out of a gap, which may leave two; whoever delivers is asked again. When it was found missing."""
    found_at, first, last = gap.found_at, gap.first, gap.last
    session.delete(gap)
    session.flush()
    for low, high in ((first, seq - 1), (seq + 1, last)):
        if low <= high:
            session.add(
                Gap(
                    device=gap.device, kind=gap.kind, boot=gap.boot, first=low, last=high, found_at=found_at, asks=0,
                    asked_at=gap.asked_at, given_up_at=gap.given_up_at,
                )
            )  # fmt: skip
    session.flush()
    return found_at
