from __future__ import annotations

from pathlib import Path

import pytest

from deploy import cli
from deploy.broker.mosquitto import acl, config
from edge_models.wire import CHANNELS, Direction


def rules(kind: str) -> set[str]:
    return {line.removeprefix(kind).strip() for line in acl().splitlines() if line.startswith(kind)}


def test_a_device_may_write_what_goes_up_and_nothing_else() -> None:
    may_write = rules("pattern write")

    ours = [channel for channel in CHANNELS if "{base}" in channel.template]
    for channel in ours:
        topic = channel.template.format(base="driftline", id="%u", group="+")
        assert (topic in may_write) == (channel.direction is Direction.UP), topic
        assert (topic in rules("pattern read")) == (channel.direction is Direction.DOWN), topic


def test_every_rule_of_a_device_names_its_own_id_or_what_is_for_all() -> None:
    for topic in rules("pattern write"):
        assert "%u" in topic
    for topic in rules("pattern read"):
        assert "%u" in topic or topic in ("driftline/group/+/desired", "homeassistant/status")


def test_the_identity_is_the_certificates_and_cannot_be_chosen() -> None:
    lines = config().splitlines()

    for line in ("require_certificate true", "use_identity_as_username true", "use_username_as_clientid true"):
        assert line in lines
    assert "allow_anonymous false" in lines


def test_the_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["broker", "--mosquitto", str(tmp_path / "etc"), "--port", "9883"]) == 0

    assert "listener 9883" in (tmp_path / "etc" / "driftline.conf").read_text(encoding="utf-8")
    assert (tmp_path / "etc" / "driftline.acl").is_file()
    assert "systemctl restart mosquitto" in capsys.readouterr().out
