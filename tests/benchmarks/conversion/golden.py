"""Golden outputs of bundles on both runtimes: `probe` is started in the environment of each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.bootstrap import BootstrapError, Environment, prepare
from tests.benchmarks.conversion.place import ROOT
from tests.runner.steps import ENVIRONMENTS

TIMEOUT_S = 600.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Golden:
    """One artifact on one runtime.

    Attributes:
        bundle: Its folder's name.
        runtime: Name and version; why it did not run where it did not.
        delegates: Whether XNNPACK was on.
        ok: Within the manifest's tolerance.
        worst_lsb: Largest difference from the golden outputs, in steps of the output's code.
        reason: Why not ok.
    """

    bundle: str
    runtime: str
    delegates: bool
    ok: bool
    worst_lsb: int
    reason: str


def on_every_runtime(bundles: Sequence[Path]) -> tuple[list[Golden], list[str]]:
    """What the bundles give here and on tflite-runtime, and sentences about what could not be asked."""
    found, notes = _asked(sys.executable, bundles), []
    other: Environment = ENVIRONMENTS["runtime"]
    try:
        prepare(other)
        found += _asked(str(other.python), bundles)
    except BootstrapError as exc:
        notes.append(f"golden outputs on one runtime only: {exc}")
    return found, notes


def _asked(python: str, bundles: Sequence[Path]) -> list[Golden]:
    command = [python, "-m", "tests.benchmarks.conversion.probe", *map(str, bundles)]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    found = [Golden(**json.loads(line)) for line in answer.stdout.splitlines()]
    if answer.returncode or len(found) < 2 * len(bundles):
        last = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
        found.append(Golden(bundle="?", runtime=python, delegates=False, ok=False, worst_lsb=0, reason=last))
    return found
