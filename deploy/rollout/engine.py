"""The rules of a rollout. No IO here: no database, clock, broker or registry; ``deploy.rollout.runner`` has those.

Wave 0 holds the canaries, wave 1 all other devices. A wave is done when every device of it has committed the bundle,
and only what a device itself reports as committed counts. A device that rolls back, rejects or fails the bundle, and a
canary that stays silent, abort the rollout: everybody goes back to the base bundle. A silent device of the last wave
may just be switched off: it cannot undo what all others have proved, nor can it make the rollout committed.

Legal order:

    rollout = begun(...)                                state CANARY
    rollout = observed(rollout, report, now_s)          for every model/state of a device
    rollout = ticked(rollout, now_s)                    every second or so
    wanted_channel(rollout), wanted_bundles(rollout)    what has to be true in the world, in this state

What is wanted is a function of the state, so that whoever carries it out may die at any point and do it again. The
channel comes first: a device obeys ``desired`` only if the signed channel lists the bundle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum, auto

from deploy.fleet.states import DeviceOutcome, RolloutState
from deploy.rollout.reading import complaint, failure, holds, is_leaving
from deploy.rollout.rollout import CANARY_WAVE, REST_WAVE, Candidate, Participant, Report, Rollout
from edge_models.manifest import BundleId, short


class Happening(Enum):
    """What moves a rollout from one state to the next."""

    WAVE_COMMITTED = auto()  # every device of the present wave
    DEVICE_FAILED = auto()
    WAVE_OVERDUE = auto()
    ALL_BACK = auto()  # every device that may have the bundle runs the base again
    BACK_OVERDUE = auto()
    ABORTED = auto()  # by an operator


_S = RolloutState
TRANSITIONS: dict[tuple[RolloutState, Happening], RolloutState] = {
    (_S.CANARY, Happening.WAVE_COMMITTED): _S.REST,
    (_S.CANARY, Happening.DEVICE_FAILED): _S.ROLLING_BACK,
    (_S.CANARY, Happening.WAVE_OVERDUE): _S.ROLLING_BACK,
    (_S.CANARY, Happening.ABORTED): _S.ROLLING_BACK,
    (_S.REST, Happening.WAVE_COMMITTED): _S.COMMITTED,
    (_S.REST, Happening.DEVICE_FAILED): _S.ROLLING_BACK,
    (_S.REST, Happening.WAVE_OVERDUE): _S.INCOMPLETE,
    (_S.REST, Happening.ABORTED): _S.ROLLING_BACK,
    (_S.ROLLING_BACK, Happening.ALL_BACK): _S.ROLLED_BACK,
    (_S.ROLLING_BACK, Happening.BACK_OVERDUE): _S.ROLLED_BACK,
}

FAILURES = frozenset({DeviceOutcome.ROLLED_BACK, DeviceOutcome.REJECTED, DeviceOutcome.FAILED})


def begun(
    *,
    rollout: str,
    bundle: BundleId,
    base: BundleId,
    candidates: Iterable[Candidate],
    canary: int,
    wave_timeout_s: float,
    back_timeout_s: float,
    now_s: float,
) -> Rollout | None:
    """Divide the fleet into waves and begin with the canaries.

    Canaries have to be online and without the bundle, to be able to prove anything; devices whose request the bundle
    answers come first, as it is them that it has to cure. What devices have reported before is to be ``observed`` next.

    Returns:
        The rollout in state CANARY, or None while no device is online.
    """
    fleet = list(candidates)
    able = sorted((c for c in fleet if c.is_online), key=lambda c: (_has(c, bundle), c.answers is None, c.device))
    if not able:
        return None
    canaries = {c.device for c in able[:canary]}
    devices = {
        c.device: Participant(wave=CANARY_WAVE if c.device in canaries else REST_WAVE, answers=c.answers) for c in fleet
    }
    started = Rollout(
        id=rollout,
        bundle=bundle,
        base=base,
        state=RolloutState.CANARY,
        phase_started_s=now_s,
        wave_timeout_s=wave_timeout_s,
        back_timeout_s=back_timeout_s,
        devices=devices,
    )
    return _with_wave_open(started, CANARY_WAVE)


def observed(rollout: Rollout, report: Report, now_s: float) -> Rollout:
    """Take note of what a device reports; what it says about other bundles or rollouts changes nothing."""
    participant = rollout.devices.get(report.device)
    if participant is None:
        return rollout
    match rollout.state:
        case RolloutState.CANARY | RolloutState.REST:
            judged = _forward(rollout, participant, report)
        case RolloutState.ROLLING_BACK:
            judged = _backward(rollout, participant, report)
        case _:
            return rollout
    if judged != participant:
        rollout = replace(rollout, devices={**rollout.devices, report.device: judged})
    return _advanced(rollout, now_s)


def ticked(rollout: Rollout, now_s: float) -> Rollout:
    """Let time pass: a wave that takes too long ends, one way or the other."""
    return _advanced(rollout, now_s)


def aborted(rollout: Rollout, reason: str, now_s: float) -> Rollout:
    """Go back, because somebody says so; nothing happens to a rollout that has ended or is going back."""
    return _moved(rollout, Happening.ABORTED, reason, now_s)


def _has(candidate: Candidate, bundle: BundleId) -> bool:
    return candidate.report is not None and holds(candidate.report, bundle)


def _forward(rollout: Rollout, participant: Participant, report: Report) -> Participant:
    if participant.outcome is DeviceOutcome.WAITING or participant.outcome in FAILURES:
        return participant
    if holds(report.state, rollout.bundle):
        return replace(participant, outcome=DeviceOutcome.COMMITTED, detail="")
    failed = failure(rollout, report)
    if failed is not None:
        return replace(participant, outcome=failed, detail=complaint(report.state))
    if participant.outcome is DeviceOutcome.COMMITTED:  # it was, and is no longer: rolled back by hand, or reinstalled
        return replace(participant, outcome=DeviceOutcome.UPDATING)
    return participant


def _backward(rollout: Rollout, participant: Participant, report: Report) -> Participant:
    if _is_back(participant) or is_leaving(report.state, rollout.base) or not holds(report.state, rollout.base):
        return participant
    return replace(participant, outcome=DeviceOutcome.BACK)


def _advanced(rollout: Rollout, now_s: float) -> Rollout:
    """Follow the table for as long as something moves: an empty last wave is done as soon as it begins."""
    if rollout.state in (RolloutState.CANARY, RolloutState.REST):
        rollout = _with_wave_open(rollout, _wave(rollout))  # for devices that joined after it began
    while True:
        happened = _happening(rollout, now_s)
        if happened is None:
            return rollout
        rollout = _moved(rollout, happened, _reason(rollout, happened), now_s)


def _happening(rollout: Rollout, now_s: float) -> Happening | None:
    age_s = now_s - rollout.phase_started_s
    match rollout.state:
        case RolloutState.CANARY | RolloutState.REST:
            outcomes = {participant.outcome for participant in rollout.devices.values()}
            if outcomes & FAILURES:
                return Happening.DEVICE_FAILED
            if all(p.outcome is DeviceOutcome.COMMITTED for p in rollout.devices.values() if p.wave <= _wave(rollout)):
                return Happening.WAVE_COMMITTED
            return Happening.WAVE_OVERDUE if age_s >= rollout.wave_timeout_s else None
        case RolloutState.ROLLING_BACK:
            if all(_is_back(participant) for participant in rollout.devices.values()):
                return Happening.ALL_BACK
            return Happening.BACK_OVERDUE if age_s >= rollout.back_timeout_s else None
        case _:
            return None


def _wave(rollout: Rollout) -> int:
    return CANARY_WAVE if rollout.state is RolloutState.CANARY else REST_WAVE


def _is_back(participant: Participant) -> bool:
    """A device that failed has gone back by itself: that is how it failed."""
    return participant.outcome in FAILURES or participant.outcome in (DeviceOutcome.WAITING, DeviceOutcome.BACK)


def _moved(rollout: Rollout, happened: Happening, reason: str, now_s: float) -> Rollout:
    state = TRANSITIONS.get((rollout.state, happened))
    if state is None:
        return rollout
    rollout = _with_missing(rollout) if happened is Happening.WAVE_OVERDUE else rollout
    moved = replace(rollout, state=state, reason=reason or rollout.reason, phase_started_s=now_s)
    return _with_wave_open(moved, REST_WAVE) if state is RolloutState.REST else moved


def _with_wave_open(rollout: Rollout, wave: int) -> Rollout:
    devices = {
        device: replace(participant, outcome=DeviceOutcome.UPDATING)
        if participant.wave == wave and participant.outcome is DeviceOutcome.WAITING
        else participant
        for device, participant in rollout.devices.items()
    }
    return replace(rollout, devices=devices)


def _with_missing(rollout: Rollout) -> Rollout:
    devices = {
        device: replace(participant, outcome=DeviceOutcome.MISSING)
        if participant.outcome is DeviceOutcome.UPDATING
        else participant
        for device, participant in rollout.devices.items()
    }
    return replace(rollout, devices=devices)


def _reason(rollout: Rollout, happened: Happening) -> str:
    failed = sorted(device for device, participant in rollout.devices.items() if participant.outcome in FAILURES)
    silent = sorted(d for d, participant in rollout.devices.items() if participant.outcome is DeviceOutcome.UPDATING)
    match happened:
        case Happening.DEVICE_FAILED:
            first = rollout.devices[failed[0]]
            return f"{failed[0]}: {first.outcome} {short(rollout.bundle)} ({first.detail or 'no reason given'})"
        case Happening.WAVE_OVERDUE:
            return f"{', '.join(silent)}: not committed {short(rollout.bundle)} within {rollout.wave_timeout_s:g} s"
        case _:
            return ""
