import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 600.0


def demo(*arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", "deploy", "demo", *arguments]


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("artifact", ["tflite-int8", "spiking"])
def test_the_loop_closes(tmp_path: Path, artifact: str) -> None:
    report = tmp_path / "report.json"

    ran = subprocess.run(
        demo("--fast", "--artifact", artifact, "--report", str(report)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-2000:]
    document = json.loads(report.read_text())
    assert document["loop_closed"] is True
    assert len(document["bundles"]) == 2
    assert {device["running_artifact"] for device in document["devices"]} == {artifact}
    answered = {request["device"] for request in document["requests"] if request["bundle_answer"]}
    assert answered == {device["id"] for device in document["devices"] if device["drifted"]}
    assert [sorted(device["accuracy"]) for device in document["devices"]] == [["after", "before", "drifted"]] * 3
    assert document["rollouts"][0]["rolled_back"] == []
    assert processes_of(tmp_path) == []


def test_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    with subprocess.Popen(demo("--report", str(report)), cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout or ():
            if "streams" in line:
                break
        wait_until(lambda: processes_of(tmp_path) != [], 20.0)
        running.send_signal(signal.SIGINT)

        assert running.wait(30) == 130
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--devices", "2"], "expected 3 to 12"),
        (["--drift", "nothing.npz"], "nothing.npz"),
        (["--artifact", "onnx"], "invalid choice: 'onnx'"),
    ],
)
def test_bad_options_are_one_line(tmp_path: Path, arguments: list[str], words: str) -> None:
    ran = subprocess.run(
        demo(*arguments, "--report", str(tmp_path / "r.json")), cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 2
    assert words in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def processes_of(folder: Path) -> list[str]:
    """Command lines of processes that work in ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if (entry / "cwd").readlink().is_relative_to(folder):
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def wait_until(condition: object, timeout_s: float) -> None:
    assert callable(condition)
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
