"""The controller as a process, with a real broker and registry; devices are messages, as they are for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from deploy.broker.embedded import EmbeddedBroker
from deploy.fleet.states import JobState, RequestState
from edge_models.wire import UpdatePhase
from tests.integration.deploy.brokers import Ports, embedded_broker
from tests.integration.deploy.site import Site, rejecting, silent, site
from tests.unit.deploy import messages

pytestmark = pytest.mark.integration


@pytest.fixture
def fleet(tmp_path: Path, broker: Ports) -> Iterator[Site]:
    with site(tmp_path / "site", broker) as made:
        yield made


@pytest.fixture
def embedded_fleet(tmp_path: Path) -> Iterator[Site]:
    with embedded_broker() as ports, site(tmp_path / "site", ports) as made:
        yield made


def test_a_rollout_goes_through_the_fleet(fleet: Site) -> None:
    for name in ("pi-1", "pi-2", "pi-3"):
        fleet.agent(name)
    with fleet.controller():
        fleet.until("all devices are known", lambda: fleet.devices() == 3)

        ordered = fleet.call("rollout", "start", fleet.new[:12], "--canary", "1")
        code, out, _ = fleet.finished(fleet.start("rollout", "wait", ordered["id"], "--timeout", "40"))

        assert code == 0, out
        assert {agent.running for agent in fleet.agents} == {fleet.new}
        assert fleet.channel().bundle == fleet.new
        shown = fleet.call("rollout", "status", ordered["id"])
        assert (shown["state"], shown["waves"]) == ("committed", [["pi-1"], ["pi-2", "pi-3"]])


def test_a_canary_that_rejects_the_bundle_brings_it_back(fleet: Site) -> None:
    fleet.agent("pi-1", rejecting)
    second = fleet.agent("pi-2")
    with fleet.controller():
        fleet.until("all devices are known", lambda: fleet.devices() == 2)

        ordered = fleet.call("rollout", "start", fleet.new, "--canary", "2")
        code, out, _ = fleet.finished(fleet.start("rollout", "wait", ordered["id"], "--timeout", "40"))

        assert code == 3, out
        assert fleet.channel().bundle == fleet.old
        assert list(fleet.channel().listed) == [fleet.old]
        assert second.running == fleet.old


def test_a_silent_canary_times_out(embedded_fleet: Site) -> None:
    fleet = embedded_fleet
    fleet.write_config(rollout={"canary": 1, "wave_timeout_s": 4, "back_timeout_s": 1})
    fleet.agent("pi-1", silent)
    with fleet.controller():
        fleet.until("the device is known", lambda: fleet.devices() == 1)
        ordered = fleet.call("rollout", "start", fleet.new)

        code, _, _ = fleet.finished(fleet.start("rollout", "wait", ordered["id"], "--timeout", "0.1"))
        assert code == 4
        code, _, _ = fleet.finished(fleet.start("rollout", "wait", ordered["id"], "--timeout", "40"))
        assert code == 3


def test_a_controller_killed_in_the_middle_goes_on(embedded_fleet: Site) -> None:
    fleet = embedded_fleet
    first = fleet.agent("pi-1", silent)
    second = fleet.agent("pi-2")
    with fleet.controller() as program:
        fleet.until("all devices are known", lambda: fleet.devices() == 2)
        ordered = fleet.call("rollout", "start", fleet.new)
        fleet.until("the canary is told", lambda: bool(first.told))
        program.kill()
    first.running = fleet.new
    first.report(UpdatePhase.COMMITTED, fleet.new)

    with fleet.controller():
        code, out, _ = fleet.finished(fleet.start("rollout", "wait", ordered["id"], "--timeout", "40"))

    assert code == 0, out
    assert second.running == fleet.new


def test_a_request_raised_while_the_controller_was_away_is_served_once(fleet: Site) -> None:
    agent = fleet.agent("pi-1")
    asked = messages.request("pi-1", "pi-1-r1", bundle=fleet.old)
    agent.publish("model/request", asked.payload)

    for _ in range(2):  # the broker hands the retained request out again each time
        with fleet.controller():
            fleet.until("its job is ready", lambda: fleet.jobs() == [("job-1", JobState.READY)])

    assert fleet.requests() == [("pi-1-r1", "job-1", RequestState.OPEN)]
    shown = fleet.call("requests")
    assert [job["requests"] for job in shown["jobs"]] == [["pi-1-r1"]]


def test_events_and_samples_sent_while_the_controller_was_away_are_not_lost(fleet: Site) -> None:
    agent = fleet.agent("pi-1")
    with fleet.controller():
        fleet.until("the device is known", lambda: fleet.devices() == 1)
    for number in range(30):
        agent.publish("sample", messages.sample("pi-1", number).payload, retain=False)

    with fleet.controller():
        fleet.until("every sample has come", lambda: fleet.samples() == 30)


def test_wrong_messages_do_not_stop_it(embedded_fleet: Site) -> None:
    fleet = embedded_fleet
    agent = fleet.agent("pi-1")
    with fleet.controller() as program:
        for payload in (b"", b"{", b"\xff" * 1000, b"[" * 5000, b'{"v":9}'):
            for kind in ("meta", "state", "drift", "event", "sample", "model/state", "model/request", "status"):
                agent.publish(kind, payload, retain=False)
        agent.publish("sample", messages.sample("pi-1", 1).payload, retain=False)

        fleet.until("the right message has come", lambda: fleet.samples() == 1)
        assert program.poll() is None


def test_devices_are_told_again_when_the_broker_has_forgotten(tmp_path: Path) -> None:
    with embedded_broker() as ports, site(tmp_path / "site", ports) as fleet:
        fleet.agent("pi-1", silent)
        with fleet.controller():
            fleet.until("the device is known", lambda: fleet.devices() == 1)
            fleet.call("rollout", "start", fleet.new)
            fleet.until("the device is told", lambda: bool(fleet.agents[0].told))
    with EmbeddedBroker() as other:
        fresh = Ports(mqtt5=other.port, mqtt311=other.port_v3)
        document = yaml.safe_load(fleet.config.read_text(encoding="utf-8"))
        fleet.ports = fresh
        fleet.agents = []
        fleet.config.write_text(
            yaml.safe_dump(document | {"mqtt": {"host": "127.0.0.1", "port": fresh.mqtt5}}), encoding="utf-8"
        )
        with fleet.controller():
            returned = fleet.agent("pi-1", silent)
            fleet.until("the device is told again", lambda: bool(returned.told))
            assert returned.told[0].bundle == fleet.new
            returned.link.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(embedded_fleet: Site, number: signal.Signals) -> None:
    with embedded_fleet.controller() as program:
        children = psutil.Process(program.pid).children(recursive=True)
        os.kill(program.pid, number)

        assert program.wait(15) == 0
        assert children == []
    log = (embedded_fleet.folder / "controller.log").read_text(encoding="utf-8")
    assert "Traceback" not in log


def test_a_registry_that_is_missing_is_one_line_and_exit_code_2(embedded_fleet: Site) -> None:
    code, out, err = embedded_fleet.finished(embedded_fleet.start("controller", "--registry", "/none/registry"))

    assert code == 2
    assert out == ""
    assert err.startswith("driftline-fleet: error: /none/registry: no registry here")
    assert err.count("\n") == 1
