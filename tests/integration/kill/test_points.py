"""A kill point is met where it says: the process that is killed there has done all before it, and nothing after it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kill.point import Plan, Point, points_of

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys
from pathlib import Path
from agent.storage import Storage
from tests.kill.point import Plan, Watch

root = Path(sys.argv[1])
storage = Storage(root, observer=Watch("supervisor", root, Plan.read(Path(sys.argv[2]))))
for content in (b"one", b"two", b"three"):
    storage.write_atomic("update.json", content)
storage.make_dir("blobs")
with storage.open_part("blobs/model.part") as part:
    for piece in range(int(sys.argv[3])):
        part.append(b"piece")
storage.remove("blobs/model.part")
"""


def ended(root: Path, kill_at: Point | None, *, pieces: int = 3) -> tuple[int, Path]:
    """Exit code and trace of the program."""
    root.mkdir(parents=True)
    trace, plan = root.with_suffix(".trace"), root.with_suffix(".plan")
    trace.touch()
    Plan(trace=trace, kill_at=kill_at).write(plan)
    command = [sys.executable, "-c", PROGRAM, str(root), str(plan), str(pieces)]
    return subprocess.run(command, cwd=ROOT, start_new_session=True, check=False).returncode, trace


def test_process_is_killed_at_the_very_operation_that_was_chosen(tmp_path: Path) -> None:
    code, whole = ended(tmp_path / "whole", None)
    points = list(points_of(whole))
    operations = whole.read_text().splitlines()
    assert (code, len(points)) == (0, len(operations) + 1)

    for number, point in enumerate(points):
        code, trace = ended(tmp_path / str(number), point)

        assert code == -signal.SIGKILL, point
        assert trace.read_text().splitlines() == operations[: number + (point.side == "before")], point


def test_both_sides_of_a_rename_are_met(tmp_path: Path) -> None:
    found = {}
    for side in ("before", "after"):
        point = Point(role="supervisor", step="rename", path="update.json.tmp", nth=1, side=side)
        code, _ = ended(tmp_path / side, point)
        assert code == -signal.SIGKILL
        found[side] = (tmp_path / side / "update.json").read_bytes()

    assert found == {"before": b"one", "after": b"two"}


def test_piece_of_a_download_that_came_in_fewer_pieces_is_met_after_the_last(tmp_path: Path) -> None:
    point = Point(role="supervisor", step="write", path="blobs/model.part", nth=2, side="before")

    code, trace = ended(tmp_path / "device", point, pieces=2)

    assert code == -signal.SIGKILL
    assert trace.read_text().splitlines()[-1] == "supervisor\tfsync\tblobs/model.part"
