"""Whatever devices report in whatever order: nothing that has not happened everywhere is called committed.

The model knows what every device really runs; reports are taken from it, also late, twice and out of order.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from deploy.fleet.states import FINAL_ROLLOUT_STATES, DeviceOutcome, RolloutState
from deploy.rollout import engine
from deploy.rollout.rollout import wanted_bundles, wanted_channel
from edge_models.manifest import BundleId
from edge_models.wire import DeviceId, ModelState, UpdatePhase
from tests.unit.deploy.rollout_stories import ID, NEW, OLD, OTHER, START_S, candidate, report, rollout_of, state

bundles = st.sampled_from([OLD, NEW, OTHER])
rollout_ids = st.sampled_from([ID, "rollout-0", None])
reports = st.builds(
    state,
    st.sampled_from(list(UpdatePhase)),
    st.none() | bundles,
    target=st.none() | bundles,
    last=st.none() | st.tuples(bundles, st.sampled_from(list(UpdatePhase)), rollout_ids),
)
names = st.sampled_from(["a", "b", "c", "d", "stranger"])
happenings = st.lists(st.tuples(names, reports, st.booleans(), st.floats(0, 30)), max_size=60)


@given(happenings=happenings, canary=st.integers(1, 5))
def test_no_order_of_reports_commits_a_rollout_of_which_a_device_has_not(
    happenings: list[tuple[str, ModelState, bool, float]], canary: int
) -> None:
    rollout = rollout_of([candidate(name) for name in "abcd"], canary=canary)
    now_s = START_S
    has_committed: dict[str, bool] = {}
    for name, said, is_new, pause_s in happenings:
        now_s += pause_s
        before = rollout
        rollout = engine.ticked(engine.observed(rollout, report(name, said, is_new=is_new), now_s), now_s)
        if before.state not in FINAL_ROLLOUT_STATES and before.devices.get(DeviceId(name)) is not None:
            installed = said.installed is not None and said.installed.bundle == NEW
            has_committed[name] = installed and said.phase not in engine_in_flight()
    if rollout.state is RolloutState.COMMITTED:
        assert all(has_committed.get(name) for name in "abcd")


def engine_in_flight() -> frozenset[UpdatePhase]:
    moving = {"downloading", "verifying", "self_test", "shadow", "provisional", "rolling_back"}
    return frozenset(phase for phase in UpdatePhase if phase.value in moving)


@given(happenings=happenings, canary=st.integers(1, 5))
def test_nobody_but_canaries_is_told_before_they_have_committed(
    happenings: list[tuple[str, ModelState, bool, float]], canary: int
) -> None:
    rollout = rollout_of([candidate(name) for name in "abcd"], canary=canary)
    for number, (name, said, is_new, _) in enumerate(happenings):
        rollout = engine.observed(rollout, report(name, said, is_new=is_new), START_S + number)
        told = {device for device, bundle in wanted_bundles(rollout).items() if bundle == NEW}
        canaries = {device for device, one in rollout.devices.items() if one.wave == 0}
        if rollout.state is RolloutState.CANARY:
            assert told == canaries
            assert wanted_channel(rollout).bundle == OLD
        if rollout.state in (RolloutState.ROLLING_BACK, RolloutState.ROLLED_BACK):
            assert not told
            assert NEW not in (wanted_channel(rollout).bundle, *wanted_channel(rollout).also)


@dataclass
class TrueDevice:
    installed: BundleId = OLD
    phase: UpdatePhase = UpdatePhase.IDLE
    last: tuple[BundleId, UpdatePhase, str | None] | None = None
    target: BundleId | None = None

    def says(self) -> ModelState:
        return state(self.phase, self.installed, target=self.target, last=self.last)


class FleetUnderRollout(RuleBasedStateMachine):
    """Devices that obey, fail, or stay away; the engine hears of it only through their reports."""

    @initialize(canary=st.integers(1, 3))
    def begin(self, canary: int) -> None:
        self.now_s = START_S
        self.devices = {DeviceId(name): TrueDevice() for name in "abc"}
        self.rollout = rollout_of([candidate(name) for name in self.devices], canary=canary)

    @rule(name=st.sampled_from("abc"))
    def hears_what_it_is_to_run(self, name: str) -> None:
        device = self.devices[DeviceId(name)]
        wanted = wanted_bundles(self.rollout).get(DeviceId(name))
        if wanted is not None and wanted != device.installed and device.target is None:
            device.target, device.phase = wanted, UpdatePhase.DOWNLOADING

    @rule(name=st.sampled_from("abc"), succeeds=st.booleans())
    def finishes(self, name: str, succeeds: bool) -> None:
        device = self.devices[DeviceId(name)]
        if device.target is None:
            return
        if succeeds or device.target == OLD:
            device.installed, device.phase = device.target, UpdatePhase.COMMITTED
        else:
            device.phase = UpdatePhase.ROLLED_BACK
        device.last, device.target = (device.target, device.phase, ID), None

    @rule(name=st.sampled_from("abc"))
    def reports(self, name: str) -> None:
        self.rollout = engine.observed(self.rollout, report(name, self.devices[DeviceId(name)].says()), self.now_s)

    @rule(pause_s=st.floats(0.1, 40))
    def time_passes(self, pause_s: float) -> None:
        self.now_s += pause_s
        self.rollout = engine.ticked(self.rollout, self.now_s)

    @rule()
    @precondition(lambda self: self.rollout.state not in FINAL_ROLLOUT_STATES)
    def an_operator_aborts(self) -> None:
        self.rollout = engine.aborted(self.rollout, "enough", self.now_s)

    @invariant()
    def committed_means_everywhere(self) -> None:
        if self.rollout.state is RolloutState.COMMITTED:
            assert all(one.outcome is DeviceOutcome.COMMITTED for one in self.rollout.devices.values())

    @invariant()
    def nobody_fails_unnoticed(self) -> None:
        failures = {one.outcome for one in self.rollout.devices.values()} & engine.FAILURES
        assert not failures or self.rollout.state in (RolloutState.ROLLING_BACK, RolloutState.ROLLED_BACK)

    def teardown(self) -> None:
        """Every rollout ends when devices do as they are told and time passes."""
        for _ in range(12):
            for name, device in self.devices.items():
                self.hears_what_it_is_to_run(name)
                if device.target is not None:
                    self.finishes(name, succeeds=True)
                self.reports(name)
            self.time_passes(61)
        assert self.rollout.state in FINAL_ROLLOUT_STATES


TestFleetUnderRollout = FleetUnderRollout.TestCase
