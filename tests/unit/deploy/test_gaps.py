"""Durable messages that never arrived: how they are noticed, asked for, and given up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from deploy import cli
from deploy.config import FleetConfig, GapsConfig
from deploy.fleet import gaps
from deploy.fleet.controller import Controller
from deploy.fleet.database import FleetDatabase
from deploy.fleet.gaps import Missing
from deploy.fleet.ingest import Ingest
from deploy.fleet.models import Base, Device, Event, Gap
from deploy.link import Link
from edge_models.wire import Command, State, Stats, Topics, decode_message
from tests.unit.deploy import messages
from tests.unit.deploy.fake_link import FakeLink
from tests.unit.deploy.fakes import MODEL, FakeClock, FakeRegistry
from tests.unit.deploy.messages import OLD, TS

CONFIG = GapsConfig(grace_s=60, pause_s=300, asks=2)
EMPTY = create_engine("sqlite://")
Base.metadata.create_all(EMPTY)


@pytest.fixture
def ingest(database: FleetDatabase, clock: FakeClock) -> Ingest:
    ingest = Ingest(database, Topics(), clock)
    ingest.apply([messages.status("pi-1"), messages.event("pi-1", 1)])
    return ingest


def due(database: FleetDatabase, clock: FakeClock) -> list[tuple[str, int, int, int]]:
    with database.write() as session:
        return [(ask.kind, ask.boot, ask.first, ask.last) for ask in gaps.due(session, CONFIG, clock.unix_s())]


def missing(database: FleetDatabase) -> dict[str, Missing]:
    with database.read() as session:
        return gaps.missing(session)


def state(*, boot: int, delivered: dict[str, int], before: dict[str, int]) -> State:
    return State(
        ts=TS, up=2.0, boot=boot, seq=1, bundle=OLD, n=1, rate_hz=1.0, delivered=delivered, delivered_before=before
    )


def row(seq: int, *, boot: int = 2) -> Stats:
    return Stats(ts=TS, up=1.0, boot=boot, seq=seq, bundle=OLD, artifact="x", n=1)


def test_missing_number_is_asked_for_after_a_grace(database: FleetDatabase, ingest: Ingest, clock: FakeClock) -> None:
    ingest.apply([messages.event("pi-1", 5)])
    clock.sleep(59)
    assert due(database, clock) == []

    clock.sleep(1)

    assert due(database, clock) == [("event", 1, 2, 4)]
    assert missing(database) == {"pi-1": Missing(asked=3)}


def test_what_arrives_late_is_asked_for_no_more(database: FleetDatabase, ingest: Ingest, clock: FakeClock) -> None:
    ingest.apply([messages.event("pi-1", 5)])
    ingest.apply([messages.event("pi-1", 3), messages.event("pi-1", 2), messages.event("pi-1", 4)])
    clock.sleep(3600)

    assert due(database, clock) == []
    assert missing(database) == {}


def test_a_message_out_of_the_middle_leaves_two_gaps(database: FleetDatabase, ingest: Ingest, clock: FakeClock) -> None:
    ingest.apply([messages.event("pi-1", 9), messages.event("pi-1", 5), messages.event("pi-1", 5)])
    clock.sleep(60)

    assert due(database, clock) == [("event", 1, 2, 4), ("event", 1, 6, 8)]


def test_what_is_asked_for_in_vain_is_lost_with_a_count(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock
) -> None:
    ingest.apply([messages.event("pi-1", 5)])
    asked = []
    for _ in range(5):
        clock.sleep(300)
        asked += due(database, clock)

    assert asked == [("event", 1, 2, 4)] * CONFIG.asks
    assert missing(database) == {"pi-1": Missing(lost=3)}
    ingest.apply([messages.event("pi-1", 3)])
    assert missing(database) == {"pi-1": Missing(lost=2)}


def test_a_device_that_is_away_is_not_asked(database: FleetDatabase, ingest: Ingest, clock: FakeClock) -> None:
    ingest.apply([messages.event("pi-1", 5), messages.status("pi-1", "offline")])
    clock.sleep(3600)
    assert due(database, clock) == []

    ingest.apply([messages.status("pi-1")])

    assert due(database, clock) == [("event", 1, 2, 4)]


def test_a_device_that_is_met_for_the_first_time_owes_nothing(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock
) -> None:
    ingest.apply([messages.event("pi-2", 40), messages.event("pi-2", 41)])
    clock.sleep(60)

    assert due(database, clock) == []


@pytest.mark.parametrize("first", ["event", "stats", "state"])
def test_a_device_that_is_met_in_the_middle_owes_nothing_of_any_kind_or_earlier_start(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock, first: str
) -> None:
    report = state(boot=7, delivered={"event": 40, "stats": 300}, before={"boot": 6, "event": 9, "stats": 80})
    said = {
        "event": messages.event("pi-2", 40, boot=7),
        "stats": messages.stats("pi-2", 300, None, boot=7),
        "state": messages.delivery("pi-2", "state", report),
    }
    ingest.apply([said.pop(first), *said.values()])
    clock.sleep(60)
    assert due(database, clock) == []

    ingest.apply([messages.event("pi-2", 42, boot=7), messages.stats("pi-2", 302, None, boot=7)])
    clock.sleep(60)

    assert due(database, clock) == [("event", 7, 41, 41), ("stats", 7, 301, 301)]


def test_a_device_that_is_met_at_its_start_owes_all_since(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock
) -> None:
    ingest.apply([messages.event("pi-2", 1), messages.stats("pi-2", 3, None, boot=1)])
    clock.sleep(60)

    assert due(database, clock) == [("stats", 1, 1, 2)]


def test_a_device_that_is_met_before_its_first_statistics_owes_those(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock
) -> None:
    report = state(boot=7, delivered={"event": 2}, before={})
    ingest.apply([messages.event("pi-2", 2, boot=7), messages.delivery("pi-2", "state", report)])
    ingest.apply([messages.stats("pi-2", 3, None, boot=7)])
    clock.sleep(60)

    assert due(database, clock) == [("stats", 7, 1, 2)]


def test_the_newest_of_a_long_gap_are_asked_for_first_as_a_device_forgets_the_oldest(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock
) -> None:
    ingest.apply([messages.event("pi-1", 2503)])
    clock.sleep(60)
    assert due(database, clock) == [("event", 1, 1503, 2502)]

    ingest.apply([messages.event("pi-1", seq) for seq in range(1503, 2503)])
    clock.sleep(300)

    assert due(database, clock) == [("event", 1, 503, 1502)]


def test_the_first_messages_of_a_later_start_are_missed(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock
) -> None:
    ingest.apply([messages.stats("pi-1", 3, None, boot=2)])
    clock.sleep(60)

    assert due(database, clock) == [("stats", 2, 1, 2)]


def test_last_messages_before_a_silence_are_missed_by_what_the_state_tells(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock
) -> None:
    report = state(boot=2, delivered={"event": 1}, before={"boot": 1, "event": 3, "stats": 2})
    ingest.apply([messages.delivery("pi-1", "state", report)] * 2)
    clock.sleep(60)

    assert due(database, clock) == [("event", 1, 2, 3), ("event", 2, 1, 1), ("stats", 1, 1, 2)]


def test_gaps_of_a_broken_device_are_bounded(database: FleetDatabase, ingest: Ingest) -> None:
    ingest.apply([messages.event("pi-1", 2 * number) for number in range(1, gaps.MAX_GAPS + 50)])

    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Gap)) == gaps.MAX_GAPS


def test_a_late_message_is_filed_where_it_belongs(database: FleetDatabase, ingest: Ingest, clock: FakeClock) -> None:
    ingest.apply([messages.event("pi-1", 3)])
    missed_at_s = clock.unix_s()
    clock.sleep(500)
    ingest.apply([messages.event("pi-1", 2)])

    with database.read() as session:
        assert session.get_one(Event, ("pi-1", "pi-1-1-2")).received_at == missed_at_s


def test_a_device_whose_disk_was_replaced_is_followed_anew(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock
) -> None:
    ingest.apply([messages.event("pi-1", seq) for seq in range(2, 10)])
    ingest.apply([messages.event("pi-1", seq, type_="committed") for seq in (1, 2, 5)])
    clock.sleep(60)

    with database.read() as session:
        assert session.get_one(Event, ("pi-1", "pi-1-1-2")).type == "committed"
        assert session.get_one(Event, ("pi-1", "pi-1-1-3")).type == "started"
    ingest.apply([messages.event("pi-1", 7, type_="committed")])
    clock.sleep(60)
    assert due(database, clock) == []  # each of them begins anew, as long as they meet others of the same numbers


def test_devices_shows_how_many_messages_are_missing(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ingest.apply([messages.event("pi-1", 5), messages.stats("pi-1", 3, None)])
    clock.sleep(60)
    due(database, clock)
    url = f"sqlite:///{tmp_path / 'fleet.sqlite'}"

    assert cli.main(["devices", "--database", url]) == 0
    assert "0 lost, 5 asked" in capsys.readouterr().out
    assert cli.main(["devices", "pi-1", "--database", url]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["messages_lost"], shown["messages_asked_for"]) == (0, 5)


def test_old_numbers_are_forgotten(database: FleetDatabase, ingest: Ingest, clock: FakeClock) -> None:
    ingest.apply([messages.event("pi-1", 5)])
    clock.sleep(1000)
    with database.write() as session:
        gaps.forget_before(session, clock.unix_s())

    assert missing(database) == {}


def test_the_controller_tells_the_device(database: FleetDatabase, clock: FakeClock) -> None:
    link = FakeLink()
    config = FleetConfig(model=MODEL)
    controller = Controller(config, database, FakeRegistry(), cast("Link", link), clock)
    link.waiting += [messages.status("pi-1"), messages.event("pi-1", 1), messages.event("pi-1", 4)]
    controller.step()
    clock.sleep(config.gaps.grace_s)
    controller.step()

    ((topic, payload, retain),) = link.published
    assert (topic, retain) == ("driftline/pi-1/cmd/resend", False)
    assert decode_message(Command, payload).args == {"kind": "event", "boot": 1, "first": 2, "last": 3}


@settings(max_examples=20, deadline=None)
@given(st.permutations(list(range(1, 7))), st.sets(st.integers(1, 6)), st.data())
def test_exactly_what_has_not_come_is_missing_whatever_the_order(
    order: list[int], lost: set[int], data: st.DataObject
) -> None:
    arrived = [seq for seq in order if seq not in lost]
    repeats = data.draw(st.lists(st.sampled_from(arrived), max_size=4)) if arrived else []
    with Session(EMPTY) as session:
        device = Device(id="pi-1", first_seen=0.0, last_seen=0.0)
        session.add(device)
        session.flush()
        gaps.follow(session, device, row(1, boot=1), 0.0)
        for seq in [*arrived, *repeats]:
            gaps.follow(session, device, row(seq), 0.0)
        gaps.follow(session, device, state(boot=2, delivered={"stats": 6}, before={}), 0.0)

        assert {seq for ask in gaps.due(session, CONFIG, 60.0) for seq in range(ask.first, ask.last + 1)} == lost
        for seq in lost:
            gaps.follow(session, device, row(seq), 0.0)
        assert gaps.missing(session) == {}
