"""The adapter around the converter's process, with a program in its place that behaves as badly as a process can."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.clock import SystemClock
from deploy.errors import ConverterError
from deploy.retrain.converter_process import ConverterProcess, build_arguments
from deploy.retrain.ports import BuildOrder
from tests.integration.deploy.brokers import until

pytestmark = pytest.mark.integration

ORDER = BuildOrder(
    recipe="digits",
    output=Path("/out"),
    parent=Path("/parent"),
    evidence=Path("/E.json"),
    samples=Path("/S.npz"),
    answers=("r-1", "r-2"),
    serial=7,
    version="1.10",
    init=None,
    keep_model=Path("/m.keras"),
)


def converter(tmp_path: Path, script: str, *, timeout_s: float = 20.0) -> ConverterProcess:
    program = tmp_path / "program.py"
    program.write_text(f"import json, os, signal, subprocess, sys, time\n{script}\n", encoding="utf-8")
    return ConverterProcess(
        log_file=tmp_path / "converter.log",
        timeout_s=timeout_s,
        nice=1,
        clock=SystemClock(),
        command=(sys.executable, str(program)),
    )


def test_progress_is_told_and_everything_is_logged(tmp_path: Path) -> None:
    script = (
        "for n in (1, 2):\n"
        " sys.stderr.write(json.dumps({'stage': 'train', 'done': n, 'total': 2, 'detail': 'x'}) + '\\n')\n"
        "sys.stderr.write('some warning\\n')\n"
        "sys.stderr.write('{no json')"
    )
    steps: list[str] = []

    converter(tmp_path, script).build(ORDER, steps.append)

    assert steps == ["train 1/2 x", "train 2/2 x"]
    assert (tmp_path / "converter.log").read_text(encoding="utf-8").endswith("some warning\n{no json")


def test_the_order_becomes_the_command_line(tmp_path: Path) -> None:
    said = tmp_path / "arguments.json"
    converter(tmp_path, f"json.dump(sys.argv[1:], open({str(said)!r}, 'w'))").build(ORDER, lambda _: None)

    assert json.loads(said.read_text(encoding="utf-8")) == build_arguments(ORDER)
    assert build_arguments(ORDER)[:4] == ["build", "digits", "-o", "/out"]
    assert {"--answers=r-1", "--answers=r-2"} <= set(build_arguments(ORDER))
    assert "--init" not in build_arguments(ORDER)


def test_a_failure_is_told_in_the_converters_own_words(tmp_path: Path) -> None:
    script = "sys.stderr.write('noise\\ndriftline-convert: error: no such dataset\\n'); sys.exit(2)"

    with pytest.raises(ConverterError, match="build ended with code 2: no such dataset"):
        converter(tmp_path, script).build(ORDER, lambda _: None)


def test_a_crash_is_an_error_and_nothing_worse(tmp_path: Path) -> None:
    with pytest.raises(ConverterError, match="ended with code -11"):
        converter(tmp_path, "os.kill(os.getpid(), signal.SIGSEGV)").build(ORDER, lambda _: None)


def test_a_converter_that_hangs_is_stopped(tmp_path: Path) -> None:
    script = "signal.signal(signal.SIGTERM, signal.SIG_DFL); time.sleep(600)"
    begun = time.monotonic()

    with pytest.raises(ConverterError, match="not ended within 1 s"):
        converter(tmp_path, script, timeout_s=1.0).build(ORDER, lambda _: None)

    assert time.monotonic() - begun < 15
    assert not [child for child in psutil.Process().children() if "program.py" in " ".join(child.cmdline())]


def test_a_grandchild_that_keeps_the_pipe_open_is_not_waited_for(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = (
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pid_file)!r}, 'w').write(str(child.pid))"
    )

    converter(tmp_path, script).build(ORDER, lambda _: None)

    pid = int(pid_file.read_text(encoding="utf-8"))
    for _ in until("the grandchild is gone"):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            break


def test_figures_are_read(tmp_path: Path) -> None:
    script = "print(json.dumps({'n': 30, 'artifacts': {'tflite-int8': {'accuracy': 0.5}, 'odd': {'auc': 0.9}}}))"

    found = converter(tmp_path, script).evaluate(Path("/b"), Path("/d"))

    assert (found.n, dict(found.accuracies)) == (30, {"tflite-int8": 0.5})


@pytest.mark.parametrize("printed", ["print('hello')", "print('{}')", "pass", "print('x' * 2_000_000)"])
def test_something_else_than_figures_is_an_error(tmp_path: Path, printed: str) -> None:
    with pytest.raises(ConverterError, match="printed no figures"):
        converter(tmp_path, printed).evaluate(Path("/b"), Path("/d"))


def test_a_signal_to_us_ends_the_converter(tmp_path: Path) -> None:
    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 1.0)
    try:
        with pytest.raises(KeyboardInterrupt):
            converter(tmp_path, "time.sleep(600)").build(ORDER, lambda _: None)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert not [child for child in psutil.Process().children() if "program.py" in " ".join(child.cmdline())]
