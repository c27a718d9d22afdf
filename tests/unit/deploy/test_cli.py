from __future__ import annotations

import argparse
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from deploy import cli
from deploy.fleet.database import FleetDatabase
from deploy.fleet.ingest import Ingest
from deploy.fleet.models import Rollout
from deploy.fleet.states import RolloutState
from edge_models.wire import Topics
from tests.unit.deploy import messages
from tests.unit.deploy.fakes import FakeClock
from tests.unit.deploy.messages import NEW, OLD

URL_OPTION = "--database"


@pytest.fixture
def url(database: FleetDatabase, clock: FakeClock, tmp_path: Path) -> str:
    """A fleet of two devices with a sample each."""
    ingest = Ingest(database, Topics(), clock)
    for name in ("pi-1", "pi-2"):
        ingest.apply([messages.meta(name), messages.status(name), messages.sample(name, 1)])
    ingest.apply([messages.request("pi-1", "r-1")])
    return f"sqlite:///{tmp_path / 'fleet.sqlite'}"


def rollout_in(database: FleetDatabase, state: RolloutState) -> str:
    with database.write() as session:
        session.add(
            Rollout(
                id="rollout-1",
                model="digits",
                channel="stable",
                bundle=NEW,
                base=OLD,
                canary=1,
                state=state,
                wave_timeout_s=1,
                back_timeout_s=1,
                phase_started_at=0,
                created_at=0,
                updated_at=0,
            )
        )
    return "rollout-1"


def leaves(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers that end a command line: of the verb, or of each of its actions."""
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for choice in action.choices.values():
            yield from leaves(choice)


@pytest.mark.parametrize("verb", cli.verbs())
def test_every_command_has_json_and_documents_its_exit_codes(verb: str) -> None:
    module = cli.verbs()[verb]
    command = cast("cli.Command", importlib.import_module(module))

    assert cli.summary(module)
    for parser in leaves(cli.build_parser(verb, command)):
        shown = parser.format_help()
        assert "--json" in shown, parser.prog
        for code in (0, 2, *command.EXIT_CODES):
            assert re.search(rf"^  {code} ", shown, re.MULTILINE), parser.prog


def test_help_imports_no_command() -> None:
    script = (
        "import sys; from deploy import cli; cli.main(['--help']); "
        "loaded = [m for m in sys.modules if m.startswith('deploy.commands.') or m in ('sqlalchemy', 'paho', 'tuf')]; "
        "sys.exit(len(loaded))"
    )

    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)

    assert ended.returncode == 0, ended.stderr
    assert b"rollout" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rolout"], "no command 'rolout', expected one of"),
        (["rollout"], "the following arguments are required"),
        (["devices", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["devices", "-c", "/none/fleet.yaml"], "/none/fleet.yaml: No such file"),
        (["devices", URL_OPTION, "sqlite:////none/fleet.sqlite"], "no file /none/fleet.sqlite"),
        (["devices", URL_OPTION, "what"], "database: found 'what'"),
        (["controller", "--mqtt", "host:port"], "--mqtt: found 'host:port', expected HOST or HOST:PORT"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = cli.main(arguments)
    except SystemExit as ended:
        code = ended.code

    shown = capsys.readouterr()
    assert code == 2
    assert shown.out == ""
    assert shown.err.startswith("driftline-fleet: error: ")
    assert message in shown.err
    assert shown.err.count("\n") == 1


def test_devices_are_listed(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["devices", URL_OPTION, url, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(device["id"], device["status"], device["model"]) for device in found] == [
        ("pi-1", "online", "digits"),
        ("pi-2", "online", "digits"),
    ]

    assert cli.main(["devices", URL_OPTION, url]) == 0
    assert "pi-2" in capsys.readouterr().out
    assert cli.main(["devices", "pi-1", URL_OPTION, url]) == 0
    assert json.loads(capsys.readouterr().out)["meta"]["agent"] == "0.1"


def test_a_device_that_does_not_exist_is_an_error(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["devices", "pi-9", URL_OPTION, url]) == 2
    assert "pi-9" in capsys.readouterr().err


def test_samples_are_listed_labelled_and_exported(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["samples", "list", "--unlabelled", URL_OPTION, url, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(one["id"], one["device"], one["position"]) for one in listed] == [
        ("pi-1:1-1", "pi-1", 1),
        ("pi-2:1-1", "pi-2", 1),
    ]

    assert cli.main(["samples", "label", "pi-1:1-1", "3", "--by", "ann", URL_OPTION, url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"given": 1, "changed": 1}
    table = tmp_path / "labels.csv"
    table.write_text("id,label\npi-1:1-1,3\npi-2:1-1,4\n", encoding="utf-8")
    assert cli.main(["samples", "import", str(table), URL_OPTION, url, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"given": 2, "changed": 1}

    assert cli.main(["samples", "export", str(tmp_path / "s.npz"), URL_OPTION, url]) == 0
    assert "wrote 2 samples" in capsys.readouterr().out


def test_nothing_to_label_is_wrong_usage(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["samples", "label", URL_OPTION, url]) == 2
    assert "no label given" in capsys.readouterr().err


def test_requests_are_listed(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["requests", URL_OPTION, url, "--json"]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert [(one["id"], one["device"], one["state"]) for one in shown["requests"]] == [("r-1", "pi-1", "open")]
    assert shown["jobs"] == []
    assert cli.main(["requests", URL_OPTION, url]) == 0


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (RolloutState.COMMITTED, 0),
        (RolloutState.ROLLED_BACK, 3),
        (RolloutState.INCOMPLETE, 4),
        (RolloutState.REFUSED, 1),
        (RolloutState.CANARY, 4),
        (RolloutState.PENDING, 4),
    ],
)
def test_the_exit_code_of_wait_tells_how_a_rollout_ended(
    url: str, database: FleetDatabase, state: RolloutState, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = rollout_in(database, state)

    assert cli.main(["rollout", "wait", identity, "--timeout", "0", URL_OPTION, url, "--json"]) == code
    assert json.loads(capsys.readouterr().out)["state"] == state.value


def test_rollouts_are_shown_and_aborted(url: str, database: FleetDatabase, capsys: pytest.CaptureFixture[str]) -> None:
    identity = rollout_in(database, RolloutState.CANARY)

    assert cli.main(["rollout", "status", URL_OPTION, url]) == 0
    assert cli.main(["rollout", "status", identity, URL_OPTION, url]) == 0
    assert f"{identity} canary, 0 of 0 devices have committed" in capsys.readouterr().out
    assert cli.main(["rollout", "abort", identity, "--reason", "looks odd", URL_OPTION, url]) == 0
    with database.read() as session:
        assert session.get_one(Rollout, identity).abort == "looks odd"


def test_an_ended_rollout_cannot_be_aborted(
    url: str, database: FleetDatabase, capsys: pytest.CaptureFixture[str]
) -> None:
    identity = rollout_in(database, RolloutState.COMMITTED)

    assert cli.main(["rollout", "abort", identity, URL_OPTION, url]) == 1
    assert "has ended (committed)" in capsys.readouterr().err


def test_an_unknown_rollout_is_wrong_usage(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rollout", "status", "rollout-9", URL_OPTION, url]) == 2
    assert "the newest are: none" in capsys.readouterr().err
