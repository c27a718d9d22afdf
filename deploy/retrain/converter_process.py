"""Runs ``driftline-convert`` as a child process.

The fleet side never imports TensorFlow, and a crash of the converter is an error here and nothing worse. Its progress
(one JSON line for each step on stderr) and everything else that it says go to a log file.
"""

from __future__ import annotations

import logging
import os
import selectors
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deploy import process
from deploy.clock import Clock
from deploy.errors import ConverterError
from deploy.retrain.ports import BuildOrder, Evaluation, OnStep
from edge_models.errors import FieldError
from edge_models.fields import decode_json, described

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "converter")
# Where `-m converter` is found from a checkout and from an installation alike: beside this package.
ROOT = Path(__file__).resolve().parents[2]
MAX_RESULT_BYTES = 1 << 20
_POLL_S = 0.5
_READ_BYTES = 1 << 16
_LAST_LINES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evaluated:
    n: int = described("Inputs.", ge=0)
    artifacts: dict[str, dict[str, float | None]] = described("Figures of each artifact.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    stage: str = described("What it is at.")
    done: int = described("Steps done.")
    total: int = described("Steps in all.")
    detail: str = described("What came out.", default="")


class ConverterProcess:
    """The converter, one process for each call.

    Args:
        log_file: Gets everything that it says.
        timeout_s: Bound on one run.
        nice: Niceness of its processes.
        clock: Measures the bound.
        command: How it is called.
    """

    def __init__(
        self, *, log_file: Path, timeout_s: float, nice: int, clock: Clock, command: Sequence[str] = COMMAND
    ) -> None:
        self._log_file = log_file
        self._timeout_s = timeout_s
        self._nice = nice
        self._clock = clock
        self._command = tuple(command)

    def build(self, order: BuildOrder, on_step: OnStep) -> None:
        """Train and convert; the bundle is in ``order.output`` afterwards.

        Raises:
            ConverterError: The converter failed, or took too long.
        """
        self._run(build_arguments(order), on_step)

    def evaluate(self, bundle: Path, data: Path) -> Evaluation:
        """Run all artifacts of a bundle over labelled data.

        Raises:
            ConverterError: The converter failed, or says something else than figures.
        """
        text = self._run(["evaluate", str(bundle), str(data), "--json"], lambda _: None)
        try:
            found = decode_json(_Evaluated, text, max_bytes=MAX_RESULT_BYTES)
        except FieldError as exc:
            raise ConverterError(f"driftline-convert evaluate printed no figures: {exc}") from exc
        accuracies = {name: figures.get("accuracy") for name, figures in found.artifacts.items()}
        return Evaluation(n=found.n, accuracies={name: a for name, a in accuracies.items() if a is not None})

    def _run(self, arguments: Sequence[str], on_step: OnStep) -> bytes:
        self._log_file.parent.mkdir(parents=True, exist_ok=True)
        with self._log_file.open("ab") as kept, tempfile.TemporaryFile() as out:
            child = process.start(
                [*self._command, *arguments], stdout=out, stderr=subprocess.PIPE, cwd=ROOT, nice=self._nice
            )
            with process.running(child):
                said = self._follow(child, kept, on_step)
            if child.returncode != 0:
                raise ConverterError(
                    f"driftline-convert {arguments[0]} ended with code {child.returncode}: "
                    f"{_last_words(said)} ({self._log_file} has the rest)"
                )
            out.seek(0)
            return out.read(MAX_RESULT_BYTES + 1)

    def _follow(self, child: subprocess.Popen[bytes], kept: IO[bytes], on_step: OnStep) -> deque[str]:
        """Read what the child says until it ends; its last lines are the answer."""
        deadline_s = self._clock.monotonic_s() + self._timeout_s
        said: deque[str] = deque(maxlen=_LAST_LINES)
        rest = b""
        with selectors.DefaultSelector() as selector:
            stderr = child.stderr
            if stderr is None:
                raise RuntimeError("the child was started without a pipe for stderr")
            selector.register(stderr, selectors.EVENT_READ)
            while selector.select(_POLL_S) or child.poll() is None:  # a grandchild may keep the pipe open for longer
                if self._clock.monotonic_s() > deadline_s:
                    raise ConverterError(f"the converter has not ended within {self._timeout_s:g} s and was stopped")
                if not selector.select(0):
                    continue
                data = os.read(stderr.fileno(), _READ_BYTES)
                if not data:
                    break
                kept.write(data)
                kept.flush()
                *lines, rest = (rest + data).split(b"\n")
                self._take(lines, said, on_step)
        self._take([rest], said, on_step)
        try:
            child.wait(max(deadline_s - self._clock.monotonic_s(), 1.0))
        except subprocess.TimeoutExpired as exc:
            raise ConverterError("the converter has closed its output and does not end; it was stopped") from exc
        return said

    @staticmethod
    def _take(lines: Sequence[bytes], said: deque[str], on_step: OnStep) -> None:
        for line in lines:
            text = line.decode(errors="replace").strip()
            said.append(text)
            step = _step(text)
            if step:
                on_step(step)


def build_arguments(order: BuildOrder) -> list[str]:
    """The command line of one build."""
    arguments = ["build", order.recipe, "-o", str(order.output), "--progress", "json"]
    arguments += ["--parent", str(order.parent), "--serial", str(order.serial), "--version", order.version]
    arguments += [f"--answers={request}" for request in order.answers]  # a device chooses its id, maybe --blind
    optional = (
        ("--evidence", order.evidence),
        ("--samples", order.samples),
        ("--unlabelled", order.unlabelled),
        ("--init", order.init),
        ("--keep-model", order.keep_model),
    )
    for flag, path in optional:
        arguments += [flag, str(path)] if path is not None else []
    return [*arguments, "--blind"] if order.is_blind else arguments


def _step(line: str) -> str:
    """What a progress line says, such as ``train 3/12 loss 0.21``; empty for any other line."""
    if not line.startswith("{"):
        return ""
    try:
        found = decode_json(_Progress, line.encode(), max_bytes=MAX_RESULT_BYTES)
    except FieldError:
        return ""
    return f"{found.stage} {found.done}/{found.total} {found.detail}".strip()[:200]


def _last_words(said: Sequence[str]) -> str:
    words = [line for line in said if line and not line.startswith("{")]
    return words[-1].removeprefix("driftline-convert: error: ") if words else "it said nothing"
