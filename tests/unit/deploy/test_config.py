from __future__ import annotations

from pathlib import Path

import pytest

from deploy.config import FleetConfig, load_config
from deploy.errors import ConfigError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "fleet.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_taken_from_the_directory_of_the_file(tmp_path: Path) -> None:
    config = load_config(
        write(tmp_path, "registry: reg\nwork_dir: /var/jobs\nrecipe: ./r.yaml\nmqtt: {password_file: secret}\n")
    )

    assert config.registry == str(tmp_path / "reg")
    assert config.work_dir == "/var/jobs"
    assert config.recipe == str(tmp_path / "r.yaml")
    assert config.database == f"sqlite:///{tmp_path / 'fleet.sqlite'}"
    assert config.mqtt.password_file == str(tmp_path / "secret")


def test_a_recipe_that_is_shipped_keeps_its_name(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "recipe: mnist5k\n")).recipe == "mnist5k"


@pytest.mark.parametrize("url", ["sqlite:////data/fleet.sqlite", "postgresql://fleet@db/fleet", "sqlite://"])
def test_urls_that_are_absolute_stay_as_they_are(tmp_path: Path, url: str) -> None:
    assert load_config(write(tmp_path, f"database: {url}\n")).database == url


def test_flags_beat_the_file_and_their_paths_are_taken_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, "model: digits\nmqtt: {host: broker, port: 1}\n")

    config = load_config(path, {"mqtt.port": 2, "registry": "here", "model": None})

    assert (config.mqtt.host, config.mqtt.port) == ("broker", 2)
    assert config.registry == str(tmp_path / "here")
    assert config.model == "digits"


def test_without_a_file_there_are_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    config = load_config(None)

    assert config.retrain == FleetConfig().retrain
    assert config.database == f"sqlite:///{tmp_path / 'fleet.sqlite'}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle: digits\n", "fleet.yaml: modle: found an unknown key, expected one of database, registry, model"),
        ("mqtt: {port: 0}\n", "mqtt.port: found 0, expected an integer from 1 to 65535"),
        ("mqtt: {tls: {ca: a, key: b}}\n", "mqtt.tls: found values that do not fit together"),
        ("retrain: {held_fraction: 1.5}\n", "retrain.held_fraction: found 1.5"),
        ("- a\n", "found a list, expected keys"),
        ("a: [\n", "not YAML"),
        ("model: a\nmodel: b\n", "model: found the key again in line 2"),
        ("\x00", "not YAML"),
    ],
)
def test_a_wrong_file_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_config(tmp_path / "none.yaml")


def test_a_wrong_flag_names_the_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="options: model: found 'Big Model'"):
        load_config(None, {"model": "Big Model"})
