"""Runs one step as processes and counts what came out."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from deploy.bootstrap import ROOT, BootstrapError, prepare
from tests.runner.steps import Step

STOP_AFTER_S = 20.0  # for the fixtures of an interrupted pytest to stop their children
NO_TESTS_COLLECTED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one step came to."""

    name: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    note: str = ""


def execute(step: Step, extra: Sequence[str] = ()) -> Outcome:
    """Run a step; its output goes straight to the terminal.

    Args:
        step: what to run.
        extra: further arguments for pytest.
    """
    started = time.monotonic()
    python = sys.executable
    try:
        for environment in (step.environment, *step.beside):
            if environment is not None:
                prepare(environment)
    except BootstrapError as exc:
        print(exc, flush=True)
        return Outcome(name=step.name, failed=1, seconds=time.monotonic() - started, note="no environment")
    if step.environment is not None:
        python = str(step.environment.python)
    run = _run_pytest if step.is_pytest else _run_check
    return run(step, python, extra, started)


def _run_check(step: Step, python: str, _extra: Sequence[str], started: float) -> Outcome:
    codes = [_call([python, *command]) for command in step.commands]
    is_good = not any(codes)
    return Outcome(
        name=step.name,
        passed=int(is_good),
        failed=int(not is_good),
        seconds=time.monotonic() - started,
        note="" if is_good else "see above",
    )


def _run_pytest(step: Step, python: str, extra: Sequence[str], started: float) -> Outcome:
    (command,) = step.commands
    with tempfile.TemporaryDirectory(prefix="driftline-tests-") as folder:
        report = Path(folder) / "junit.xml"
        code = _call([python, *command, f"--junitxml={report}", *extra])
        passed, failed, skipped = count(report)
    note = "" if code == 0 else f"pytest ended with {code}"
    if code == NO_TESTS_COLLECTED:
        note = "no tests collected"
    return Outcome(
        name=step.name,
        passed=passed,
        failed=max(failed, int(code != 0)),
        skipped=skipped,
        seconds=time.monotonic() - started,
        note=note,
    )


def count(report: Path) -> tuple[int, int, int]:
    """Return passed, failed and skipped of a JUnit file; an unreadable one holds nothing."""
    try:
        suites = list(ET.parse(report).getroot().iter("testsuite"))
    except (OSError, ET.ParseError):
        return 0, 0, 0

    def total(key: str) -> int:
        return sum(int(suite.get(key, "0")) for suite in suites)

    failed = total("failures") + total("errors")
    return max(0, total("tests") - failed - total("skipped")), failed, total("skipped")


def _call(command: Sequence[str]) -> int:
    shown = [argument for argument in command[1:] if not argument.startswith("--junitxml")]
    print(f"$ python {shlex.join(shown)}", flush=True)
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        return process.wait()
    except BaseException:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_AFTER_S)
        process.kill()
        process.wait()
        raise
