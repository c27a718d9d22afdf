"""Requests for a better model: taken in once, and gathered into jobs.

Requests that come within ``settle_s`` of each other share a job, and so do those that come while a job is under way:
its bundle goes to all devices, so it will answer them as well. Only a device that asks although it already runs a job's
bundle needs another one, and so does one that asks while that bundle is taken back. A device that is still to be
updated to what its fleet runs has to try that first. A job's bundle is rolled out on one channel: requests of devices
that follow another one stay open.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from deploy.config import FleetConfig, RetrainConfig
from deploy.fleet.models import Desired, Device, Job, Request, Rollout, RolloutDevice
from deploy.fleet.reports import document, expect, model_state
from deploy.fleet.states import ACTIVE_JOB_STATES, DeviceOutcome, JobState, RequestState, RolloutState
from deploy.rollout.rollout import REST_WAVE
from edge_models.errors import FieldError
from edge_models.manifest import Manifest
from edge_models.wire import ModelRequest

log = logging.getLogger(__name__)

_UNFINISHED = (RequestState.OPEN, RequestState.ANSWERED)


def record_request(session: Session, device: Device, message: object, now_s: float) -> None:
    """Take a request in, once; an empty message closes what the device had asked for."""
    if message is None:
        _close(_unfinished(session, device.id), now_s)
        return
    request = expect(message, ModelRequest)
    row = session.get(Request, request.id)
    if row is None:
        _close(_unfinished(session, device.id), now_s)  # a device has one open request at a time
        session.add(
            Request(
                id=request.id,
                device=device.id,
                model=request.model,
                reason=request.reason.value,
                bundle_held=request.bundle,
                document=document(request),
                state=RequestState.OPEN,
                received_at=now_s,
                updated_at=now_s,
            )
        )
        log.info("request received id=%s device=%s reason=%s", request.id, device.id, request.reason.value)
    elif row.device != device.id:
        raise FieldError("id", f"{request.id}, which {row.device} has used", "an id of the device's own")
    elif row.state is RequestState.WITHDRAWN:  # a lost retained message looked like a withdrawal
        _close(_unfinished(session, device.id), now_s)
        row.state, row.updated_at = RequestState.OPEN, now_s
        if row.job is not None and not _is_active(session, row.job):
            row.job = None


def gather(
    session: Session, model: str, config: FleetConfig, now_s: float, *, is_listed: Callable[[str], bool]
) -> None:
    """Bring jobs up to date with the requests: assign new ones, tell the worker about those that have settled.

    Args:
        session: In a writing transaction.
        model: The model slot.
        config: fleet.yaml.
        now_s: The present time.
        is_listed: Whether the signed channel lists a bundle; devices do not run what it does not.
    """
    for request in _open_without_job(session, model, config.channel):
        job = _job_for(session, request, active_jobs(session, model))
        if job is None and _has_something_to_try(session, request, is_listed):
            continue
        job = job or _new_job(session, model, request, config.retrain, now_s)
        _join(session, job, request, config.retrain, now_s)
    for job in active_jobs(session, model):
        if job.state in (JobState.SETTLING, JobState.READY) and not of_job(session, job.id, (RequestState.OPEN,)):
            _set_state(job, JobState.CANCELLED, now_s, "every request was withdrawn")
        elif job.state is JobState.SETTLING and now_s >= job.settled_at:
            _set_state(job, JobState.READY, now_s)


def active_jobs(session: Session, model: str) -> list[Job]:
    """The model's jobs that have not ended, the oldest first."""
    chosen = select(Job).where(Job.model == model, Job.state.in_(ACTIVE_JOB_STATES)).order_by(Job.created_at, Job.id)
    return list(session.scalars(chosen))


def of_job(session: Session, job: str, states: Sequence[RequestState] = tuple(RequestState)) -> list[Request]:
    """The requests of a job that are in one of ``states``, by arrival."""
    chosen = select(Request).where(Request.job == job, Request.state.in_(states))
    return list(session.scalars(chosen.order_by(Request.received_at, Request.id)))


def answer(session: Session, job: Job, bundle: str, now_s: float) -> None:
    """Mark the open requests of a job as answered by ``bundle``."""
    for request in of_job(session, job.id, (RequestState.OPEN,)):
        request.state, request.bundle_answer, request.updated_at = RequestState.ANSWERED, bundle, now_s


def answer_by_manifest(session: Session, manifest: Manifest, bundle: str, now_s: float) -> None:
    """Mark the requests that a bundle says it answers, for a rollout that an operator orders."""
    for identity in manifest.provenance.answers:
        request = session.get(Request, identity)
        if request is not None and request.state in (RequestState.OPEN, RequestState.REFUSED):
            request.state, request.bundle_answer, request.updated_at = RequestState.ANSWERED, bundle, now_s


