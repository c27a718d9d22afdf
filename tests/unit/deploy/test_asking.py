"""Whom the controller asks for samples, and when."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from deploy.fleet.asking import FIRST_PAUSE_S, LONGEST_PAUSE_S, Ask, SampleAsker
from deploy.fleet.database import FleetDatabase
from deploy.fleet.ingest import Ingest
from deploy.link import Delivery
from edge_models.wire import Topics
from tests.unit.deploy import messages
from tests.unit.deploy.fakes import MODEL, FakeClock

WANTED = 5


@dataclass
class Desk:
    database: FleetDatabase
    clock: FakeClock
    asker: SampleAsker

    def hears(self, *deliveries: Delivery) -> None:
        Ingest(self.database, Topics(), self.clock).apply(deliveries)

    def asks(self, after_s: float = 0.0) -> list[Ask]:
        self.clock.sleep(after_s)
        with self.database.read() as session:
            return self.asker.due(session, self.clock.unix_s())


@pytest.fixture
def desk(database: FleetDatabase, clock: FakeClock) -> Desk:
    made = Desk(database, clock, SampleAsker(MODEL, WANTED))
    made.hears(messages.meta("pi-1"), messages.status("pi-1"))
    return made


def test_a_request_that_offers_samples_is_asked_for_them_once(desk: Desk) -> None:
    desk.hears(messages.request("pi-1", "r1", samples_on_offer=200))

    assert desk.asks() == [Ask(device="pi-1", n=WANTED)]
    assert desk.asks(after_s=1) == []


def test_a_device_that_offers_none_is_not_asked(desk: Desk) -> None:
    desk.hears(messages.request("pi-1", "r1"))

    assert desk.asks() == []


def test_a_request_that_was_withdrawn_is_not_asked_about(desk: Desk) -> None:
    desk.hears(messages.request("pi-1", "r1", samples_on_offer=200), messages.request_closed("pi-1"))

    assert desk.asks() == []


def test_who_delivers_is_left_alone_and_who_stops_is_asked_for_the_rest(desk: Desk) -> None:
    desk.hears(messages.request("pi-1", "r1", samples_on_offer=200))
    desk.asks()
    desk.hears(messages.sample("pi-1", 1), messages.sample("pi-1", 2))

    assert desk.asks(after_s=FIRST_PAUSE_S + 1) == []
    assert desk.asks(after_s=FIRST_PAUSE_S + 1) == [Ask(device="pi-1", n=WANTED - 2)]


def test_who_has_delivered_enough_is_never_asked_again(desk: Desk) -> None:
    desk.hears(messages.request("pi-1", "r1", samples_on_offer=200))
    desk.asks()
    desk.hears(*(messages.sample("pi-1", number) for number in range(WANTED)))

    assert [desk.asks(after_s=LONGEST_PAUSE_S) for _ in range(3)] == [[], [], []]


def test_the_pauses_between_two_asks_grow(desk: Desk) -> None:
    desk.hears(messages.request("pi-1", "r1", samples_on_offer=200))

    asked = [second for second in range(0, 4 * 3600, 10) if desk.asks(after_s=10 if second else 0)]

    assert 5 < len(asked) < 12
    assert asked[-1] - asked[-2] == LONGEST_PAUSE_S


def test_a_device_that_is_offline_is_asked_when_it_is_back(desk: Desk) -> None:
    desk.hears(messages.request("pi-1", "r1", samples_on_offer=200), messages.status("pi-1", "offline"))
    assert desk.asks() == []

    desk.hears(messages.status("pi-1"))

    assert len(desk.asks()) == 1


def test_zero_asks_nobody(desk: Desk) -> None:
    desk.asker = SampleAsker(MODEL, 0)
    desk.hears(messages.request("pi-1", "r1", samples_on_offer=200))

    assert desk.asks() == []
