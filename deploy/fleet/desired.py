"""What every device was last told to run: the content of the retained ``desired`` topics, kept by us.

A broker may forget retained messages; these rows are published again after every connection. ``rev`` rises with every
change, so that a device can tell a newer message from an older one.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from deploy.fleet.models import Desired
from edge_models.manifest import BundleId
from edge_models.wire import Desired as DesiredMessage
from edge_models.wire import DeviceId, timestamp


def tell(
    session: Session,
    bundles: Mapping[DeviceId, BundleId],
    *,
    rollout: str,
    answers: Mapping[DeviceId, str | None],
    now_s: float,
) -> list[DeviceId]:
    """Note what devices have to run; return those for whom that is something new.

    Args:
        session: In a writing transaction.
        bundles: Bundle by device.
        rollout: On whose behalf.
        answers: The request of each device that its bundle answers.
        now_s: The present time.
    """
    changed = []
    rows = {row.device: row for row in session.scalars(select(Desired))}
    for device, bundle in sorted(bundles.items()):
        row = rows.get(device)
        told = None if row is None else (row.bundle, row.rollout, row.answers)
        if told == (bundle, rollout, answers.get(device)):
            continue
        if row is None:
            row = Desired(device=device, rev=0, bundle=bundle, set_at=now_s)
            session.add(row)
        row.rev += 1
        row.bundle, row.rollout, row.answers, row.set_at = bundle, rollout, answers.get(device), now_s
        changed.append(device)
    return changed


def answers_told(session: Session, rollout: str) -> dict[DeviceId, str | None]:
    """The request that each device was told is answered, of those that were last told something by ``rollout``."""
    rows = session.execute(select(Desired.device, Desired.answers).where(Desired.rollout == rollout))
    return {DeviceId(device): answers for device, answers in rows.all()}


def revisions(session: Session) -> dict[str, int]:
    """The present rev of every device that has been told something."""
    return dict(session.execute(select(Desired.device, Desired.rev)).all())


def message(session: Session, device: str) -> DesiredMessage:
    """What is published for a device; KeyError if it was never told anything."""
    row = session.get(Desired, device)
    if row is None:
        raise KeyError(device)
    return DesiredMessage(
        ts=timestamp(row.set_at),
        rev=row.rev,
        bundle=BundleId(row.bundle),
        rollout=row.rollout,
        answers=row.answers,
    )
