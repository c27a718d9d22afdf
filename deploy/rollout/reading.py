"""What a device's ``model/state`` means for a rollout."""

from __future__ import annotations

from deploy.fleet.states import DeviceOutcome
from deploy.rollout.rollout import Report, Rollout
from edge_models.manifest import BundleId
from edge_models.wire import ModelState, UpdatePhase
from edge_models.wire.results import remedy

_FAILED_PHASES = {
    UpdatePhase.ROLLED_BACK: DeviceOutcome.ROLLED_BACK,
    UpdatePhase.REJECTED: DeviceOutcome.REJECTED,
    UpdatePhase.FAILED: DeviceOutcome.FAILED,
}
_IN_FLIGHT = frozenset(
    {
        UpdatePhase.DOWNLOADING,
        UpdatePhase.VERIFYING,
        UpdatePhase.SELF_TEST,
        UpdatePhase.SHADOW,
        UpdatePhase.PROVISIONAL,
        UpdatePhase.ROLLING_BACK,
    }
)


def holds(state: ModelState, bundle: BundleId) -> bool:
    """Whether a device runs ``bundle`` for good: installed, and no update under way that could still undo it."""
    if state.installed is None or state.installed.bundle != bundle or state.phase in _IN_FLIGHT:
        return False
    if state.phase in _FAILED_PHASES:  # of another bundle: it has stayed with, or come back to, this one
        tried = state.last_result.bundle if state.last_result else state.target.bundle if state.target else None
        return tried != bundle
    return True


def is_leaving(state: ModelState, bundle: BundleId) -> bool:
    """Whether an update to another bundle than ``bundle`` is under way."""
    return state.phase in _IN_FLIGHT and state.target is not None and state.target.bundle != bundle


def failure(rollout: Rollout, report: Report) -> DeviceOutcome | None:
    """How the device failed this bundle in this rollout; earlier tries of the same bundle do not count.

    A device that followed the channel before the hint reached it knows no rollout: then the report has to be new.
    """
    last = report.state.last_result
    if last is None or last.bundle != rollout.bundle:
        return None
    is_ours = last.rollout == rollout.id or (last.rollout is None and report.is_new)
    return _FAILED_PHASES.get(last.outcome) if is_ours else None


def complaint(state: ModelState) -> str:
    """What the device says went wrong and what to do about it, for people; an older device tells no remedy."""
    error = state.error
    if error is None:
        return ""
    advice = error.remedy or remedy(error.code)
    said = f"{error.code}: {error.message}"[: 498 - len(advice)]
    return f"{said}; {advice}" if advice else said
