"""Samples: inputs that devices delivered, and the labels that people give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session, undefer

from deploy.errors import LabelError, UnknownIdError
from deploy.fleet.models import Bundle, Device, Sample
from deploy.fleet.reports import expect
from edge_models.wire import SampleMessage

MAX_LABEL = 1_000_000
MAX_UNLABELLED = 5_000  # of one device; a sample has up to 64 KiB


def sample_id(device: str, message: str) -> str:
    """The fleet-wide name of a sample: devices count theirs independently."""
    return f"{device}:{message}"


def record_sample(session: Session, device: Device, message: object, now_s: float) -> None:
    """Keep a delivered sample, once; a device that has too many without a label loses the oldest one."""
    if message is None:
        return
    sample = expect(message, SampleMessage)
    identity = sample_id(device.id, sample.id)
    if session.get(Sample, identity) is not None:
        return
    _make_room(session, device.id)
    session.add(
        Sample(
            id=identity,
            device=device.id,
            message=sample.id,
            bundle=sample.bundle,
            position=sample.position,
            why=sample.why.value,
            signal=sample.signal,
            predicted=sample.predicted,
            confidence=sample.confidence,
            dtype=sample.dtype,
            shape=list(sample.shape),
            x=sample.data,
            received_at=now_s,
        )
    )


def listed(
    session: Session,
    *,
    device: str | None = None,
    labelled: bool | None = None,
    limit: int | None = None,
    with_data: bool = False,
) -> list[Sample]:
    """Samples in the order of their arrival.

    Args:
        session: Any.
        device: Only those of one device.
        labelled: Only those with, or without, a label.
        limit: At most so many, the newest ones.
        with_data: Also their bytes, which are not read otherwise.
    """
    chosen = select(Sample).order_by(Sample.received_at.desc(), Sample.id.desc())
    if device is not None:
        chosen = chosen.where(Sample.device == device)
    if labelled is not None:
        chosen = chosen.where(Sample.label.is_not(None) if labelled else Sample.label.is_(None))
    if with_data:
        chosen = chosen.options(undefer(Sample.x))
    return list(session.scalars(chosen.limit(limit)))[::-1]


def labelled_counts(session: Session, devices: Iterable[str]) -> dict[str, int]:
    """Number of labelled samples of each of ``devices``."""
    wanted = sorted(devices)
    counted = (
        select(Sample.device, func.count())
        .where(Sample.device.in_(wanted), Sample.label.is_not(None))
        .group_by(Sample.device)
    )
    return dict.fromkeys(wanted, 0) | dict(session.execute(counted).all())


def labelled_of(session: Session, model: str) -> list[Sample]:
    """Every labelled sample for a model with its bytes, by id.

    The bundle that predicted a sample says which model that is; only of a bundle that we do not know, the device does.
    """
    chosen = _of_model(model).where(Sample.label.is_not(None)).order_by(Sample.id)
    return list(session.scalars(chosen))


def unlabelled_of(session: Session, model: str, *, limit: int) -> list[Sample]:
    """The newest samples for a model that nobody has labelled, with their bytes, by id."""
    newest = _of_model(model).where(Sample.label.is_(None)).order_by(Sample.received_at.desc(), Sample.id.desc())
    return sorted(session.scalars(newest.limit(limit)), key=lambda sample: sample.id)


def _of_model(model: str) -> Select[Sample]:
    return (
        select(Sample)
        .join(Device, Device.id == Sample.device)
        .outerjoin(Bundle, Bundle.id == Sample.bundle)
        .where(func.coalesce(Bundle.model, Device.model) == model)
        .options(undefer(Sample.x))
    )


def label(session: Session, labels: Mapping[str, str], *, labelled_by: str, now_s: float) -> int:
    """Give samples their labels; return how many samples changed.

    Args:
        session: In a writing transaction.
        labels: Label by sample id: a class index, or a class name of the bundle that predicted the sample.
        labelled_by: Who says so.
        now_s: The present time.

    Raises:
        UnknownIdError: There is no such sample; nothing is stored then.
        LabelError: A label is not one of the model's; nothing is stored then.
    """
    changed = 0
    for identity, text in labels.items():
        sample = session.get(Sample, identity)
        if sample is None:
            raise UnknownIdError(
                f"sample {identity[:130]!r}: not in the fleet database; `driftline-fleet samples list` shows all ids"
            )
        index = _index(text, _class_names(session, sample.bundle), identity)
        if sample.label != index:
            sample.label, sample.labelled_by, sample.labelled_at = index, labelled_by[:64], now_s
            changed += 1
    return changed


def forget_unlabelled_before(session: Session, before_s: float) -> None:
    """Drop samples that nobody has labelled and that are older."""
    session.execute(delete(Sample).where(Sample.label.is_(None), Sample.received_at < before_s))


def _make_room(session: Session, device: str) -> None:
    unlabelled = select(Sample.id).where(Sample.device == device, Sample.label.is_(None))
    if (session.scalar(select(func.count()).select_from(unlabelled.subquery())) or 0) >= MAX_UNLABELLED:
        oldest = unlabelled.order_by(Sample.received_at, Sample.id).limit(1)
        session.execute(delete(Sample).where(Sample.id == oldest.scalar_subquery()))


def _class_names(session: Session, bundle: str) -> Sequence[str]:
    row = session.get(Bundle, bundle)
    return [str(name) for name in row.labels] if row is not None else []


def _index(text: str, names: Sequence[str], identity: str) -> int:
    """A class name beats an index: where the classes are called 1 to 10, that is what a person means."""
    if text in names:
        return names.index(text)
    if text.isascii() and text.isdigit() and int(text) < (len(names) or MAX_LABEL):
        return int(text)
    known = f"one of {', '.join(names)}, or an index below {len(names)}" if names else "a class index such as 3"
    raise LabelError(f"label of sample {identity}: found {text[:60]!r}, expected {known}")
