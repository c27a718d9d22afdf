"""The fleet's view of drift, and what is done about it, with a real broker, database and registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import func, select

from deploy.fleet.models import Count
from tests.integration.deploy.brokers import Ports
from tests.integration.deploy.site import Site, site
from tests.unit.deploy import messages
from tests.unit.deploy.fleets import CALM, Drift, device

pytestmark = pytest.mark.integration

DARKER = Drift(moved={2: -1.2, 4: 0.8})


@pytest.fixture
def fleet(tmp_path: Path, broker: Ports) -> Iterator[Site]:
    with site(tmp_path / "site", broker) as made:
        yield made


def rows(fleet: Site) -> int:
    with fleet.reading() as session:
        return session.scalar(select(func.count()).select_from(Count)) or 0


def test_a_broken_device_is_found_by_what_all_have_counted(fleet: Site) -> None:
    chance = np.random.default_rng(0)
    names = ("pi-1", "pi-2", "pi-3", "pi-4")
    with fleet.controller():
        for name in names:
            agent = fleet.agent(name)
            for seq in range(1, 7):
                counted = device(name, chance, DARKER if name == "pi-3" else CALM, n=200).sketch.encode()
                sent = messages.stats(name, seq, counted, bundle=fleet.old)
                agent.publish("stats", sent.payload, retain=False)
        fleet.until("all counts have come", lambda: rows(fleet) == 24)

        said = fleet.call("drift")

    assert (said["verdict"], said["judged"]) == ("device", 4)
    assert said["findings"][0]["devices"] == ["pi-3"]
    assert next(iter(said["findings"][0]["effects"])) == "signal_2"


def test_devices_are_told_what_is_normal_and_their_replies_shown(fleet: Site) -> None:
    first, second = fleet.agent("pi-1"), fleet.agent("pi-2")

    said = fleet.call("command", "rebaseline", "pi-1", "pi-2", "--as", "night")
    fleet.call("command", "dismiss", "pi-1", "--benign", "--as", "fog")
    fleet.call("samples", "deliver", "pi-1", "-n", "50")
    fleet.call("samples", "wipe", "pi-1")

    assert [(one["device"], one["ok"]) for one in said] == [("pi-1", True), ("pi-2", True)]
    assert second.commanded == [("rebaseline", {"as": "night"})]
    assert first.commanded == [
        ("rebaseline", {"as": "night"}),
        ("dismiss", {"as": "fog", "benign": True}),
        ("samples", {"do": "deliver", "n": 50}),
        ("samples", {"do": "wipe"}),
    ]


def test_a_refusal_and_a_silent_device_end_with_code_1(fleet: Site) -> None:
    fleet.agent("pi-1")

    refused, out, error = fleet.finished(fleet.start("command", "undo", "pi-1"))
    silent, _, missing = fleet.finished(fleet.start("command", "check", "pi-9", "--timeout", "0.5"))

    assert (refused, silent) == (1, 1)
    assert '"code": "no"' in out
    assert "not done by pi-1" in error
    assert "no reply in time" in missing


def test_a_request_that_offers_samples_is_asked_for_them(fleet: Site) -> None:
    agent = fleet.agent("pi-1")
    with fleet.controller():
        asked = messages.request("pi-1", "pi-1-r1", bundle=fleet.old, samples_on_offer=200)
        agent.publish("model/request", asked.payload)

        fleet.until("the device is asked", lambda: bool(agent.commanded))

    assert agent.commanded == [("samples", {"do": "deliver", "n": 200})]
