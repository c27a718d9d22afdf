"""Carries rollouts out: reads reports from the database, asks the engine, makes true what it wants.

The order of effects is what makes a crash harmless: first the signed channel, then one transaction with the rollout's
new state and what every device is to be told. Whoever finds an older state in the database does the same again.
Publishing what devices are told is left to the controller.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from deploy.clock import Clock
from deploy.errors import EXIT_USAGE, DeployError
from deploy.fleet import desired, rollouts
from deploy.fleet.database import FleetDatabase
from deploy.fleet.models import Device, RolloutDevice
from deploy.fleet.models import Rollout as Row
from deploy.fleet.reports import devices_of, model_state
from deploy.fleet.requests import answered_by
from deploy.fleet.states import FINAL_ROLLOUT_STATES, RolloutState
from deploy.rollout import engine
from deploy.rollout.channel import document, refusal
from deploy.rollout.ports import Channels
from deploy.rollout.rollout import (
    Candidate,
    Participant,
    Report,
    Rollout,
    wanted_bundles,
    wanted_channel,
)
from edge_models.errors import EdgeModelsError
from edge_models.manifest import BundleId
from edge_models.wire import DeviceId, Status

log = logging.getLogger(__name__)


class RolloutRunner:
    """Moves every unfinished rollout on; call ``tick`` about once a second."""

    def __init__(self, database: FleetDatabase, channels: Channels, clock: Clock) -> None:
        self._database = database
        self._channels = channels
        self._clock = clock
        self._reports: dict[str, dict[DeviceId, Report]] = {}
        self._troubles: dict[str, str] = {}

    def tick(self) -> None:
        """One step for the oldest unfinished rollout of each channel; younger ones wait for it."""
        with self._database.read() as session:
            rows = rollouts.unfinished(session)
        busy = set()
        for row in rows:
            if (row.model, row.channel) in busy:
                continue
            busy.add((row.model, row.channel))
            self._guarded(row)
        self._forget({row.id for row in rows})

    def _guarded(self, row: Row) -> None:
        """A registry that is locked or damaged stops this rollout for now, not the controller."""
        try:
            self._begin(row) if row.state is RolloutState.PENDING else self._continue(row)
        except (DeployError, EdgeModelsError) as exc:
            if row.state is RolloutState.PENDING and getattr(exc, "exit_code", EXIT_USAGE) == EXIT_USAGE:
                self._close(row, RolloutState.REFUSED, str(exc))
            elif self._troubles.get(row.id) != str(exc):
                log.error("rollout cannot go on id=%s: %s", row.id, exc)  # noqa: TRY400 - our own errors say it all
            self._troubles[row.id] = str(exc)
        else:
            self._troubles.pop(row.id, None)

    def _forget(self, unfinished: set[str]) -> None:
        self._reports = {key: value for key, value in self._reports.items() if key in unfinished}
        self._troubles = {key: value for key, value in self._troubles.items() if key in unfinished}

    def _begin(self, row: Row) -> None:
        channel = self._channels.channel(row.model, row.channel)
        serial = self._channels.find(row.bundle).serial
        reason = row.abort or refusal(row.model, row.channel, channel, BundleId(row.bundle), serial)
        if reason or channel is None:
            self._close(row, RolloutState.REFUSED, reason)
            return
        with self._database.read() as session:
            candidates = [
                _candidate(session, device, row.bundle) for device in devices_of(session, row.model, row.channel)
            ]
        rollout = engine.begun(
            rollout=row.id,
            bundle=BundleId(row.bundle),
            base=channel.bundle,
            candidates=candidates,
            canary=row.canary,
            wave_timeout_s=row.wave_timeout_s,
            back_timeout_s=row.back_timeout_s,
            now_s=self._clock.unix_s(),
        )
        if rollout is None:
            self._note(row, f"waits for a device of {row.model}/{row.channel} to come online")
            return
        self._carry_out(row, rollout)

    def _continue(self, row: Row) -> None:
        now_s = self._clock.unix_s()
        with self._database.read() as session:
            stored = _loaded(session, row)
            known = self._reports.setdefault(row.id, {})
            known.update(_news(session, row, known))
            told = desired.answers_told(session, row.id)
        rollout = engine.aborted(stored, row.abort, now_s) if row.abort else stored
        rollout = self._observed(rollout, now_s)
        wanted = wanted_bundles(rollout)
        if rollout != stored or any(_answer(rollout, device) != told[device] for device in told.keys() & wanted.keys()):
            self._carry_out(row, rollout)

    def _observed(self, rollout: Rollout, now_s: float) -> Rollout:
        """Feed all reports until nothing moves: a wave that has just begun reads what was reported before it."""
        while True:
            before = rollout
            for report in self._reports[rollout.id].values():
                rollout = engine.observed(rollout, report, now_s)
            rollout = engine.ticked(rollout, now_s)
            if rollout.state is before.state:
                return rollout

    def _carry_out(self, row: Row, rollout: Rollout) -> None:
        self._set_channel(row, rollout)
        now_s = self._clock.unix_s()
        with self._database.write() as session:
            stored = rollouts.get_rollout(session, row.id)
            if stored.abort != row.abort and rollout.state in FINAL_ROLLOUT_STATES:
                return  # the operator was faster than the last report: the next tick takes it back
            if stored.state is not rollout.state:
                log.info("rollout id=%s state=%s %s", row.id, rollout.state.value, rollout.reason)
            stored.state, stored.base, stored.reason = rollout.state, rollout.base, rollout.reason
            stored.phase_started_at, stored.updated_at = rollout.phase_started_s, now_s
            _store_participants(session, rollout, now_s)
            bundles = wanted_bundles(rollout)
            answers = {device: _answer(rollout, device) for device in bundles}
            desired.tell(session, bundles, rollout=row.id, answers=answers, now_s=now_s)

    def _set_channel(self, row: Row, rollout: Rollout) -> None:
        wish = wanted_channel(rollout)
        serials = {bundle: self._channels.find(bundle).serial for bundle in (wish.bundle, *wish.also)}
        changed = self._channels.change_channel(
            row.model, row.channel, lambda present: document(row.model, row.channel, present, rollout, serials)
        )
        log.debug("channel model=%s channel=%s rev=%d", row.model, row.channel, changed.rev)

    def _close(self, row: Row, state: RolloutState, reason: str) -> None:
        log.error("rollout id=%s state=%s %s", row.id, state.value, reason)
        with self._database.write() as session:
            stored = rollouts.get_rollout(session, row.id)
            stored.state, stored.reason, stored.updated_at = state, reason, self._clock.unix_s()

    def _note(self, row: Row, reason: str) -> None:
        if row.reason != reason:
            log.info("rollout id=%s %s", row.id, reason)
            with self._database.write() as session:
                rollouts.get_rollout(session, row.id).reason = reason


def _candidate(session: Session, device: Device, bundle: str) -> Candidate:
    request = answered_by(session, device.id, bundle)
    return Candidate(
        device=DeviceId(device.id),
        is_online=device.status == Status.ONLINE,
        answers=None if request is None else request.id,
        report=model_state(device),
    )


def _loaded(session: Session, row: Row) -> Rollout:
    if row.base is None:
        raise RuntimeError(f"rollout {row.id} has begun without a base")
    return Rollout(
        id=row.id,
        bundle=BundleId(row.bundle),
        base=BundleId(row.base),
        state=row.state,
        reason=row.reason,
        phase_started_s=row.phase_started_at,
        wave_timeout_s=row.wave_timeout_s,
        back_timeout_s=row.back_timeout_s,
        devices={
            DeviceId(one.device): Participant(
                wave=one.wave, outcome=one.outcome, answers=one.answers, detail=one.detail
            )
            for one in rollouts.participants(session, row.id)
        },
    )


def _news(session: Session, row: Row, known: Mapping[DeviceId, Report]) -> dict[DeviceId, Report]:
    """The reports of the rollout's devices that are not the ``known`` ones; reading all of them each time is slow."""
    times = (
        select(Device.id, Device.model_state_at)
        .join(RolloutDevice, RolloutDevice.device == Device.id)
        .where(RolloutDevice.rollout == row.id, Device.model_state_at.is_not(None))
    )
    found = {}
    for name, received_s in session.execute(times).all():
        report = known.get(DeviceId(name))
        if report is not None and report.received_s == received_s:
            continue
        device = session.get_one(Device, name)
        state = model_state(device)
        if state is not None and device.model_state_at is not None:
            found[DeviceId(device.id)] = Report(
                device=DeviceId(device.id),
                state=state,
                received_s=device.model_state_at,
                is_new=device.model_state_at > row.created_at,
            )
    return found


def _store_participants(session: Session, rollout: Rollout, now_s: float) -> None:
    stored = {row.device: row for row in rollouts.participants(session, rollout.id)}
    for device, participant in rollout.devices.items():
        row = stored.get(device)
        if row is None:
            row = RolloutDevice(
                rollout=rollout.id,
                device=device,
                wave=participant.wave,
                outcome=participant.outcome,
                answers=participant.answers,
                updated_at=now_s,
            )
            session.add(row)
        if row.outcome is not participant.outcome:
            log.info("rollout id=%s device=%s outcome=%s", rollout.id, device, participant.outcome.value)
            row.updated_at = now_s
        row.outcome, row.detail = participant.outcome, participant.detail


def _answer(rollout: Rollout, device: DeviceId) -> str | None:
    """The request that the bundle answers; the base bundle, which a device is sent back to, answers none."""
    is_base = wanted_bundles(rollout)[device] == rollout.base
    return None if is_base else rollout.devices[device].answers
