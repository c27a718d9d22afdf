"""The picture: a whole PNG file, or none and a reason."""

from __future__ import annotations

import dataclasses
import struct
import sys
from pathlib import Path

import pytest

from agent.explain.errors import ExplainError
from agent.explain.picture import check_target, write_picture
from agent.explain.plot import png
from agent.explain.story import Story, Traits
from tests.unit.agent_explain.stories import CALM, darkness

PNG = b"\x89PNG\r\n\x1a\n"


def size(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack(">II", data[16:24])
    return width, height


@pytest.mark.parametrize(
    "story",
    [
        darkness(),
        darkness(frames_apart=20_000),  # of hours
        darkness(frames_apart=2_000_000),  # of days
        dataclasses.replace(darkness(), readings=()),
        dataclasses.replace(darkness(), turns=(), asks=(), alarms=()),
        dataclasses.replace(darkness(), has_frames=False),  # started anew in between
        dataclasses.replace(darkness(), traits=Traits()),
    ],
    ids=["frames", "hours", "days", "no verdict", "verdicts only", "restarts", "nothing known"],
)
def test_every_story_with_something_in_it_can_be_drawn(story: Story) -> None:
    pytest.importorskip("matplotlib")

    data = png(story)

    assert data.startswith(PNG)
    assert size(data) == (1375, 880)


def test_the_file_is_there_whole(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")

    write_picture(tmp_path / "drift.png", darkness())

    assert (tmp_path / "drift.png").read_bytes().startswith(PNG)
    assert [path.name for path in tmp_path.iterdir()] == ["drift.png"]


def test_nothing_to_draw_is_said_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ExplainError, match="found nothing that drifted"):
        write_picture(tmp_path / "drift.png", CALM)

    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_one_line_says_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # as Python itself marks what cannot be imported

    with pytest.raises(ExplainError, match=r"pip install 'driftline\[plot\]'") as raised:
        write_picture(tmp_path / "drift.png", darkness())

    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("drift.jpg", r"found 'drift\.jpg', expected a name that ends in \.png"),
        ("folder.png", r"found the directory"),
        ("none/drift.png", r"found no folder"),
    ],
)
def test_a_file_that_cannot_become_a_picture_is_refused(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "folder.png").mkdir()

    with pytest.raises(ExplainError, match=expected):
        check_target(tmp_path / name)
