"""Rollouts for tests: what a device would report, and a fleet that can be told to do anything."""

from __future__ import annotations

from collections.abc import Sequence

from deploy.rollout import engine
from deploy.rollout.rollout import Candidate, Report, Rollout
from edge_models.manifest import BundleId
from edge_models.wire import DeviceId, LastResult, ModelState, ModelVersion, UpdateError, UpdatePhase

OLD, NEW, OTHER = BundleId("a" * 64), BundleId("b" * 64), BundleId("c" * 64)
ID = "rollout-1"
START_S = 1000.0


def state(
    phase: UpdatePhase,
    installed: BundleId | None,
    *,
    target: BundleId | None = None,
    last: tuple[BundleId, UpdatePhase, str | None] | None = None,
    error: str | None = None,
) -> ModelState:
    return ModelState(
        ts=None,
        up=1.0,
        phase=phase,
        installed=None if installed is None else ModelVersion(bundle=installed),
        target=None if target is None else ModelVersion(bundle=target),
        last_result=None if last is None else LastResult(bundle=last[0], outcome=last[1], rollout=last[2]),
        error=None if error is None else UpdateError(code="self_test", message=error),
    )


def committed(bundle: BundleId = NEW) -> ModelState:
    return state(UpdatePhase.COMMITTED, bundle, last=(bundle, UpdatePhase.COMMITTED, ID))


def failed(phase: UpdatePhase = UpdatePhase.REJECTED, rollout: str | None = ID) -> ModelState:
    return state(phase, OLD, last=(NEW, phase, rollout), error="wrong golden outputs")


def report(device: str, model_state: ModelState, *, is_new: bool = True) -> Report:
    return Report(device=DeviceId(device), state=model_state, received_s=0.0, is_new=is_new)


def candidate(
    device: str, *, is_online: bool = True, answers: str | None = None, has: ModelState | None = None
) -> Candidate:
    return Candidate(device=DeviceId(device), is_online=is_online, answers=answers, report=has)


def rollout_of(candidates: Sequence[Candidate], *, canary: int = 1) -> Rollout:
    begun = engine.begun(
        rollout=ID,
        bundle=NEW,
        base=OLD,
        candidates=candidates,
        canary=canary,
        wave_timeout_s=60.0,
        back_timeout_s=30.0,
        now_s=START_S,
    )
    if begun is None:
        raise AssertionError("nobody is online")
    return begun


def fleet(*devices: str, canary: int = 1) -> Rollout:
    return rollout_of([candidate(device) for device in devices], canary=canary)