def all_requests(session: Session) -> list[Request]:
    """Every request by arrival."""
    return list(session.scalars(select(Request).order_by(Request.received_at, Request.id)))


def refuse(session: Session, job: Job, now_s: float) -> None:
    """Mark what a job could not help with; what an operator's rollout has answered meanwhile stays answered."""
    for request in of_job(session, job.id, (RequestState.OPEN,)):
        request.state, request.updated_at = RequestState.REFUSED, now_s


def answered_by(session: Session, device: str, bundle: str) -> Request | None:
    """The device's request that ``bundle`` answers, or None."""
    chosen = select(Request).where(
        Request.device == device, Request.state == RequestState.ANSWERED, Request.bundle_answer == bundle
    )
    return session.scalars(chosen.order_by(Request.received_at.desc()).limit(1)).first()


def _unfinished(session: Session, device: str) -> list[Request]:
    return list(session.scalars(select(Request).where(Request.device == device, Request.state.in_(_UNFINISHED))))


def _close(requests: Iterable[Request], now_s: float) -> None:
    for request in requests:
        answered = request.state is RequestState.ANSWERED
        request.state = RequestState.CLOSED if answered else RequestState.WITHDRAWN
        request.updated_at = now_s
        log.info("request closed id=%s device=%s answered=%s", request.id, request.device, answered)


def _open_without_job(session: Session, model: str, channel: str) -> list[Request]:
    chosen = (
        select(Request)
        .join(Device, Device.id == Request.device)
        .where(Request.model == model, Request.state == RequestState.OPEN, Request.job.is_(None))
        .where(Device.channel == channel)
    )
    return list(session.scalars(chosen.order_by(Request.received_at, Request.id)))


def _job_for(session: Session, request: Request, active: Sequence[Job]) -> Job | None:
    """The job whose bundle will help this request, too; None where each has already been tried, or there is none."""
    for job in active:
        rollout = None if job.rollout is None else session.get(Rollout, job.rollout)
        is_taken_back = rollout is not None and rollout.state is RolloutState.ROLLING_BACK
        if job.bundle is None or (job.bundle != request.bundle_held and not is_taken_back):
            return job
    return None


def _has_something_to_try(session: Session, request: Request, is_listed: Callable[[str], bool]) -> bool:
    """Whether the device has been told to run another bundle, may do so, and has not reported how that ended."""
    told, device = session.get(Desired, request.device), session.get(Device, request.device)
    if told is None or device is None or told.bundle == request.bundle_held:
        return False
    state = model_state(device)
    tried = None if state is None or state.last_result is None else state.last_result.bundle
    return tried != told.bundle and is_listed(told.bundle)


def _is_active(session: Session, job: str) -> bool:
    row = session.get(Job, job)
    return row is not None and row.state in ACTIVE_JOB_STATES


def _new_job(session: Session, model: str, request: Request, config: RetrainConfig, now_s: float) -> Job:
    number = 1 + (session.scalar(select(func.count()).select_from(Job)) or 0)
    job = Job(
        id=f"job-{number}",
        model=model,
        state=JobState.SETTLING,
        settled_at=request.received_at + config.settle_s,
        figures={},
        created_at=now_s,
        updated_at=now_s,
    )
    session.add(job)
    session.flush()
    log.info("job opened id=%s", job.id)
    return job


def _join(session: Session, job: Job, request: Request, config: RetrainConfig, now_s: float) -> None:
    request.job, request.updated_at = job.id, now_s
    if job.state is JobState.SETTLING:
        latest = job.created_at + config.settle_most_s
        job.settled_at = min(latest, max(job.settled_at, request.received_at + config.settle_s))
    elif job.state is JobState.ROLLING_OUT and job.bundle is not None and job.rollout is not None:
        answer(session, job, job.bundle, now_s)
        _take_part(session, job.rollout, request, now_s)
    session.flush()
    log.info("request joined job request=%s job=%s", request.id, job.id)


def _take_part(session: Session, identity: str, request: Request, now_s: float) -> None:
    """Let a rollout that has begun know whom it answers; one that has not will look for itself."""
    rollout = session.get(Rollout, identity)
    participant = session.get(RolloutDevice, (identity, request.device))
    if participant is not None:
        if participant.outcome is not DeviceOutcome.COMMITTED:
            participant.answers = request.id
    elif rollout is not None and rollout.state in (RolloutState.CANARY, RolloutState.REST):
        session.add(
            RolloutDevice(
                rollout=identity,
                device=request.device,
                wave=REST_WAVE,
                outcome=DeviceOutcome.WAITING,
                answers=request.id,
                updated_at=now_s,
            )
        )


def _set_state(job: Job, state: JobState, now_s: float, reason: str = "") -> None:
    job.state, job.updated_at, job.reason = state, now_s, reason
    log.info("job id=%s state=%s %s", job.id, state.value, reason)
