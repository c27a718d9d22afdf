"""What devices counted: taken in once, bounded, and read as one sketch per device."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import func, select

from deploy.errors import UnknownIdError
from deploy.fleet import counts
from deploy.fleet.database import FleetDatabase
from deploy.fleet.deviation import DeviceSketch
from deploy.fleet.ingest import Ingest
from deploy.fleet.models import Count
from deploy.link import Delivery
from edge_models.profile import Profile
from edge_models.sketch import Sketch
from edge_models.wire import DriftState, Meta, Topics, decode_message
from tests.unit.deploy import messages
from tests.unit.deploy.fakes import FakeClock
from tests.unit.deploy.fleets import device as simulated
from tests.unit.deploy.fleets import reference
from tests.unit.deploy.messages import NEW, OLD


@dataclass
class FakeProfiles:
    """Profiles by bundle."""

    known: dict[str, Profile] = field(default_factory=lambda: {OLD: reference()})

    def profile(self, bundle: str, artifact: str) -> Profile:
        if bundle not in self.known:
            raise UnknownIdError(f"bundle {bundle[:12]}/{artifact}: not published here")
        return self.known[bundle]


@dataclass
class Desk:
    database: FleetDatabase
    clock: FakeClock
    profiles: FakeProfiles
    ingest: Ingest

    def hears(self, *deliveries: Delivery) -> None:
        self.ingest.apply(deliveries)
        self.clock.sleep(1)

    def rows(self) -> int:
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(Count)) or 0

    def counted(self, *, enough: float = 1000, since_s: float = 0.0) -> counts.FleetCounts:
        with self.database.read() as session:
            return counts.fleet_counts(session, self.profiles, model="digits", since_s=since_s, enough=enough)

    def sketches(self, *, enough: float = 1000, since_s: float = 0.0) -> tuple[list[DeviceSketch], dict[str, str]]:
        found = self.counted(enough=enough, since_s=since_s)
        return found.devices, found.left_out


@pytest.fixture
def desk(database: FleetDatabase, clock: FakeClock) -> Desk:
    made = Desk(database, clock, FakeProfiles(), Ingest(database, Topics(), clock))
    made.hears(messages.meta("pi-1"))
    return made


def window(seed: int = 0, n: int = 200) -> str:
    return simulated("any", np.random.default_rng(seed), n=n).sketch.encode()


def test_a_window_that_comes_twice_counts_once(desk: Desk) -> None:
    for _ in range(2):
        desk.hears(messages.stats("pi-1", 1, window()))

    ((found,), _) = desk.sketches()
    assert (desk.rows(), found.sketch.n) == (1, 200)


def test_windows_of_a_device_are_one_sketch(desk: Desk) -> None:
    desk.hears(*(messages.stats("pi-1", seq, window(seq)) for seq in range(1, 4)))

    ((found,), left_out) = desk.sketches()

    expected = Sketch.merged(Sketch.decode(window(seq)) for seq in range(1, 4))
    assert (found.sketch.counts == expected.counts).all()
    assert left_out == {}


def test_no_more_windows_are_added_than_are_enough_and_the_latest_are(desk: Desk) -> None:
    desk.hears(*(messages.stats("pi-1", seq, window(seq), thin=2) for seq in range(1, 9)))

    ((found,), _) = desk.sketches(enough=300)

    latest = Sketch.merged(Sketch.decode(window(seq)) for seq in (6, 7, 8))
    assert found.n_effective == 300
    assert (found.sketch.counts == latest.counts).all()


def test_as_many_windows_are_read_as_it_takes(desk: Desk) -> None:
    desk.hears(*(messages.stats("pi-1", seq, window(), thin=9) for seq in range(1, 46)))

    ((found,), _) = desk.sketches()

    assert found.sketch.n == 45 * 200


def test_what_is_too_old_is_left_out(desk: Desk) -> None:
    desk.hears(messages.stats("pi-1", 1, window()))
    desk.clock.sleep(1000)

    assert desk.sketches(since_s=desk.clock.unix_s() - 500) == ([], {"pi-1": "no statistics"})


def test_a_device_with_another_model_since_begins_anew(desk: Desk) -> None:
    other = reference(1)
    desk.profiles.known[NEW] = other
    desk.hears(messages.stats("pi-1", 1, window()))
    fresh = Sketch.of(other)
    fresh.add_batch(other.bins(np.zeros((50, len(other.signals)))), np.zeros(50, np.int64))
    desk.hears(messages.stats("pi-1", 2, fresh.encode(), n=50, bundle=NEW))

    ((found,), _) = desk.sketches()

    assert (found.profile.id, found.sketch.n) == (other.id, 50)


def test_a_device_whose_profile_is_unknown_is_left_out_with_the_reason(desk: Desk) -> None:
    desk.hears(messages.stats("pi-1", 1, window(), bundle=NEW))

    found, left_out = desk.sketches()

    assert found == []
    assert "not published here" in left_out["pi-1"]


def test_a_disk_that_was_replaced_takes_the_place_of_the_old_rows(desk: Desk) -> None:
    desk.hears(messages.stats("pi-1", 1, window(1)))
    desk.hears(messages.stats("pi-1", 1, window(2)))

    ((found,), _) = desk.sketches()
    assert (found.sketch.counts == Sketch.decode(window(2)).counts).all()


def test_damaged_counts_are_refused_and_rows_without_any_are_passed_over(desk: Desk) -> None:
    desk.hears(messages.stats("pi-1", 1, "bm9uZQ=="), messages.stats("pi-1", 2, None))

    assert desk.rows() == 0
    assert desk.ingest.refused == {("pi-1", "stats"): 1}


def test_the_rows_of_a_device_are_bounded(desk: Desk) -> None:
    text, told = window(), counts.MAX_ROWS + 60
    desk.hears(*(messages.stats("pi-1", seq, text) for seq in range(1, told + 1)))

    assert counts.MAX_ROWS <= desk.rows() < counts.MAX_ROWS + 20
    with desk.database.read() as session:
        assert session.scalars(select(func.min(Count.seq))).one() == told + 1 - desk.rows()


def test_the_rows_of_a_device_that_starts_often_are_bounded(desk: Desk) -> None:
    text, boots = window(), counts.MAX_ROWS // 3 + 20
    desk.hears(*(messages.stats("pi-1", seq, text, boot=boot) for boot in range(boots) for seq in (1, 2, 3)))

    assert counts.MAX_ROWS <= desk.rows() < counts.MAX_ROWS + 20


def named(profile_id: str, *, signals: tuple[str, ...] = reference().signals, classes: int = 10, n: int = 200) -> str:
    sketch = Sketch(profile_id=profile_id, signals=signals, classes=classes)
    sketch.counts[:, 0], sketch.n = n, n
    return sketch.encode()


@pytest.mark.parametrize(
    "text",
    [
        named(reference().id, signals=("other",)),
        named(reference().id, signals=reference().signals[::-1]),
        named(reference().id, classes=3),
        named("0" * 16),
    ],
)
def test_counts_that_only_pretend_to_be_on_a_profile_leave_out_their_device_alone(desk: Desk, text: str) -> None:
    desk.hears(messages.meta("pi-2"), messages.stats("pi-2", 1, text), messages.stats("pi-1", 1, window()))

    found, left_out = desk.sketches()

    assert [one.device for one in found] == ["pi-1"]
    assert list(left_out) == ["pi-2"]


def test_a_single_row_of_other_counts_is_passed_over(desk: Desk) -> None:
    desk.hears(messages.stats("pi-1", 1, named(reference().id, classes=3)), messages.stats("pi-1", 2, window()))

    ((found,), _) = desk.sketches()

    assert found.sketch.n == 200


@pytest.mark.parametrize(("counted", "said"), [(200, 100), (100_001, 100_001), ((1 << 32) - 1, 200)])
def test_more_frames_than_a_window_has_are_refused(desk: Desk, counted: int, said: int) -> None:
    desk.hears(messages.stats("pi-1", 1, named(reference().id, n=counted), n=said))

    assert desk.rows() == 0
    assert desk.ingest.refused == {("pi-1", "stats"): 1}


@pytest.mark.parametrize(
    ("told", "own"),
    [
        ({"context": "night"}, {"pi-1": "night"}),
        ({"context": "reference", "learning": "answered"}, {"pi-1": "answered"}),
        ({"context": "night", "state": DriftState.RECOVERED}, {"pi-1": "night"}),
        ({"context": "night", "state": DriftState.SUSPECT}, {}),
        ({"context": "night", "state": DriftState.REQUESTED}, {}),
        ({"context": "night", "bundle": NEW}, {}),
        ({"context": "reference"}, {}),
        ({}, {}),
    ],
)
def test_a_device_on_a_baseline_of_its_own_is_told_apart_unless_it_sees_drift(
    desk: Desk, told: dict[str, Any], own: dict[str, str]
) -> None:
    desk.hears(
        messages.stats("pi-1", 1, window()), messages.drift("pi-1", **{"state": DriftState.OK, "bundle": OLD} | told)
    )

    found = desk.counted()

    assert found.own_baselines == own
    assert [one.device for one in found.devices] == ([] if own else ["pi-1"])


def test_old_rows_are_forgotten(desk: Desk) -> None:
    desk.hears(messages.stats("pi-1", 1, window()))
    desk.clock.sleep(100)
    desk.hears(messages.stats("pi-1", 2, window()))

    with desk.database.write() as session:
        counts.forget_before(session, desk.clock.unix_s() - 50)

    assert desk.rows() == 1


def test_devices_share_what_their_owner_and_their_machine_say(desk: Desk) -> None:
    sent = messages.meta("pi-1")
    meta = replace(
        decode_message(Meta, sent.payload), hardware="Raspberry Pi 4", labels={"region": "south"}, groups=("canary",)
    )
    desk.hears(messages.delivery("pi-1", "meta", meta), messages.device_state("pi-1"))
    desk.hears(messages.stats("pi-1", 1, window()))

    ((found,), _) = desk.sketches()

    assert dict(found.labels) == {
        "bundle": OLD[:12], "hardware": "Raspberry Pi 4", "agent": "0.1", "group canary": "yes", "region": "south"
    }  # fmt: skip
