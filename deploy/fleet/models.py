"""The tables of the fleet database.

Only types that SQLite and PostgreSQL share. Times are seconds since 1970 as the controller's clock has them, because
devices' clocks may be wrong. Whole messages are kept as JSON beside the few columns that are searched.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, Double, Enum, ForeignKey, Index, Integer, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from deploy.fleet.states import DeviceOutcome, JobState, RequestState, RolloutState

DIGEST = String(64)
DEVICE = String(40)
ID = String(80)
SAMPLE_ID = String(121)  # a device id, a colon, a message id
NAME = String(64)


def _states(kind: type[StrEnum]) -> Enum:
    """A closed set as plain text: a PostgreSQL enum type would need a migration for every new state."""
    return Enum(
        kind, native_enum=False, length=16, values_callable=lambda members: [member.value for member in members]
    )


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's idiom
        float: Double,
        int: BigInteger().with_variant(
            Integer, "sqlite"
        ),  # what devices count may pass 2**31; SQLite counts in 64 bits
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
    }


class Device(Base):
    """A device that has ever published something."""

    __tablename__ = "devices"

    id: Mapped[str] = mapped_column(DEVICE, primary_key=True)
    model: Mapped[str | None] = mapped_column(NAME)
    channel: Mapped[str | None] = mapped_column(NAME)
    status: Mapped[str | None] = mapped_column(String(16))
    drift_state: Mapped[str | None] = mapped_column(String(16))
    phase: Mapped[str | None] = mapped_column(String(16))
    running_bundle: Mapped[str | None] = mapped_column(DIGEST)
    meta: Mapped[dict[str, Any] | None]
    state: Mapped[dict[str, Any] | None]
    drift: Mapped[dict[str, Any] | None]
    model_state: Mapped[dict[str, Any] | None]
    model_state_at: Mapped[float | None]  # when its content last changed
    first_seen: Mapped[float]
    last_seen: Mapped[float]


class Event(Base):
    """An event that a device reported."""

    __tablename__ = "events"

    device: Mapped[str] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    id: Mapped[str] = mapped_column(ID, primary_key=True)
    type: Mapped[str] = mapped_column(NAME)
    severity: Mapped[str] = mapped_column(String(16))
    message: Mapped[str] = mapped_column(Text)
    data: Mapped[dict[str, Any]]
    received_at: Mapped[float] = mapped_column(index=True)


class DriftChange(Base):
    """A device's drift state changed; `Device.drift` holds only the last report."""

    __tablename__ = "drift_changes"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    device: Mapped[str] = mapped_column(ForeignKey("devices.id"), index=True)
    state: Mapped[str] = mapped_column(String(16))
    since: Mapped[str | None] = mapped_column(String(32))
    position: Mapped[int | None]
    signal: Mapped[str | None] = mapped_column(NAME)
    severity: Mapped[float | None]
    bundle: Mapped[str | None] = mapped_column(DIGEST)
    received_at: Mapped[float]


class Bundle(Base):
    """A published bundle that the fleet side has had to do with."""

    __tablename__ = "bundles"

    id: Mapped[str] = mapped_column(DIGEST, primary_key=True)
    model: Mapped[str] = mapped_column(NAME)
    version: Mapped[str] = mapped_column(NAME)
    serial: Mapped[int]
    parent: Mapped[str | None] = mapped_column(DIGEST)
    labels: Mapped[list[Any]]
    figures: Mapped[dict[str, Any]]
    noted_at: Mapped[float]


