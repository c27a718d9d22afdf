from __future__ import annotations

import pytest

from deploy.fleet.states import FINAL_ROLLOUT_STATES, DeviceOutcome, RolloutState
from deploy.rollout import engine
from deploy.rollout.rollout import ChannelWish, Rollout, wanted_bundles, wanted_channel
from edge_models.wire import DeviceId, ModelState, UpdatePhase
from edge_models.wire.results import remedy
from tests.unit.deploy.rollout_stories import (
    ID,
    NEW,
    OLD,
    OTHER,
    START_S,
    candidate,
    committed,
    failed,
    fleet,
    report,
    rollout_of,
    state,
)

SOON_S = START_S + 1
A, B, C = DeviceId("a"), DeviceId("b"), DeviceId("c")


def told(rollout: Rollout, device: str, what: ModelState, now_s: float = SOON_S, *, is_new: bool = True) -> Rollout:
    return engine.observed(rollout, report(device, what, is_new=is_new), now_s)


def test_only_the_canary_is_told_at_first() -> None:
    rollout = fleet("a", "b", "c")

    assert rollout.state is RolloutState.CANARY
    assert wanted_bundles(rollout) == {A: NEW}
    assert wanted_channel(rollout) == ChannelWish(bundle=OLD, also=(NEW,))


def test_the_rest_is_told_when_every_canary_has_committed() -> None:
    rollout = told(told(fleet("a", "b", "c", canary=2), "a", committed()), "b", committed())

    assert rollout.state is RolloutState.REST
    assert wanted_bundles(rollout) == {A: NEW, B: NEW, C: NEW}
    assert wanted_channel(rollout) == ChannelWish(bundle=NEW, also=(OLD,))


def test_it_is_committed_when_every_device_has_committed() -> None:
    rollout = told(told(fleet("a", "b"), "a", committed()), "b", committed())

    assert rollout.state is RolloutState.COMMITTED
    assert wanted_channel(rollout).bundle == NEW


def test_a_fleet_of_canaries_needs_no_second_wave() -> None:
    rollout = told(fleet("a", canary=3), "a", committed())

    assert rollout.state is RolloutState.COMMITTED


@pytest.mark.parametrize(
    "phase",
    [
        UpdatePhase.DOWNLOADING,
        UpdatePhase.VERIFYING,
        UpdatePhase.SELF_TEST,
        UpdatePhase.SHADOW,
        UpdatePhase.PROVISIONAL,
        UpdatePhase.ROLLING_BACK,
    ],
)
def test_installed_is_not_committed(phase: UpdatePhase) -> None:
    rollout = told(fleet("a", "b"), "a", state(phase, NEW, target=NEW))

    assert rollout.state is RolloutState.CANARY
    assert rollout.devices[A].outcome is DeviceOutcome.UPDATING


@pytest.mark.parametrize("phase", [UpdatePhase.ROLLED_BACK, UpdatePhase.REJECTED, UpdatePhase.FAILED])
def test_a_canary_that_fails_sends_everybody_back(phase: UpdatePhase) -> None:
    rollout = told(fleet("a", "b", "c", canary=2), "b", committed())

    rollout = told(rollout, "a", failed(phase))

    assert rollout.state is RolloutState.ROLLING_BACK
    assert rollout.devices[A].outcome == phase.value
    said = f"self_test: wrong golden outputs; {remedy('self_test')}"
    assert rollout.reason == f"a: {phase.value} {NEW[:12]} ({said})"
    assert wanted_channel(rollout) == ChannelWish(bundle=OLD, also=())
    assert wanted_bundles(rollout) == {A: OLD, B: OLD}


def test_it_is_rolled_back_when_those_who_had_the_bundle_are_back() -> None:
    rollout = told(told(fleet("a", "b", canary=2), "b", committed()), "a", failed())
    assert rollout.state is RolloutState.ROLLING_BACK

    rollout = told(rollout, "b", committed())  # not yet
    assert rollout.state is RolloutState.ROLLING_BACK
    rollout = told(rollout, "b", committed(OLD))

    assert rollout.state is RolloutState.ROLLED_BACK
    assert rollout.devices[B].outcome is DeviceOutcome.BACK


def test_it_counts_as_rolled_back_although_a_device_has_gone_silent() -> None:
    rollout = told(told(fleet("a", "b", canary=2), "b", committed()), "a", failed())

    rollout = engine.ticked(rollout, SOON_S + 30)

    assert rollout.state is RolloutState.ROLLED_BACK
    assert wanted_bundles(rollout)[B] == OLD


def test_a_silent_canary_sends_everybody_back() -> None:
    rollout = engine.ticked(fleet("a", "b"), START_S + 60)

    assert rollout.state is RolloutState.ROLLING_BACK
    assert rollout.devices[A].outcome is DeviceOutcome.MISSING
    assert rollout.reason == f"a: not committed {NEW[:12]} within 60 s"


