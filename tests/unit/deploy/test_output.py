"""What commands print for people."""

from __future__ import annotations

import pytest

from deploy.commands._output import print_table


def test_a_table_in_a_pipe_cuts_nothing_off(capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"pi{number}-in-a-hall-with-a-long-name:12-3456789" for number in range(9)]

    print_table([f"column {number}" for number in range(9)], [names], empty="none")

    header, row = capsys.readouterr().out.splitlines()
    assert row.split() == names
    assert header.split()[-2:] == ["column", "8"]


def test_a_table_on_a_narrow_terminal_folds_instead(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")

    print_table(["device", "bundle"], [["pi7-cam", "0123456789abcdef"]], empty="none")

    lines = capsys.readouterr().out.splitlines()[1:]
    assert "".join(line[len("pi7-cam") :].strip() for line in lines) == "0123456789abcdef"


def test_an_empty_table_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["device"], [], empty="no device has reported yet")

    assert capsys.readouterr().out == "no device has reported yet\n"
