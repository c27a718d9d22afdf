"""Rows of what devices say about themselves: presence, identity, health, drift, update state, events."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from deploy.fleet import gaps
from deploy.fleet.models import Device, DriftChange, Event
from edge_models.errors import FieldError
from edge_models.fields import decode, encode
from edge_models.wire import DriftReport, Meta, ModelState, State, Status
from edge_models.wire import Event as EventMessage

T = TypeVar("T")


def seen(session: Session, device: str, now_s: float, *, is_live: bool) -> Device:
    """The device's row, made if it is new.

    Args:
        session: In a writing transaction.
        device: Its id.
        now_s: The present time.
        is_live: Whether the message was sent just now; a retained one says nothing about when.
    """
    row = session.get(Device, device)
    if row is None:
        row = Device(id=device, first_seen=now_s, last_seen=now_s)
        session.add(row)
        session.flush()
    elif is_live:
        row.last_seen = now_s
    return row


def record_status(_session: Session, device: Device, message: object, _now_s: float) -> None:
    """Note whether it is online."""
    device.status = None if message is None else expect(message, Status).value


def record_meta(_session: Session, device: Device, message: object, _now_s: float) -> None:
    """Note what it is and which model it runs."""
    if message is None:
        return
    meta = expect(message, Meta)
    if meta.id != device.id:
        raise FieldError("id", repr(meta.id), f"{device.id}, as in the topic")
    device.meta = document(meta)
    device.model, device.channel = meta.model, meta.channel


def record_state(_session: Session, device: Device, message: object, _now_s: float) -> None:
    """Note how it is doing."""
    if message is None:
        return
    state = expect(message, State)
    device.state = document(state)
    device.running_bundle = state.bundle


def record_drift(session: Session, device: Device, message: object, now_s: float) -> None:
    """Note its verdict on drift, and keep a history of changes."""
    if message is None:
        return
    report = expect(message, DriftReport)
    before = device.drift or {}
    is_change = any(before.get(key) != value for key, value in _identity(report).items())
    device.drift = document(report)
    device.drift_state = report.state.value
    if is_change:
        session.add(
            DriftChange(
                device=device.id,
                state=report.state.value,
                since=report.since,
                position=report.position,
                signal=report.signal,
                severity=report.severity,
                bundle=report.bundle,
                received_at=now_s,
            )
        )


def record_model_state(_session: Session, device: Device, message: object, now_s: float) -> None:
    """Note where its update stands."""
    if message is None:
        return
    state = expect(message, ModelState)
    stored = document(state)
    if stored != device.model_state:
        device.model_state_at = now_s
    device.model_state = stored
    device.phase = state.phase.value
    if state.installed is not None:
        device.running_bundle = state.installed.bundle


def record_event(session: Session, device: Device, message: object, now_s: float) -> None:
    """Keep an event, once; another one of the same id is of a device that counts anew, on another disk."""
    if message is None:
        return
    event = expect(message, EventMessage)
    row = Event(
        device=device.id,
        id=event.id,
        type=event.type,
        severity=event.severity.value,
        message=event.message,
        data=dict(event.data),
        received_at=now_s,
    )
    known = session.get(Event, (device.id, event.id))
    if known is None:
        session.add(row)
    elif (known.type, known.message, known.data) != (row.type, row.message, row.data):
        session.merge(row)
        gaps.begin_anew(session, device)


def model_state(device: Device) -> ModelState | None:
    """The device's last ``model/state``, or None."""
    return None if device.model_state is None else decode(ModelState, device.model_state)


def all_devices(session: Session) -> list[Device]:
    """Every device by id."""
    return list(session.scalars(select(Device).order_by(Device.id)))


def devices_of(session: Session, model: str, channel: str) -> list[Device]:
    """The devices that follow a channel of a model, by id."""
    chosen = select(Device).where(Device.model == model, Device.channel == channel).order_by(Device.id)
    return list(session.scalars(chosen))


def forget_before(session: Session, before_s: float) -> None:
    """Drop events and drift changes that are older."""
    session.execute(delete(Event).where(Event.received_at < before_s))
    session.execute(delete(DriftChange).where(DriftChange.received_at < before_s))


def document(message: object) -> dict[str, Any]:
    """The message as it is stored."""
    return cast("dict[str, Any]", encode(message))


def expect(message: object, kind: type[T]) -> T:
    """The message as the class that its channel carries; anything else is a mistake of ours."""
    if not isinstance(message, kind):
        raise TypeError(f"{type(message).__name__} where {kind.__name__} belongs")
    return message


def _identity(report: DriftReport) -> dict[str, object]:
    return {"state": report.state.value, "since": report.since, "position": report.position}
