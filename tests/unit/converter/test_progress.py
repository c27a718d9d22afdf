"""Progress goes to stderr, in the form that its reader wants."""

from __future__ import annotations

import io
import json
import sys

import pytest

from converter.progress import BarProgress, JsonProgress, PlainProgress, Progress, SilentProgress, progress_shown


def train(progress: Progress, epochs: int = 12) -> None:
    progress.step("data", 0, 1)
    for number in range(1, epochs + 1):
        progress.step("train", number, epochs, f"loss {1 / number:.2f}")


def test_json_is_one_object_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_shown("json") as progress:
        train(progress, 2)

    said = capsys.readouterr()
    assert said.out == ""
    assert [json.loads(line) for line in said.err.splitlines()] == [
        {"stage": "data", "done": 0, "total": 1, "detail": ""},
        {"stage": "train", "done": 1, "total": 2, "detail": "loss 1.00"},
        {"stage": "train", "done": 2, "total": 2, "detail": "loss 0.50"},
    ]


def test_a_log_gets_the_first_the_last_and_each_fifth_step(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_shown("plain") as progress:
        train(progress)

    assert capsys.readouterr().err.splitlines() == [
        "train 1/12 loss 1.00",
        "train 5/12 loss 0.20",
        "train 10/12 loss 0.10",
        "train 12/12 loss 0.08",
    ]


def test_a_log_gets_five_lines_of_a_stage_that_counts_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_shown("plain") as progress:
        for _ in range(2):
            for done in range(500, 9001, 500):
                progress.step("artifact", done, 9100)

    lines = capsys.readouterr().err.splitlines()
    assert lines == 2 * [f"artifact {done}/9100" for done in (2000, 4000, 5500, 7500)]


def test_none_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_shown("none") as progress:
        train(progress)

    assert capsys.readouterr() == ("", "")


class Terminal(io.StringIO):
    """A stderr with somebody in front of it."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("form", ["auto", "json", "plain", "none"])
def test_a_bar_is_for_terminals_and_only_when_nothing_else_was_asked_for(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {"auto": BarProgress, "json": JsonProgress, "plain": PlainProgress, "none": SilentProgress}
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")

    with progress_shown(form) as progress:
        train(progress)

    assert isinstance(progress, kinds[form])
    assert ("12/12" in terminal.getvalue()) is (form in {"auto", "plain"})


def test_without_a_terminal_automatic_is_plain() -> None:
    with progress_shown("auto") as progress:
        assert isinstance(progress, PlainProgress)
