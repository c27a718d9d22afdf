"""Rollouts as rows: what the command line writes, the controller carries out and everybody reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from deploy.config import RolloutConfig
from deploy.errors import UnknownIdError
from deploy.fleet.models import Bundle, Device, Rollout, RolloutDevice
from deploy.fleet.states import FINAL_ROLLOUT_STATES, DeviceOutcome, RolloutState
from edge_models.manifest import BundleId, Manifest, figures, short


def note_bundle(session: Session, bundle: BundleId, manifest: Manifest, now_s: float) -> None:
    """Keep what people want to know of a bundle; the same again changes nothing."""
    if session.get(Bundle, bundle) is None:
        session.add(
            Bundle(
                id=bundle,
                model=manifest.model,
                version=manifest.version,
                serial=manifest.serial,
                parent=manifest.provenance.parent,
                labels=list(manifest.labels),
                figures=figures(manifest),
                noted_at=now_s,
            )
        )


def unknown_bundles(session: Session) -> set[BundleId]:
    """Bundles that devices run and that nothing has been noted of."""
    running = select(Device.running_bundle).distinct().where(Device.running_bundle.is_not(None))
    chosen = running.where(Device.running_bundle.not_in(select(Bundle.id)))
    return {BundleId(bundle) for bundle in session.scalars(chosen) if bundle}


def new_rollout(
    session: Session,
    *,
    model: str,
    channel: str,
    bundle: BundleId,
    config: RolloutConfig,
    now_s: float,
    canary: int | None = None,
    job: str | None = None,
) -> Rollout:
    """Order a rollout; the controller begins it when those before it have ended.

    A job has one rollout, however often this is called.
    """
    identity = f"rollout-{job}" if job is not None else _next_id(session, bundle)
    present = session.get(Rollout, identity)
    if present is not None:
        return present
    rollout = Rollout(
        id=identity,
        model=model,
        channel=channel,
        bundle=bundle,
        base=None,
        canary=config.canary if canary is None else canary,
        state=RolloutState.PENDING,
        job=job,
        wave_timeout_s=config.wave_timeout_s,
        back_timeout_s=config.back_timeout_s,
        phase_started_at=now_s,
        created_at=now_s,
        updated_at=now_s,
    )
    session.add(rollout)
    return rollout


def get_rollout(session: Session, identity: str) -> Rollout:
    """A rollout by id.

    Raises:
        UnknownIdError: There is none.
    """
    rollout = session.get(Rollout, identity)
    if rollout is None:
        known = ", ".join(session.scalars(select(Rollout.id).order_by(Rollout.created_at.desc()).limit(5)))
        raise UnknownIdError(f"rollout {identity!r}: not in the fleet database; the newest are: {known or 'none'}")
    return rollout


def unfinished(session: Session) -> list[Rollout]:
    """Rollouts that have not ended, in the order in which they were ordered."""
    chosen = select(Rollout).where(Rollout.state.not_in(FINAL_ROLLOUT_STATES))
    return list(session.scalars(chosen.order_by(Rollout.created_at, Rollout.id)))


def all_rollouts(session: Session) -> list[Rollout]:
    """Every rollout, the oldest first."""
    return list(session.scalars(select(Rollout).order_by(Rollout.created_at, Rollout.id)))


def participants(session: Session, rollout: str) -> list[RolloutDevice]:
    """The devices of a rollout, by wave and id."""
    chosen = select(RolloutDevice).where(RolloutDevice.rollout == rollout)
    return list(session.scalars(chosen.order_by(RolloutDevice.wave, RolloutDevice.device)))


def described(session: Session, rollout: Rollout) -> Mapping[str, Any]:
    """A rollout as JSON shows it."""
    devices = participants(session, rollout.id)
    waves = sorted({device.wave for device in devices})
    back = (DeviceOutcome.ROLLED_BACK, DeviceOutcome.BACK)
    return {
        "id": rollout.id,
        "model": rollout.model,
        "channel": rollout.channel,
        "bundle": rollout.bundle,
        "base": rollout.base,
        "state": rollout.state.value,
        "reason": rollout.reason,
        "job": rollout.job,
        "waves": [[device.device for device in devices if device.wave == wave] for wave in waves],
        "committed": [device.device for device in devices if device.outcome is DeviceOutcome.COMMITTED],
        "rolled_back": [device.device for device in devices if device.outcome in back],
        "devices": {
            device.device: {
                "wave": device.wave,
                "outcome": device.outcome.value,
                "answers": device.answers,
                "detail": device.detail,
            }
            for device in devices
        },
    }


def _next_id(session: Session, bundle: BundleId) -> str:
    count = session.scalar(select(func.count()).select_from(Rollout).where(Rollout.bundle == bundle)) or 0
    return f"rollout-{short(bundle, digits=8)}-{count + 1}"