def test_a_device_of_the_last_wave_that_fails_sends_everybody_back() -> None:
    rollout = told(told(fleet("a", "b", "c"), "a", committed()), "b", failed(UpdatePhase.ROLLED_BACK))

    assert rollout.state is RolloutState.ROLLING_BACK
    assert wanted_bundles(rollout) == {A: OLD, B: OLD, C: OLD}


def test_a_silent_device_of_the_last_wave_leaves_it_incomplete() -> None:
    rollout = told(fleet("a", "b", "c"), "a", committed())
    rollout = told(rollout, "b", committed())

    rollout = engine.ticked(rollout, SOON_S + 60)

    assert rollout.state is RolloutState.INCOMPLETE
    assert rollout.devices[C].outcome is DeviceOutcome.MISSING
    assert wanted_channel(rollout).bundle == NEW


def test_each_wave_has_its_own_time() -> None:
    rollout = told(fleet("a", "b"), "a", committed(), START_S + 59)

    assert engine.ticked(rollout, START_S + 61).state is RolloutState.REST


def test_a_canary_that_leaves_the_bundle_again_no_longer_counts() -> None:
    rollout = told(fleet("a", "b", canary=1), "a", committed())

    rollout = told(rollout, "a", committed(OTHER))
    rollout = told(rollout, "b", committed())

    assert rollout.state is RolloutState.REST


def test_a_failure_in_an_earlier_rollout_of_the_same_bundle_does_not_count() -> None:
    rollout = told(fleet("a", "b"), "a", failed(rollout="rollout-0"))

    assert rollout.state is RolloutState.CANARY


def test_a_failure_of_a_device_that_followed_the_channel_counts_if_it_is_new() -> None:
    rollout = told(fleet("a", "b"), "a", committed())

    assert told(rollout, "b", failed(rollout=None), is_new=False).state is RolloutState.REST
    assert told(rollout, "b", failed(rollout=None), is_new=True).state is RolloutState.ROLLING_BACK


def test_a_failure_with_another_bundle_does_not_count() -> None:
    other = state(UpdatePhase.REJECTED, OLD, last=(OTHER, UpdatePhase.REJECTED, ID))

    assert told(fleet("a", "b"), "a", other).state is RolloutState.CANARY


def test_a_device_that_has_stayed_with_the_bundle_after_trying_another_one_has_it() -> None:
    stayed = state(UpdatePhase.REJECTED, NEW, last=(OTHER, UpdatePhase.REJECTED, None))

    assert told(fleet("a"), "a", stayed).state is RolloutState.COMMITTED


def test_a_report_that_contradicts_itself_is_no_commit() -> None:
    odd = state(UpdatePhase.ROLLED_BACK, NEW, last=(NEW, UpdatePhase.ROLLED_BACK, "rollout-0"))

    assert told(fleet("a"), "a", odd).state is RolloutState.CANARY


def test_reports_of_strangers_change_nothing() -> None:
    rollout = fleet("a", "b")

    assert told(rollout, "stranger", committed()) is rollout


def test_a_device_whose_wave_has_not_begun_is_not_judged() -> None:
    rollout = told(fleet("a", "b"), "b", committed())

    assert rollout.devices[B].outcome is DeviceOutcome.WAITING


def test_canaries_are_those_who_asked() -> None:
    rollout = rollout_of([candidate("a"), candidate("b"), candidate("c", answers="request-1")], canary=1)

    assert [device for device, one in rollout.devices.items() if one.wave == 0] == [C]


def test_canaries_are_online_and_without_the_bundle() -> None:
    candidates = [
        candidate("a", is_online=False, answers="request-1"),
        candidate("b", has=committed()),
        candidate("c"),
    ]

    rollout = rollout_of(candidates, canary=1)

    assert [device for device, one in rollout.devices.items() if one.wave == 0] == [C]


def test_it_does_not_begin_while_nobody_is_online() -> None:
    begun = engine.begun(
        rollout=ID,
        bundle=NEW,
        base=OLD,
        candidates=[candidate("a", is_online=False)],
        canary=1,
        wave_timeout_s=60,
        back_timeout_s=60,
        now_s=START_S,
    )

    assert begun is None


def test_an_operator_can_abort_at_any_time() -> None:
    rollout = engine.aborted(told(fleet("a", "b"), "a", committed()), "looks wrong", SOON_S)

    assert rollout.state is RolloutState.ROLLING_BACK
    assert rollout.reason == "looks wrong"


def test_what_has_ended_stays_as_it_is() -> None:
    rollout = told(fleet("a"), "a", committed())

    assert engine.aborted(rollout, "too late", SOON_S) is rollout
    assert engine.ticked(rollout, SOON_S + 1e6) is rollout
    assert told(rollout, "a", failed()) is rollout


def test_every_state_that_is_not_final_can_end() -> None:
    begun = set(RolloutState) - {RolloutState.PENDING} - FINAL_ROLLOUT_STATES
    assert {before for before, _ in engine.TRANSITIONS} == begun
    for start in begun:
        reached, before = {start}, set[RolloutState]()
        while reached != before:
            before = set(reached)
            reached |= {after for (state_, _), after in engine.TRANSITIONS.items() if state_ in reached}
        assert reached & FINAL_ROLLOUT_STATES
