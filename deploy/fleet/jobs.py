"""Retraining jobs as rows: the controller opens them, one worker takes each, their rollout ends them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from deploy.errors import UnknownIdError
from deploy.fleet.models import Device, Job, Request, Rollout
from deploy.fleet.reports import model_state
from deploy.fleet.requests import active_jobs, of_job, refuse
from deploy.fleet.states import FINAL_ROLLOUT_STATES, JobState, RequestState, RolloutState
from edge_models.wire import UpdatePhase

log = logging.getLogger(__name__)

_TURNED_DOWN = (UpdatePhase.REJECTED, UpdatePhase.ROLLED_BACK)

_ENDED_BY = {
    RolloutState.COMMITTED: JobState.DONE,
    RolloutState.INCOMPLETE: JobState.DONE,
    RolloutState.ROLLED_BACK: JobState.ROLLED_BACK,
    RolloutState.REFUSED: JobState.FAILED,
}


def claim(session: Session, model: str, worker: str, now_s: float) -> Job | None:
    """The job that ``worker`` has to do now: the one it was at, else the oldest that is ready, else None.

    A job is not begun while another one of the model is at work or being rolled out: its parent is not known before.
    """
    active = active_jobs(session, model)
    busy = [job for job in active if job.state in (JobState.RUNNING, JobState.ROLLING_OUT)]
    ready = [job for job in active if job.state is JobState.READY]
    mine = [job for job in busy if job.state is JobState.RUNNING and job.worker == worker]
    if not mine and (busy or not ready):
        return None
    job = (mine or ready)[0]
    job.state, job.worker, job.updated_at = JobState.RUNNING, worker, now_s
    job.attempts += 1
    return job


def get_job(session: Session, identity: str) -> Job:
    """A job by id.

    Raises:
        UnknownIdError: There is none.
    """
    job = session.get(Job, identity)
    if job is None:
        raise UnknownIdError(f"job {identity!r}: not in the fleet database")
    return job


def all_jobs(session: Session) -> list[Job]:
    """Every job, the oldest first."""
    return list(session.scalars(select(Job).order_by(Job.created_at, Job.id)))


def without_blind(session: Session, model: str, worker: str) -> Job | None:
    """The newest published job of ``worker`` that has not been compared with a blind build."""
    chosen = select(Job).where(Job.model == model, Job.worker == worker, Job.bundle.is_not(None))
    newest = session.scalars(chosen.order_by(Job.created_at.desc(), Job.id.desc()).limit(1)).first()
    return None if newest is None or newest.figures.get("blind_done") else newest


def note_step(session: Session, identity: str, step: str, now_s: float) -> None:
    """Say for people what a job is at."""
    job = get_job(session, identity)
    if job.step != step:
        log.info("job id=%s step=%s", identity, step)
        job.step, job.updated_at = step, now_s


def note_waiting(session: Session, identity: str, step: str, now_s: float) -> None:
    """Say what a job waits for; a worker that ends while it waits has not failed at it."""
    note_step(session, identity, step, now_s)
    get_job(session, identity).attempts = 0


def end(session: Session, identity: str, state: JobState, reason: str, now_s: float) -> None:
    """End a job without a bundle: its requests are refused."""
    job = get_job(session, identity)
    log.info("job id=%s state=%s %s", identity, state.value, reason)
    job.state, job.reason, job.updated_at = state, reason, now_s
    refuse(session, job, now_s)


def end_with_rollouts(session: Session, now_s: float) -> None:
    """End the jobs whose rollouts have ended, and refuse what a failed rollout was to answer."""
    for job in session.scalars(select(Job).where(Job.state == JobState.ROLLING_OUT)):
        rollout = session.get(Rollout, job.rollout)
        if rollout is not None and rollout.state in FINAL_ROLLOUT_STATES:
            job.state, job.updated_at = _ENDED_BY[rollout.state], now_s
            job.reason = rollout.reason
            log.info("job id=%s state=%s %s", job.id, job.state.value, job.reason)
    for request in session.scalars(select(Request).where(Request.state == RequestState.ANSWERED)):
        if _has_come_to_nothing(session, request):
            request.state, request.updated_at = RequestState.REFUSED, now_s
            log.info("request refused id=%s bundle=%s", request.id, request.bundle_answer)


def _has_come_to_nothing(session: Session, request: Request) -> bool:
    """Whether the answer will not help: its newest rollout on the device's channel was taken back, or none could even
    begin, or the device came too late for it and turned the bundle down by itself.
    """
    ordered = (
        select(Rollout)
        .join(Device, Device.channel == Rollout.channel)
        .where(Device.id == request.device, Rollout.bundle == request.bundle_answer)
        .order_by(Rollout.created_at.desc(), Rollout.id.desc())
    )
    found = list(session.scalars(ordered))
    newest = next((rollout for rollout in found if rollout.state is not RolloutState.REFUSED), None)
    if newest is None:
        return bool(found)
    is_turned_down = newest.state in FINAL_ROLLOUT_STATES and _has_turned_down(session, request.device, newest.id)
    return newest.state is RolloutState.ROLLED_BACK or is_turned_down


def _has_turned_down(session: Session, device: str, rollout: str) -> bool:
    row = session.get(Device, device)
    state = None if row is None else model_state(row)
    last = None if state is None else state.last_result
    return last is not None and last.rollout == rollout and last.outcome in _TURNED_DOWN


def described(session: Session, job: Job) -> Mapping[str, Any]:
    """A job as JSON shows it."""
    return {
        "id": job.id,
        "model": job.model,
        "state": job.state.value,
        "step": job.step,
        "reason": job.reason,
        "requests": [request.id for request in of_job(session, job.id)],
        "parent": job.parent,
        "bundle": job.bundle,
        "rollout": job.rollout,
        "figures": job.figures,
        "evidence_driven_accuracy": job.evidence_driven_accuracy,
        "evidence_blind_accuracy": job.evidence_blind_accuracy,
        "attempts": job.attempts,
        "created_at": job.created_at,
        "updated_at": job.updated_at,
    }
