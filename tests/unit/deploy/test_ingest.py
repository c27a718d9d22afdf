from __future__ import annotations

import logging

import pytest
from sqlalchemy import func, select

from deploy.fleet.database import FleetDatabase
from deploy.fleet.ingest import RECORDERS, Ingest, subscriptions
from deploy.fleet.models import Device, DriftChange, Event, Request, Sample
from deploy.fleet.reports import all_devices, forget_before
from deploy.fleet.samples import forget_unlabelled_before
from deploy.fleet.states import RequestState
from edge_models.wire import DriftState, Topics
from tests.unit.deploy import messages
from tests.unit.deploy.fakes import START_S, FakeClock
from tests.unit.deploy.messages import NEW, OLD
from tests.unit.deploy.rollout_stories import committed


@pytest.fixture
def ingest(database: FleetDatabase, clock: FakeClock) -> Ingest:
    return Ingest(database, Topics(), clock)


def device(database: FleetDatabase, identity: str) -> Device:
    with database.read() as session:
        found = session.get(Device, identity)
    if found is None:
        raise AssertionError(f"{identity} is not there")
    return found


def count(database: FleetDatabase, table: type) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_the_controller_subscribes_to_what_it_stores() -> None:
    filters = dict(subscriptions(Topics("site/a")))

    assert filters["site/a/+/model/request"] == 1
    assert filters["site/a/+/state"] == 0
    assert "site/a/+/prediction" not in filters


def test_a_device_is_described_by_what_it_has_published(database: FleetDatabase, ingest: Ingest) -> None:
    ingest.apply(
        [
            messages.status("pi-1"),
            messages.meta("pi-1"),
            messages.device_state("pi-1"),
            messages.drift("pi-1", DriftState.SUSPECT),
            messages.model_state("pi-1", committed(NEW)),
        ]
    )

    found = device(database, "pi-1")
    assert (found.status, found.model, found.channel) == ("online", "digits", "stable")
    assert (found.drift_state, found.phase, found.running_bundle) == ("suspect", "committed", NEW)
    assert found.state is not None
    assert found.state["n"] == 10
    assert found.model_state_at == START_S


def test_a_retained_message_does_not_make_a_device_look_alive(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock
) -> None:
    ingest.apply([messages.device_state("pi-1")])
    clock.sleep(3600)

    ingest.apply([messages.meta("pi-1"), messages.status("pi-1")])

    assert device(database, "pi-1").last_seen == START_S


def test_an_unchanged_model_state_is_no_news(database: FleetDatabase, ingest: Ingest, clock: FakeClock) -> None:
    ingest.apply([messages.model_state("pi-1", committed(NEW))])
    clock.sleep(60)

    ingest.apply([messages.model_state("pi-1", committed(NEW), retained=True)])

    assert device(database, "pi-1").model_state_at == START_S


def test_drift_has_a_history(database: FleetDatabase, ingest: Ingest) -> None:
    ok, suspect = messages.drift("pi-1", DriftState.OK, position=0), messages.drift("pi-1", DriftState.SUSPECT)

    ingest.apply([ok, suspect, suspect, messages.drift("pi-1", DriftState.CONFIRMED, position=600)])

    with database.read() as session:
        states = list(session.scalars(select(DriftChange.state).order_by(DriftChange.id)))
    assert states == ["ok", "suspect", "confirmed"]


def test_what_comes_twice_is_stored_once(database: FleetDatabase, ingest: Ingest) -> None:
    batch = [messages.event("pi-1", 1), messages.sample("pi-1", 1), messages.request("pi-1", "r-1")]

    ingest.apply(batch + batch)
    ingest.apply(batch)

    assert [count(database, table) for table in (Event, Sample, Request)] == [1, 1, 1]


def test_samples_of_two_devices_do_not_collide(database: FleetDatabase, ingest: Ingest) -> None:
    ingest.apply([messages.sample("pi-1", 1), messages.sample("pi-2", 1)])

    with database.read() as session:
        assert list(session.scalars(select(Sample.id).order_by(Sample.id))) == ["pi-1:1-1", "pi-2:1-1"]


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("meta", b"no json"),
        ("meta", b'{"v":1}'),
        ("meta", messages.meta("pi-2").payload),
        ("state", b"[" * 2000),
        ("status", b"perhaps"),
        ("status", b"\xff\xfe"),
        ("sample", b"{" + b" " * 70_000 + b"}"),
        ("event", messages.event("pi-1", 1).payload.replace(b'"message":""', b'"message":"a\\u0000b"')),
        ("event", messages.event("pi-1", 1).payload.replace(b'"message":""', b'"message":"\\ud800"')),
        ("model/request", b'{"v":1,"id":"x"}'),
        ("prediction", b"{}"),
        ("../../etc", b"{}"),
    ],
)
def test_a_wrong_message_is_counted_and_changes_nothing_else(
    database: FleetDatabase, ingest: Ingest, kind: str, payload: bytes
) -> None:
    wrong = messages.delivery("pi-1", kind, payload)

    ingest.apply([messages.meta("pi-1"), wrong, messages.device_state("pi-1"), wrong])

    assert sum(ingest.refused.values()) == 2
    assert ingest.accepted == {"meta": 1, "state": 1}
    assert device(database, "pi-1").running_bundle == OLD
    assert count(database, Event) == 0


