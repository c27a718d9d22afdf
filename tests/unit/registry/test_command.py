"""The command line of the registry, called as a function."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.cli import main
from tests.unit.registry.bundles import make_bundle


def registry_command(*arguments: object) -> int:
    return main(["registry", *map(str, arguments)])


def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_init_prints_where_the_trusted_root_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert registry_command("init", tmp_path / "registry", "--json") == 0

    assert Path(printed(capsys)["root"]) == tmp_path / "registry/root.json"
    assert (tmp_path / "registry/root.json").is_file()


def test_publish_and_channel_and_list_speak_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--registry", tmp_path / "registry", "--json")
    old, new = (make_bundle(tmp_path / str(serial), serial=serial) for serial in (1, 2))
    registry_command("init", tmp_path / "registry")
    capsys.readouterr()

    assert registry_command("publish", old.directory, *where, "--channel", "stable") == 0
    first = printed(capsys)
    assert registry_command("publish", new.directory, *where, "--channel", "stable", "--percent", "25") == 0
    second = printed(capsys)
    assert registry_command("list", *where) == 0
    listed = printed(capsys)
    assert registry_command("channel", "set", "stable", new.id[:12], *where) == 0
    final = printed(capsys)
    assert registry_command("channel", "show", "digits", "stable", *where) == 0

    assert (first["bundle"], first["channel"]["rev"], first["channel"]["percent"]) == (old.id, 1, 100)
    assert (second["channel"]["base"], second["channel"]["percent"], second["serial"]) == (old.id, 25, 2)
    assert [item["id"] for item in listed] == [old.id, new.id]
    assert final[0]["rev"] == 3
    assert printed(capsys) == final


def test_text_output_names_what_happened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    where = ("--registry", tmp_path / "registry")

    registry_command("init", tmp_path / "registry")
    registry_command("publish", bundle.directory, *where, "--channel", "stable")
    registry_command("channel", "show", *where)
    registry_command("renew", "--offline", *where)

    out = capsys.readouterr().out
    assert f"as {bundle.id}" in out
    assert f"digits/stable rev 1: 100 % of devices run {bundle.id[:12]}" in out
    assert "timestamp" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publish", "no-such-bundle"], "no-such-bundle/manifest.json"),
        (["channel", "show", "digits", "stable"], "no channel digits/stable"),
        (["channel", "set", "stable", "abc"], "bundle abc: not published here"),
        (["publish", "bundle", "--channel", "stable", "--percent", "101"], "--percent 101"),
        (["publish", "bundle", "--channel", "No Name"], "No Name"),
        (["publish", "bundle", "--channel", "stable", "--base", "abc"], "bundle abc: not published here"),
        (["publish", "bundle", "--channel", "stable", "--min-serial", "9"], "serial of at least 9"),
        (["publish", "registry/registry.json"], "Not a directory"),
        (["serve", "--port", "99999"], "--port: found 99999, expected 0 to 65535"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    make_bundle(tmp_path / "bundle")
    registry_command("init", "registry", "--json")
    capsys.readouterr()

    assert registry_command(*arguments, "--registry", "registry") == 2

    error = capsys.readouterr().err
    assert error.startswith("driftline-fleet: error: ")
    assert said in error
    assert error.count("\n") == 1


def test_directory_without_registry_is_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert registry_command("list", "--registry", tmp_path) == 2

    assert "registry init" in capsys.readouterr().err
