"""Nobody, one device, a cohort or the whole fleet."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from deploy.fleet.deviation import DeviceSketch, deviation
from deploy.fleet.verdict import FleetKind, FleetVerdict, fleet_verdict
from edge_models.profile import build_profile
from edge_models.sketch import Sketch
from tests.unit.deploy.fleets import CALM, SIGNALS, SIZE, Drift, device, labels_of, random_drift, reference

BRIGHTER = Drift(moved={0: 0.8, 3: -0.6})
BLURRED = Drift(widened={5: 2.0}, moved={6: 1.0})


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def fleet(drifts: dict[int, Drift], *, seed: int = 0, n: int = 1000, size: int = SIZE) -> list[DeviceSketch]:
    chance = rng(seed)
    labels = labels_of(chance, size)
    return [device(f"pi-{i:02d}", chance, drifts.get(i, CALM), n=n, labels=labels[i]) for i in range(size)]


def region(name: str, size: int = SIZE) -> list[int]:
    return [i for i, labels in enumerate(labels_of(rng(0), size)) if labels["region"] == name]


def simulated(kind: FleetKind, seed: int) -> tuple[FleetVerdict, set[str], tuple[str, str] | None]:
    """The verdict on a random fleet, the devices that have drifted, and the label that explains a cohort."""
    chance = rng(seed)
    labels, drift, shared = labels_of(chance), random_drift(chance), None
    hit: set[int] = set()
    if kind is FleetKind.DEVICE:
        hit = {int(chance.integers(SIZE))}
    elif kind is FleetKind.COHORT:
        counts = Counter(label for one in labels for label in one.items() if label[0] != "site")
        choice = sorted(label for label, many in counts.items() if 3 <= many <= SIZE // 2)
        shared = choice[int(chance.integers(len(choice)))]
        hit = {i for i, one in enumerate(labels) if one[shared[0]] == shared[1]}
    elif kind is FleetKind.FLEET:
        hit = set(range(SIZE))
    devices = [device(f"pi-{i:02d}", chance, drift if i in hit else CALM, labels=labels[i]) for i in range(SIZE)]
    return fleet_verdict(devices), {f"pi-{i:02d}" for i in hit}, shared


@pytest.mark.parametrize("kind", list(FleetKind))
def test_at_least_95_percent_of_simulated_fleets_are_judged_right(kind: FleetKind) -> None:
    right = 0
    for seed in range(60):
        verdict, hit, shared = simulated(kind, seed)
        named = set(verdict.findings[0].devices) if verdict.findings else set()
        explained = shared is None or shared in verdict.findings[0].shared.items() if verdict.findings else not hit
        right += verdict.kind is kind and named == hit and explained

    assert right >= 0.95 * 60


def test_the_signals_that_have_moved_are_named_first_and_with_their_direction() -> None:
    (finding,) = fleet_verdict(fleet({4: BRIGHTER})).findings

    assert list(finding.effects)[:2] == [SIGNALS[0], SIGNALS[3]]
    assert finding.shifts[SIGNALS[0]] > 0.1 > -0.1 > finding.shifts[SIGNALS[3]]
    assert finding.devices == ("pi-04",)


def test_one_broken_device_in_a_fleet_that_has_drifted_is_a_finding_of_its_own() -> None:
    verdict = fleet_verdict(fleet(dict.fromkeys(range(SIZE), BRIGHTER) | {7: BLURRED}))

    assert [finding.kind for finding in verdict.findings] == [FleetKind.FLEET, FleetKind.DEVICE]
    assert verdict.findings[1].devices == ("pi-07",)


def test_two_devices_that_deviate_differently_are_no_cohort() -> None:
    verdict = fleet_verdict(fleet({2: BRIGHTER, 9: BLURRED}))

    assert (verdict.kind, len(verdict.findings)) == (FleetKind.DEVICE, 2)


def test_a_cohort_is_named_by_what_its_devices_share() -> None:
    (finding,) = fleet_verdict(fleet(dict.fromkeys(region("south"), BRIGHTER))).findings

    assert (finding.kind, finding.shared) == (FleetKind.COHORT, {"region": "south"})


def test_a_cohort_that_two_labels_explain_together_is_named_by_both() -> None:
    labels = labels_of(rng(0))
    hit = [i for i, one in enumerate(labels) if one["region"] == "north" and one["hardware"] == "Raspberry Pi 4"]
    assert len(hit) >= 2

    (finding,) = fleet_verdict(fleet(dict.fromkeys(hit, BRIGHTER))).findings

    assert finding.shared == {"region": "north", "hardware": "Raspberry Pi 4"}


def test_a_drift_too_weak_for_each_device_is_seen_on_the_sum_of_all() -> None:
    weak = Drift(moved={0: 0.22})

    verdict = fleet_verdict(fleet(dict.fromkeys(range(SIZE), weak), n=1000))

    assert [(finding.kind, finding.is_weak) for finding in verdict.findings] == [(FleetKind.FLEET, True)]
    assert sum(strength > 1 for strength in verdict.strengths.values()) < SIZE / 2


def test_a_drift_too_weak_for_each_device_is_seen_on_the_sum_of_a_cohort() -> None:
    weak = Drift(moved={0: 0.22})

    verdict = fleet_verdict(fleet(dict.fromkeys(region("south"), weak), n=1000))

    assert (verdict.kind, verdict.findings[0].shared) == (FleetKind.COHORT, {"region": "south"})


def test_what_moves_many_signals_a_little_is_seen_although_it_moves_none_much() -> None:
    slight = Drift(moved=dict.fromkeys(range(len(SIGNALS)), 0.16))

    found = deviation(device("pi-1", rng(), slight, n=2000).sketch, reference(), 2000)

    assert max(found.effects.values()) < 0.12
    assert found.strength > 1.2


def test_devices_with_too_few_frames_wait_and_do_not_count() -> None:
    devices = [*fleet({}), device("pi-new", rng(), BLURRED, n=400)]

    verdict = fleet_verdict(devices)

    assert (verdict.kind, verdict.judged, verdict.waiting) == (FleetKind.NONE, SIZE, {"pi-new": 400})


def test_frames_that_resemble_each_other_do_not_count_twice() -> None:
    verdict = fleet_verdict([device("pi-1", rng(), n=250, thin=4)])

    assert verdict.waiting == {"pi-1": 250}


def test_an_empty_fleet_has_not_drifted() -> None:
    assert fleet_verdict([]) == FleetVerdict(kind=FleetKind.NONE, findings=(), judged=0, waiting={}, strengths={})


def test_a_device_in_a_known_context_has_not_drifted() -> None:
    chance = rng()
    values = np.concatenate([chance.normal(size=(1000, 2)), chance.normal(loc=3.0, size=(1000, 2))])
    night = np.arange(2000) >= 1000
    profile = build_profile(("mean", "std"), values, None, 0, groups={"night": night, "day": ~night})
    for centre in (0.0, 3.0):
        sketch = Sketch.of(profile)
        sketch.add_batch(profile.bins(chance.normal(loc=centre, size=(1000, 2))))
        assert deviation(sketch, profile, 1000).strength < 0.7

    halfway = Sketch.of(profile)
    halfway.add_batch(profile.bins(chance.normal(loc=1.5, size=(1000, 2))))
    assert deviation(halfway, profile, 1000).strength > 1.5


def test_devices_with_profiles_of_different_signals_are_judged_side_by_side() -> None:
    chance = rng()
    other = build_profile(("a", "b"), chance.normal(size=(1000, 2)), None, 0)
    sketch = Sketch.of(other)
    sketch.add_batch(other.bins(chance.normal(loc=2.0, size=(1000, 2))))

    verdict = fleet_verdict([*fleet({}), DeviceSketch(device="pi-x", sketch=sketch, profile=other)])

    assert (verdict.kind, verdict.findings[0].devices) == (FleetKind.DEVICE, ("pi-x",))


def test_the_sum_of_devices_deviates_as_all_their_frames_together() -> None:
    devices = fleet(dict.fromkeys(range(3), BRIGHTER), size=3)
    summed = Sketch.merged(one.sketch for one in devices)

    found = deviation(summed, reference(), 3000)

    assert found.strength > max(deviation(one.sketch, reference(), 1000).strength for one in devices)
    assert found.effects[SIGNALS[0]] == pytest.approx(
        np.mean([deviation(one.sketch, reference(), 1000).effects[SIGNALS[0]] for one in devices]), abs=0.03
    )