def test_a_wrong_message_is_logged_once_for_each_device_and_kind(
    ingest: Ingest, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = [messages.delivery(name, kind, b"?") for name in ("pi-1", "pi-2") for kind in ("meta", "state")]

    with caplog.at_level(logging.WARNING):
        ingest.apply(wrong * 5)

    assert len(caplog.records) == 4
    assert "device=pi-1 kind=meta" in caplog.text


def test_a_mistake_of_ours_in_one_message_does_not_cost_the_others(
    database: FleetDatabase, ingest: Ingest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def mistaken(*_: object) -> None:
        raise KeyError("a mistake")

    monkeypatch.setitem(RECORDERS, "event", mistaken)

    ingest.apply([messages.meta("pi-1"), messages.event("pi-1", 1), messages.event("pi-1", 2), messages.status("pi-1")])

    assert ingest.refused == {("pi-1", "event"): 2}
    assert device(database, "pi-1").status == "online"
    assert caplog.text.count("Traceback") == 1


def test_an_id_of_another_device_is_refused(database: FleetDatabase, ingest: Ingest) -> None:
    ingest.apply([messages.request("pi-1", "r-1"), messages.request("pi-2", "r-1")])

    assert ingest.refused == {("pi-2", "model/request"): 1}
    with database.read() as session:
        assert [row.device for row in session.scalars(select(Request))] == ["pi-1"]


def test_a_cleared_topic_is_no_wrong_message(ingest: Ingest) -> None:
    kinds = ("status", "meta", "state", "drift", "model/state", "model/request", "sample", "event")

    ingest.apply([messages.delivery("pi-1", kind, b"") for kind in kinds])

    assert not ingest.refused


def test_a_request_closed_by_its_device_is_withdrawn(database: FleetDatabase, ingest: Ingest) -> None:
    ingest.apply([messages.request("pi-1", "r-1"), messages.request_closed("pi-1")])

    with database.read() as session:
        assert session.get_one(Request, "r-1").state is RequestState.WITHDRAWN


def test_a_withdrawn_request_that_is_sent_again_is_open_again(database: FleetDatabase, ingest: Ingest) -> None:
    ingest.apply([messages.request("pi-1", "r-1"), messages.request_closed("pi-1"), messages.request("pi-1", "r-1")])

    with database.read() as session:
        assert session.get_one(Request, "r-1").state is RequestState.OPEN


def test_a_new_request_takes_the_place_of_the_old_one(database: FleetDatabase, ingest: Ingest) -> None:
    ingest.apply([messages.request("pi-1", "r-1"), messages.request("pi-1", "r-2")])

    with database.read() as session:
        assert session.get_one(Request, "r-1").state is RequestState.WITHDRAWN
        assert session.get_one(Request, "r-2").state is RequestState.OPEN


def test_old_events_and_unlabelled_samples_are_forgotten(
    database: FleetDatabase, ingest: Ingest, clock: FakeClock
) -> None:
    ingest.apply([messages.event("pi-1", 1), messages.sample("pi-1", 1), messages.drift("pi-1", DriftState.OK)])
    clock.sleep(100)
    ingest.apply([messages.event("pi-1", 2), messages.sample("pi-1", 2)])

    with database.write() as session:
        forget_before(session, START_S + 50)
        forget_unlabelled_before(session, START_S + 50)

    assert [count(database, table) for table in (Event, Sample, DriftChange)] == [1, 1, 0]
    with database.read() as session:
        assert [row.id for row in all_devices(session)] == ["pi-1"]


def test_clearing_the_topics_of_a_device_that_is_gone_makes_no_device(database: FleetDatabase) -> None:
    Ingest(database, Topics(), FakeClock()).apply(
        [messages.delivery("pi-gone", kind, b"") for kind in ("status", "meta", "model/request")]
    )

    with database.read() as session:
        assert all_devices(session) == []
