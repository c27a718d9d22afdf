"""agent.yaml: strict, and every message says where, what, and what instead."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.__main__ import main
from agent.config import CsvSource, MqttSource, ReplaySource, load_config
from agent.errors import ConfigError
from agent.yaml_document import parse_in_child, parse_yaml

MINIMAL = "id: pi7-cam\nmodel: digits\nstate_dir: state\n"


def load(tmp_path: Path, text: str) -> object:
    path = tmp_path / "agent.yaml"
    path.write_text(text)
    return load_config(path)


def test_defaults_are_enough_for_a_device_that_only_runs_its_model(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(MINIMAL)

    config = load_config(path)

    assert (config.mqtt.host, config.mqtt.port, config.mqtt.base, config.channel) == (
        "localhost", 1883, "driftline", "stable",
    )  # fmt: skip
    assert not config.samples.enabled  # nothing leaves the device unless its owner says so
    assert config.update is None


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(
        MINIMAL
        + "bundle: first\nupdate: {url: 'http://fleet:8080', root: root.json}\nsource: {type: replay, path: x.npz}\n"
        + "mqtt: {password_file: secret, tls: {ca: ca.pem, cert: /etc/cert.pem, key: key.pem}}\n"
    )

    config = load_config(path)

    assert config.state_dir == str(tmp_path / "state")
    assert config.bundle == str(tmp_path / "first")
    assert config.update is not None
    assert config.update.root == str(tmp_path / "root.json")
    assert isinstance(config.source, ReplaySource)
    assert config.source.path == str(tmp_path / "x.npz")
    assert config.mqtt.tls is not None
    assert (config.mqtt.tls.ca, config.mqtt.tls.cert) == (str(tmp_path / "ca.pem"), "/etc/cert.pem")


@pytest.mark.parametrize(
    ("source", "kind"),
    [("{type: mqtt, topic: cam/frames}", MqttSource), ("{type: csv, path: rows.csv, columns: [a, b]}", CsvSource)],
)
def test_sources_are_told_apart_by_their_type(tmp_path: Path, source: str, kind: type) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(f"{MINIMAL}source: {source}\n")

    assert isinstance(load_config(path).source, kind)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MINIMAL + "mqtt: {hots: pi.local}\n", "mqtt.hots: found an unknown key, expected one of host, port"),
        (MINIMAL + "mqtt: {port: 70000}\n", "mqtt.port: found 70000, expected an integer from 1 to 65535"),
        (MINIMAL + "mqtt: {protocol: 4}\n", "mqtt.protocol: found 4, expected one of auto, 5, 3.1.1"),
        (MINIMAL + "mqtt: {tls: {ca: a, cert: b}}\n", "cert and key together"),
        (MINIMAL + "update: {root: a}\n", "update: found values that do not fit together, expected the url"),
        (
            MINIMAL + "update: {root: a, over: mqtt}\nmqtt: {max_packet_bytes: 16384}\n",
            "mqtt.max_packet_bytes: found 16384 with update.over: mqtt, expected at least 32768",
        ),
        (MINIMAL.replace("pi7-cam", "Pi 7"), "id: found 'Pi 7', expected a string like"),
        (MINIMAL.replace("pi7-cam", "all"), "id: found 'all', expected an id other than group, all"),
        ("id: pi7-cam\nmodel: digits\n", "state_dir: found nothing, expected Directory"),
        (
            MINIMAL + "source: {type: webcam}\n",
            "source.type: found 'webcam', expected one of replay, mqtt, csv, folder",
        ),
        (
            MINIMAL + "drift: {detectors: [{delta: 0.1}]}\n",
            "drift.detectors[0].name: found None, expected a name such as adwin",
        ),
        (MINIMAL + "update: {url: 'ftp://x', root: r}\n", "update.url: found 'ftp://x'"),
        ("", "found null, expected a mapping"),
        ("id: [", "not YAML"),
        (MINIMAL + "id: pi8-cam\n", "id: found the key again"),
        ("\x00", "not YAML"),
        ("x" * 300_000, "more than 262144 bytes"),
    ],
)
def test_wrong_configuration_is_refused_with_a_message_that_helps(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)

    assert said in str(caught.value)
    assert str(tmp_path / "agent.yaml") in str(caught.value)


@pytest.mark.parametrize("text", [MINIMAL + "labels: {since: 2026-11-22, n: '1'}\n", "id: [", ""])
def test_child_process_reads_the_same_as_this_one(text: str) -> None:
    def outcome(parse: Callable[[bytes], object]) -> object:
        try:
            return parse(text.encode())
        except ConfigError as exc:
            return str(exc)

    assert outcome(parse_in_child) == outcome(parse_yaml)


@pytest.mark.parametrize("command", ["run", "check"])
def test_missing_file_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    code = main([command, "-c", str(tmp_path / "none.yaml")])

    errors = capsys.readouterr().err.splitlines()
    assert code == 2
    assert len(errors) == 1
    assert errors[0].startswith("driftline-agent: error: ")
    assert "none.yaml" in errors[0]


def test_first_bundle_that_is_none_ends_the_start_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "agent.yaml"
    path.write_text(MINIMAL + "bundle: nowhere\n")

    assert main(["run", "-c", str(path)]) == 2
    assert "manifest.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "the following arguments are required: COMMAND; see `driftline-agent --help`"),
        (["walk"], "invalid choice: 'walk'"),
        (["check"], "the following arguments are required: -c/--config; see `driftline-agent check --help`"),
        (["replay", "bundle", "frames.npz", "--rate-hz", "fast"], "argument --rate-hz: invalid float value: 'fast'"),
    ],
)
def test_wrong_usage_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("driftline-agent: error: ")
    assert expected in line
