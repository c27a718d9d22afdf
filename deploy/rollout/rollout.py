"""A rollout at one moment, and what it wants of the world then. No IO here, and no rules: ``engine`` has those."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from deploy.fleet.states import DeviceOutcome, RolloutState
from edge_models.manifest import BundleId
from edge_models.wire import DeviceId, ModelState

CANARY_WAVE = 0
REST_WAVE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One device of a rollout.

    Attributes:
        wave: 0 for a canary, 1 for the rest.
        outcome: Where it stands.
        answers: The device's request that the bundle answers.
        detail: What it said about its failure.
    """

    wave: int
    outcome: DeviceOutcome = DeviceOutcome.WAITING
    answers: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A rollout at one moment.

    Attributes:
        id: Its name, which devices repeat in their reports.
        bundle: What is rolled out.
        base: What runs otherwise, and what an abort goes back to.
        state: How far it has come.
        reason: Why it was aborted or is incomplete, one sentence.
        phase_started_s: When ``state`` was entered.
        wave_timeout_s: How long a wave may take.
        back_timeout_s: How long going back may take before it is called done all the same.
        devices: Every device that takes part.
    """

    id: str
    bundle: BundleId
    base: BundleId
    state: RolloutState
    reason: str = ""
    phase_started_s: float
    wave_timeout_s: float
    back_timeout_s: float
    devices: Mapping[DeviceId, Participant]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A device's ``model/state``.

    Attributes:
        device: Whose.
        state: What it says.
        received_s: When it came, seconds since 1970.
        is_new: Whether that was after the rollout was ordered.
    """

    device: DeviceId
    state: ModelState
    received_s: float
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A device that could take part."""

    device: DeviceId
    is_online: bool
    answers: str | None
    report: ModelState | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelWish:
    """What the signed channel has to say: ``bundle`` for everybody, ``also`` for those whom ``desired`` names it."""

    bundle: BundleId
    also: tuple[BundleId, ...]


def wanted_channel(rollout: Rollout) -> ChannelWish:
    """What the channel has to say in this state."""
    match rollout.state:
        case RolloutState.CANARY:
            return ChannelWish(bundle=rollout.base, also=(rollout.bundle,))
        case RolloutState.REST | RolloutState.COMMITTED | RolloutState.INCOMPLETE:
            return ChannelWish(bundle=rollout.bundle, also=(rollout.base,))
        case RolloutState.ROLLING_BACK | RolloutState.ROLLED_BACK:
            return ChannelWish(bundle=rollout.base, also=())
        case RolloutState.PENDING | RolloutState.REFUSED:
            raise ValueError(f"a rollout in state {rollout.state} wants nothing")
        case _:
            assert_never(rollout.state)


def wanted_bundles(rollout: Rollout) -> dict[DeviceId, BundleId]:
    """What each device has to be told to run in this state; devices that are left out are not told anything."""
    is_going_back = rollout.state in (RolloutState.ROLLING_BACK, RolloutState.ROLLED_BACK)
    return {
        device: rollout.base if is_going_back else rollout.bundle
        for device, participant in rollout.devices.items()
        if participant.outcome is not DeviceOutcome.WAITING
    }
