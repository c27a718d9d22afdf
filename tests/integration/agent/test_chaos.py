"""Durable messages on a bad way: counted as rows of the controller's database, none is lost and none is there twice.

The hour without a controller is compressed: a device that counts a window every ten seconds has 360 rows to tell in an
hour, and as many are told here in a few seconds, each with an event. Everything is real: the agent (its worker repeats
itself), Mosquitto without a store, so that a restart forgets what it had acknowledged, and the controller.
"""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from deploy.fleet import gaps
from deploy.fleet.models import Count, Event, Sequence
from edge_models.bundle import Bundle
from tests.factories.bundles import make_bundle
from tests.integration.agent.brokers import Mosquitto
from tests.integration.agent.conftest import Fleet, MakeDevice
from tests.integration.agent.device import ID, Device, until
from tests.integration.agent.proxy import Proxy
from tests.integration.agent.talkative_worker import SAYINGS
from tests.integration.deploy.brokers import Ports
from tests.integration.deploy.site import Site, site

pytestmark = [
    pytest.mark.integration,
    pytest.mark.mosquitto,
    pytest.mark.skipif(Mosquitto.program() is None, reason="mosquitto is not installed"),
]
SOON = {"grace_s": 0.5, "pause_s": 1.0, "asks": 10}  # a minute and five, in a real fleet


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path, "max_queued_messages 100000", "max_inflight_messages 20")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def proxy(mosquitto: Mosquitto) -> Iterator[Proxy]:
    made = Proxy(mosquitto.port)
    yield made
    made.close()


@pytest.fixture
def office(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "office"
    folder.mkdir()
    with site(folder, Ports(mqtt5=mosquitto.port, mqtt311=mosquitto.port)) as made:
        made.write_config(gaps=SOON)
        yield made


@pytest.fixture
def device(make_device: MakeDevice, proxy: Proxy, recording: Path) -> Device:
    source = {"type": "replay", "path": str(recording), "rate_hz": 200, "loop": True}
    return make_device(proxy.port, source=source, report={"state_s": 0.5, "predictions_hz": 100})


def sayings(office: Site) -> list[int]:
    """What the events say that were told on purpose, in the order of their numbers."""
    with office.reading() as session:
        chosen = select(Event.data).where(Event.device == ID, Event.type == "source_ended")
        return sorted(int(data["position"]) for data in session.scalars(chosen))


def is_whole(office: Site) -> bool:
    """Whether every number up to the highest has its row, of both kinds."""
    if len(sayings(office)) < SAYINGS:
        return False
    with office.reading() as session:
        highest = {
            (row.kind, row.boot): row.highest for row in session.scalars(select(Sequence).where(Sequence.device == ID))
        }
        rows: dict[int, int] = {}
        for boot in session.scalars(select(Count.boot).where(Count.device == ID)):
            rows[boot] = rows.get(boot, 0) + 1
        return (
            all(rows.get(boot) == count for (kind, boot), count in highest.items() if kind == "stats")
            and sum(rows.values()) >= SAYINGS
            and not gaps.missing(session)
        )


def test_nothing_is_lost_while_the_controller_is_away_and_the_broker_forgets(
    office: Site, mosquitto: Mosquitto, proxy: Proxy, device: Device
) -> None:
    proxy.is_mixed = True
    with office.controller():
        device.start(module="tests.integration.agent.talkative_agent")
        until(lambda: len(sayings(office)) > 5, "the first rows", log=device.log)
    away_at = len(sayings(office))

    proxy.latency_s = 0.01
    time.sleep(0.5)
    proxy.cut()
    time.sleep(0.7)
    mosquitto.stop()  # it has acknowledged what the controller has never seen
    mosquitto.start()
    proxy.latency_s = 0.0
    time.sleep(1.5)
    proxy.cut()

    with office.controller():
        until(lambda: is_whole(office), "every row", log=office.folder / "controller.log")
    assert sayings(office) == list(range(1, SAYINGS + 1))
    assert away_at < SAYINGS
    assert min(proxy.doubled, proxy.swapped, proxy.connections) > 1
    assert "messages asked for again" in (office.folder / "controller.log").read_text()


def test_no_event_is_lost_with_an_agent_that_is_killed_while_the_broker_is_away(
    office: Site, mosquitto: Mosquitto, device: Device
) -> None:
    with office.controller():
        device.start(module="tests.integration.agent.talkative_agent")
        until(lambda: len(sayings(office)) > 5, "the first rows", log=device.log)
        mosquitto.stop()
        until(lambda: outbox(device)[0] > 20, "events that wait", log=device.log)
        device.stop(signal.SIGKILL)
        waiting, highest = outbox(device)

        mosquitto.start()
        device.start()

        until(lambda: len(events_of_the_first_start(office)) >= highest, "every event", log=device.log)
    assert waiting > 20
    assert events_of_the_first_start(office) == list(range(1, highest + 1))


def outbox(device: Device) -> tuple[int, int]:
    """How many events wait on the device's disk, and the highest number of all that are there."""
    with contextlib.closing(sqlite3.connect(device.state / "outbox.sqlite")) as database:
        waiting, highest = database.execute(
            "SELECT SUM(sent = 0), MAX(seq) FROM rows WHERE kind = 'event' AND boot = 1"
        ).fetchone()
    return waiting or 0, highest or 0


def events_of_the_first_start(office: Site) -> list[int]:
    with office.reading() as session:
        ids = session.scalars(select(Event.id).where(Event.device == ID)).all()
    numbers = [identity.removeprefix(f"{ID}-").split("-") for identity in ids]
    return sorted(int(seq) for boot, seq in numbers if boot == "1")


def test_update_arrives_over_connections_that_break_again_and_again(
    mosquitto: Mosquitto,
    proxy: Proxy,
    make_device: MakeDevice,
    fleet: Fleet,
    bundles: dict[str, Bundle],
    tmp_path: Path,
) -> None:
    large = make_bundle(tmp_path / "large", serial=9, version="9.0", float_artifact=True)  # brings files of its own
    fleet.offer(large, bundles["first"])
    web = Proxy(fleet.server.port, seed=3)
    web.latency_s, web.most_bytes = 0.002, 9000  # the longest document takes one connection, the files several
    proxy.most_bytes = 150  # answers of a few bytes each
    with contextlib.closing(web):
        quick = {"frames": 10, "deadline_s": 10, "max_slowdown": 1000}  # the machine may be busy
        update = fleet.update(url=f"http://127.0.0.1:{web.port}", attempts=20, shadow=quick, provisional=quick)
        device = make_device(proxy.port, update=update)

        device.start()

        device.wait_until_it_runs(large.id)
    assert web.connections > 3
    assert proxy.connections > 1


def test_connection_that_only_looks_alive_is_replaced(
    mosquitto: Mosquitto, proxy: Proxy, make_device: MakeDevice
) -> None:
    device = make_device(proxy.port, mqtt={"host": "127.0.0.1", "port": proxy.port, "keepalive_s": 5})
    device.start()
    until(lambda: "broker up" in _log(device), "the broker", log=device.log)
    proxy.go_deaf()

    until(lambda: _log(device).count("broker up") == 2, "another connection", log=device.log)

    assert device.stop() == 0


def _log(device: Device) -> str:
    with contextlib.suppress(FileNotFoundError):
        return device.log.read_text()
    return ""
