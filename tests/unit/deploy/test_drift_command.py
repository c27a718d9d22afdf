"""``driftline-fleet drift``, and commands to devices as far as they need no broker."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select

from deploy import cli
from deploy.fleet.database import FleetDatabase
from deploy.fleet.ingest import Ingest
from deploy.fleet.models import Count
from deploy.registry import Registry
from edge_models.manifest import BundleId
from edge_models.wire import DriftState, Topics
from tests.unit.deploy import messages
from tests.unit.deploy.fakes import FakeClock, write_fake_bundle
from tests.unit.deploy.fleets import CALM, Drift, device, labels_of, reference

BRIGHTER = Drift(moved={0: 0.9, 3: -0.7})


@pytest.fixture
def options(database: FleetDatabase, tmp_path: Path) -> list[str]:
    """A fleet of twelve devices, of which those in the south have drifted."""
    written = write_fake_bundle(tmp_path / "bundle", serial=1, version="1", accuracy=None, profile=reference().to_npz())
    bundle = Registry.create(tmp_path / "registry").publish(written.directory)
    chance = np.random.default_rng(0)
    ingest = Ingest(database, Topics(), FakeClock())
    for i, labels in enumerate(labels_of(chance, 12)):
        name = f"pi-{i:02d}"
        drift = BRIGHTER if labels["region"] == "south" else CALM
        rows = [device(name, chance, drift, n=500).sketch.encode() for _ in range(2)]
        ingest.apply([messages.meta(name, labels=labels)])
        ingest.apply([messages.stats(name, seq, text, n=500, bundle=bundle) for seq, text in enumerate(rows, 1)])
    ingest.apply([messages.meta("pi-new")])
    return ["--database", f"sqlite:///{tmp_path / 'fleet.sqlite'}", "--registry", str(tmp_path / "registry")]


def test_a_cohort_is_told_with_what_it_shares_and_what_has_moved(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["drift", *options, "--json", "--days", "36500"]) == 0

    said = json.loads(capsys.readouterr().out)
    (finding,) = said["findings"]
    assert (said["verdict"], said["judged"], said["left_out"]) == ("cohort", 12, {"pi-new": "no statistics"})
    assert finding["shared"] == {"region": "south"}
    assert finding["devices"] == ["pi-01", "pi-04", "pi-07", "pi-10"]
    assert next(iter(finding["effects"])) == "signal_0"


def test_a_person_reads_who_and_why(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["drift", *options, "--days", "36500"]) == 0

    said = capsys.readouterr().out
    assert "a part of the fleet has drifted in the same way (12 judged)" in said
    assert "region south" in said
    assert "signal_0 up" in said
    assert "not judged: pi-new: no statistics" in said


def test_a_device_that_has_learnt_its_own_baseline_is_told_apart(
    options: list[str], database: FleetDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    with database.read() as session:
        running = session.scalars(select(Count.bundle)).first()
    learnt = messages.drift("pi-01", DriftState.OK, bundle=BundleId(str(running)), context="night")
    Ingest(database, Topics(), FakeClock()).apply([learnt])

    assert cli.main(["drift", *options, "--days", "36500"]) == 0

    said = capsys.readouterr().out
    assert "(11 judged)" in said
    assert "not judged: pi-01: runs on its own baseline night" in said


def test_a_fleet_of_which_nothing_is_known_has_not_drifted(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["drift", *options, "--model", "another"]) == 0

    assert "no device can be judged yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["drift", "--days", "0"], "expected a number of days above 0"),
        (["command", "rebaseline", "pi-1", "--as", "Night time"], "such as night"),
        (["command", "dismiss", "pi-1", "--as", "night"], "expected --benign"),
        (["command", "dismiss", "pi-1", "--forget"], "expected --benign"),
        (["command", "check", "not a device"], "1 to 40 of a-z"),
        (["command", "check", "pi-1", "--timeout", "soon"], "expected 0.1 to 300 seconds"),
        (["command", "explode", "pi-1"], "invalid choice"),
        (["samples", "deliver", "pi-1", "-n", "0"], "at least 1"),
        (["samples", "wipe"], "DEVICE"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = cli.main(arguments)
    except SystemExit as exc:
        code = int(str(exc.code))

    assert (code, expected in capsys.readouterr().err) == (2, True)


def test_without_a_broker_a_command_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["command", "check", "pi-1", "--mqtt", "127.0.0.1:1", "--timeout", "0.1"]) == 1

    assert "no MQTT broker at 127.0.0.1:1" in capsys.readouterr().err
