"""However a build ends, it leaves no process, no temporary file and no half of a bundle."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.factories.frames import DIGITS
from tests.integration.converter.program import PATIENCE_S, start

pytestmark = pytest.mark.integration

LONG = ("--set", "training.epochs=1000", "--set", f"dataset.source=npz:{DIGITS}")


def build_until(stage: str, done: int, tmp_path: Path) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    """A build that has come so far, and the processes below it."""
    (tmp_path / "temporary").mkdir()
    program = start("build", "digits", "-o", tmp_path / "out" / "bundle", *LONG, temporary=tmp_path / "temporary")
    assert program.stderr is not None
    for line in program.stderr:
        step = json.loads(line)
        if (step["stage"], step["done"]) == (stage, done):
            break
    below = psutil.Process(program.pid).children(recursive=True)
    assert below
    return program, below


@pytest.mark.parametrize(
    ("stop", "stage", "done", "code"),
    [
        (signal.SIGTERM, "train", 2, 143),
        (signal.SIGINT, "train", 0, 130),  # TensorFlow is being imported
    ],
)
def test_a_build_that_is_stopped_leaves_nothing(
    tmp_path: Path, stop: signal.Signals, stage: str, done: int, code: int
) -> None:
    program, below = build_until(stage, done, tmp_path)
    with program:
        program.send_signal(stop)
        out, errors = program.communicate(timeout=PATIENCE_S)

    assert (program.returncode, out) == (code, "")
    assert all(json.loads(line) for line in errors.splitlines())  # progress, and nothing else
    assert not [process for process in below if process.is_running()]
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_a_build_that_is_killed_takes_its_child_along(tmp_path: Path) -> None:
    program, below = build_until("data", 1, tmp_path)
    with program:
        program.kill()
        program.communicate(timeout=PATIENCE_S)

    _, alive = psutil.wait_procs(below, timeout=PATIENCE_S)
    assert alive == []
    assert not (tmp_path / "out").exists()


def test_a_crash_of_tensorflow_is_one_line(tmp_path: Path) -> None:
    program, below = build_until("train", 1, tmp_path)
    with program:
        for process in below:
            process.send_signal(signal.SIGSEGV)
        out, errors = program.communicate(timeout=PATIENCE_S)

    assert (program.returncode, out) == (1, "")
    said = errors.splitlines()[-1]
    assert said.startswith("driftline-convert: error: TensorFlow crashed while ")
    assert said.endswith("(SIGSEGV)")
    assert "Traceback" not in errors
    assert list((tmp_path / "temporary").iterdir()) == []