class Rollout(Base):
    """One bundle on its way to the fleet."""

    __tablename__ = "rollouts"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    model: Mapped[str] = mapped_column(NAME)
    channel: Mapped[str] = mapped_column(NAME)
    bundle: Mapped[str] = mapped_column(DIGEST)
    base: Mapped[str | None] = mapped_column(DIGEST)
    canary: Mapped[int]
    state: Mapped[RolloutState] = mapped_column(_states(RolloutState), index=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    abort: Mapped[str] = mapped_column(Text, default="")  # why an operator wants it undone
    job: Mapped[str | None] = mapped_column(ID)
    wave_timeout_s: Mapped[float]
    back_timeout_s: Mapped[float]
    phase_started_at: Mapped[float]
    created_at: Mapped[float]
    updated_at: Mapped[float]


class RolloutDevice(Base):
    """One device of a rollout."""

    __tablename__ = "rollout_devices"

    rollout: Mapped[str] = mapped_column(ForeignKey("rollouts.id"), primary_key=True)
    device: Mapped[str] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    wave: Mapped[int]
    outcome: Mapped[DeviceOutcome] = mapped_column(_states(DeviceOutcome))
    answers: Mapped[str | None] = mapped_column(ID)
    detail: Mapped[str] = mapped_column(Text, default="")
    updated_at: Mapped[float]


class Desired(Base):
    """What a device was last told to run; published again whenever the broker may have forgotten."""

    __tablename__ = "desired"

    device: Mapped[str] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    rev: Mapped[int]
    bundle: Mapped[str] = mapped_column(DIGEST)
    rollout: Mapped[str | None] = mapped_column(ID)
    answers: Mapped[str | None] = mapped_column(ID)
    set_at: Mapped[float]


class Job(Base):
    """One retraining: the requests that it answers, and what came out."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    model: Mapped[str] = mapped_column(NAME)
    state: Mapped[JobState] = mapped_column(_states(JobState), index=True)
    step: Mapped[str] = mapped_column(Text, default="")
    settled_at: Mapped[float]
    worker: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(default=0)
    parent: Mapped[str | None] = mapped_column(DIGEST)
    bundle: Mapped[str | None] = mapped_column(DIGEST)
    rollout: Mapped[str | None] = mapped_column(ID)
    reason: Mapped[str] = mapped_column(Text, default="")
    figures: Mapped[dict[str, Any]]
    evidence_driven_accuracy: Mapped[float | None]
    evidence_blind_accuracy: Mapped[float | None]
    created_at: Mapped[float]
    updated_at: Mapped[float]


class Request(Base):
    """A device's request for a better model, once for each id however often it is published."""

    __tablename__ = "requests"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    device: Mapped[str] = mapped_column(ForeignKey("devices.id"), index=True)
    model: Mapped[str] = mapped_column(NAME)
    reason: Mapped[str] = mapped_column(String(16))
    bundle_held: Mapped[str | None] = mapped_column(DIGEST)
    document: Mapped[dict[str, Any]]
    state: Mapped[RequestState] = mapped_column(_states(RequestState), index=True)
    job: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"), index=True)
    bundle_answer: Mapped[str | None] = mapped_column(DIGEST)
    received_at: Mapped[float]
    updated_at: Mapped[float]


class Sample(Base):
    """An input that a device delivered, and its label once a person has given one."""

    __tablename__ = "samples"
    __table_args__ = (Index("ix_samples_device_label", "device", "label"),)

    id: Mapped[str] = mapped_column(SAMPLE_ID, primary_key=True)
    device: Mapped[str] = mapped_column(ForeignKey("devices.id"))
    message: Mapped[str] = mapped_column(ID)
    bundle: Mapped[str] = mapped_column(DIGEST)
    position: Mapped[int | None]
    why: Mapped[str] = mapped_column(String(16))
    signal: Mapped[str | None] = mapped_column(NAME)
    predicted: Mapped[int | None]
    confidence: Mapped[float | None]
    dtype: Mapped[str] = mapped_column(String(16))
    shape: Mapped[list[Any]]
    x: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    label: Mapped[int | None]
    labelled_by: Mapped[str | None] = mapped_column(NAME)
    labelled_at: Mapped[float | None]
    received_at: Mapped[float] = mapped_column(index=True)


class Count(Base):
    """What a device counted in one window on its profile's bins, for the fleet's view of drift."""

    __tablename__ = "counts"
    __table_args__ = (Index("ix_counts_device_received", "device", "received_at"),)

    device: Mapped[str] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    boot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bundle: Mapped[str] = mapped_column(DIGEST)
    artifact: Mapped[str] = mapped_column(NAME)
    profile: Mapped[str] = mapped_column(String(16))
    n: Mapped[int]
    thin: Mapped[float]  # of so many frames one says something new
    sketch: Mapped[str] = mapped_column(Text)
    received_at: Mapped[float]


class Sequence(Base):
    """How far the numbers of one kind of message have come, in one start of a device's agent; -1 if none is known."""

    __tablename__ = "sequences"

    device: Mapped[str] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    boot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    highest: Mapped[int]
    updated_at: Mapped[float]


class Gap(Base):
    """Numbers of messages that never arrived."""

    __tablename__ = "gaps"

    device: Mapped[str] = mapped_column(ForeignKey("devices.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    boot: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    first: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last: Mapped[int]
    found_at: Mapped[float]
    asks: Mapped[int]
    asked_at: Mapped[float | None]
    given_up_at: Mapped[float | None]
