"""The controller's steps with a broker that is a list; the real ones are in tests/integration/deploy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest

from deploy.config import FleetConfig
from deploy.errors import ConfigError, DatabaseError
from deploy.fleet.controller import Controller
from deploy.fleet.database import FleetDatabase
from deploy.fleet.models import Bundle, Device
from deploy.fleet.rollouts import new_rollout
from deploy.link import Delivery, Link
from edge_models.manifest import BundleId
from edge_models.wire import Command, Desired, decode_message
from tests.unit.deploy import messages
from tests.unit.deploy.fake_link import FakeLink
from tests.unit.deploy.fakes import MODEL, FakeClock, FakeRegistry, write_fake_bundle


@dataclass
class Desk:
    controller: Controller
    link: FakeLink
    registry: FakeRegistry
    first: BundleId
    second: BundleId

    def hears(self, *deliveries: Delivery) -> None:
        self.link.waiting += deliveries
        self.controller.step()


@pytest.fixture
def desk(database: FleetDatabase, clock: FakeClock, tmp_path: Path) -> Desk:
    registry = FakeRegistry()
    first, second = (
        registry.publish(write_fake_bundle(tmp_path / str(n), serial=n, version=str(n), accuracy=0.9).directory)
        for n in (1, 2)
    )
    registry.set_first(first)
    link = FakeLink()
    controller = Controller(FleetConfig(model=MODEL), database, registry, cast("Link", link), clock)
    return Desk(controller, link, registry, first, second)


def order(database: FleetDatabase, desk: Desk) -> None:
    with database.write() as session:
        new_rollout(session, model=MODEL, channel="stable", bundle=desk.second, config=FleetConfig().rollout, now_s=0.0)


def test_what_is_stored_is_acknowledged(database: FleetDatabase, desk: Desk) -> None:
    desk.hears(messages.meta("pi-1"), messages.delivery("pi-1", "meta", b"wrong"))

    assert len(desk.link.acknowledged) == 2
    with database.read() as session:
        assert session.get(Device, "pi-1") is not None


def test_what_cannot_be_stored_is_kept_and_tried_again(
    database: FleetDatabase, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DatabaseError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(desk.controller.ingest, "apply", full)
        desk.hears(messages.meta("pi-1"))
        assert desk.link.acknowledged == []

    desk.controller.step()

    assert len(desk.link.acknowledged) == 1
    with database.read() as session:
        assert session.get(Device, "pi-1") is not None


def test_a_device_is_told_once_and_again_after_a_reconnect(
    database: FleetDatabase, desk: Desk, clock: FakeClock
) -> None:
    desk.hears(messages.meta("pi-1"), messages.status("pi-1"))
    order(database, desk)
    for _ in range(3):
        clock.sleep(1)
        desk.controller.step()

    assert [(topic, retain) for topic, _, retain in desk.link.published] == [("driftline/pi-1/desired", True)]
    assert decode_message(Desired, desk.link.published[0][1]).bundle == desk.second

    desk.link.connections = 2
    clock.sleep(1)
    desk.controller.step()
    assert len(desk.link.published) == 2


def test_nothing_is_published_without_a_connection(database: FleetDatabase, desk: Desk, clock: FakeClock) -> None:
    desk.hears(messages.meta("pi-1"), messages.status("pi-1"))
    order(database, desk)
    desk.link.is_connected = False
    clock.sleep(1)
    desk.controller.step()
    assert desk.link.published == []

    desk.link.is_connected = True
    clock.sleep(1)
    desk.controller.step()

    assert len(desk.link.published) == 1


def test_the_classes_of_a_running_bundle_are_noted(database: FleetDatabase, desk: Desk) -> None:
    foreign = BundleId("f" * 64)

    desk.hears(messages.device_state("pi-1", desk.first), messages.device_state("pi-2", foreign))

    with database.read() as session:
        assert session.get_one(Bundle, desk.first).labels == ["zero", "one", "two"]
        assert session.get(Bundle, foreign) is None


def test_a_mistake_in_a_tick_does_not_end_it_but_ten_in_a_row_do(
    desk: Desk, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = []

    def mistaken() -> None:
        ticks.append(clock.unix_s())
        clock.sleep(1)
        raise KeyError("a mistake")

    monkeypatch.setattr(desk.controller, "tick", mistaken)

    with pytest.raises(KeyError):
        desk.controller.run()

    assert len(ticks) == 10


def test_a_controller_needs_a_model(database: FleetDatabase, clock: FakeClock) -> None:
    with pytest.raises(ConfigError, match="model: found nothing"):
        Controller(FleetConfig(), database, FakeRegistry(), cast("Link", FakeLink()), clock)


def test_a_request_that_offers_samples_is_answered_with_the_question_for_them(desk: Desk, clock: FakeClock) -> None:
    desk.hears(messages.meta("pi-1"), messages.status("pi-1"), messages.request("pi-1", "r1", samples_on_offer=220))
    clock.sleep(1)
    desk.controller.step()

    (asked,) = [published for published in desk.link.published if published[0].endswith("/cmd/samples")]
    assert decode_message(Command, asked[1]).args == {"do": "deliver", "n": 200}
    assert not asked[2]
