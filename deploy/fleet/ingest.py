"""What devices publish becomes rows of the fleet database.

A message that is wrong is counted, logged once for each device and kind, and dropped: nothing that a device sends can
stop the controller. Every message may come again (QoS 1, retained), so each is taken in the same way twice.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from deploy.clock import Clock
from deploy.fleet import counts, gaps, reports, requests, samples
from deploy.fleet.database import FleetDatabase
from deploy.fleet.models import Device
from deploy.link import Delivery
from edge_models.errors import FieldError
from edge_models.wire import Status, Topics, channel_named, decode_payload

log = logging.getLogger(__name__)

Record = Callable[[Session, Device, object, float], None]

RECORDERS: dict[str, Record] = {
    "status": reports.record_status,
    "meta": reports.record_meta,
    "state": reports.record_state,
    "stats": counts.record_stats,
    "drift": reports.record_drift,
    "model/state": reports.record_model_state,
    "event": reports.record_event,
    "sample": samples.record_sample,
    "model/request": requests.record_request,
}
_LONGEST_REFUSAL_LIST = 10_000  # devices x kinds whose first wrong message is logged


def subscriptions(topics: Topics) -> list[tuple[str, int]]:
    """The topic filters that the controller needs, each with its QoS."""
    return [(topics.of("+", kind), channel_named(kind).qos) for kind in RECORDERS]


class Ingest:
    """Takes deliveries in, many in one transaction.

    Attributes:
        accepted: Messages stored, by kind.
        refused: Wrong messages, by device and kind.
    """

    def __init__(self, database: FleetDatabase, topics: Topics, clock: Clock) -> None:
        self.accepted: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self._database = database
        self._topics = topics
        self._clock = clock

    def apply(self, deliveries: Sequence[Delivery]) -> None:
        """Store deliveries; when this returns they are in the database and may be acknowledged.

        Raises:
            DatabaseError: The database has gone; nothing of this batch is stored.
        """
        if not deliveries:
            return
        with self._database.write() as session:
            for delivery in deliveries:
                self._take(session, delivery)

    def _take(self, session: Session, delivery: Delivery) -> None:
        owner, kind = "?", "?"
        try:
            owner, kind = self._topics.parse(delivery.topic)
            message = _message(kind, delivery.payload)
            now_s = self._clock.unix_s()
            if message is None and session.get(Device, owner) is None:
                return  # somebody clears up after a device that is gone
            with session.begin_nested():  # a value that the database refuses must not undo the whole batch
                device = reports.seen(session, owner, now_s, is_live=not delivery.retained)
                when_s = gaps.follow(session, device, message, now_s)
                RECORDERS[kind](session, device, message, when_s)
            self.accepted[kind] += 1
        except (FieldError, ValueError, DataError, IntegrityError) as exc:
            self._refuse(owner, kind, exc)
        except SQLAlchemyError:
            raise
        except Exception as exc:  # a mistake of ours: the message that has found it must not stop the fleet
            if (owner, kind) not in self.refused:
                log.exception("message not understood device=%s kind=%s", owner, kind)
            self._refuse(owner, kind, exc)

    def _refuse(self, owner: str, kind: str, exc: Exception) -> None:
        key = (owner, kind)
        if key not in self.refused and len(self.refused) < _LONGEST_REFUSAL_LIST:
            log.warning("message refused device=%s kind=%s: %s", owner, kind, str(exc).splitlines()[0][:300])
        if key in self.refused or len(self.refused) < _LONGEST_REFUSAL_LIST:
            self.refused[key] += 1


def _message(kind: str, payload: bytes) -> object:
    """The message, a Status, or None for an empty payload, which clears what was retained."""
    if kind not in RECORDERS:
        raise FieldError("topic", repr(kind), f"one of {', '.join(RECORDERS)}")
    if not payload:
        return None
    if kind == "status":
        text = payload.decode("utf-8", errors="replace")
        if text not in list(Status):
            raise FieldError("", repr(text[:20]), " or ".join(Status))
        return Status(text)
    if rb"\u0000" in payload:
        raise FieldError("", "a NUL character", "text")  # PostgreSQL stores none
    return decode_payload(channel_named(kind), payload)
