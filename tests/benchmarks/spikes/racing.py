"""Our executors against other tools: the race in their environment, and the comparisons that were asked for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from converter.spiking.collapsed import collapsed_graph
from deploy.bootstrap import BootstrapError, prepare
from edge_models.spiking.archive import to_npz
from tests.benchmarks.conversion.place import ROOT
from tests.benchmarks.harness import Row, Target, Value
from tests.benchmarks.spikes.nets import IF_STEPS, INT8, Nets
from tests.benchmarks.spikes.race import Kind, Timed
from tests.runner.steps import PEERS

FRAMES = 50
TIMEOUT_S = 900.0
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def raced(nets: Nets, folder: Path) -> tuple[list[Row], list[Target], list[str]]:
    """A line for each contestant, the targets, and what could not be measured.

    Args:
        nets: Of the benchmark; the net of 4 levels races.
        folder: For files, empty.
    """
    _write(nets, folder)
    notes: list[str] = []
    try:
        prepare(PEERS)
        found = _run([str(PEERS.python), "-W", "ignore"], folder)
    except (BootstrapError, RuntimeError) as exc:
        reason = " ".join(str(exc).split())
        notes.append(f"SKIPPED: the targets against other tools were not measured, only our own times: {reason}")
        found = _run([sys.executable], folder, "--ours")
    return [_row(one) for one in found], list(compared(found)), notes


def _write(nets: Nets, folder: Path) -> None:
    network = nets.tuned(IF_STEPS).network
    graded = nets.integers(network, "atf", IF_STEPS)
    (folder / "if.npz").write_bytes(to_npz(nets.integers(network, "if", IF_STEPS)))
    (folder / "atf.npz").write_bytes(to_npz(graded))
    (folder / "collapsed.tflite").write_bytes(collapsed_graph(graded))
    (folder / "int8.tflite").write_bytes(nets.bundle.read(nets.bundle.artifact(INT8).file))
    np.save(folder / "frames.npy", nets.test[0][:FRAMES])


def _run(command: Sequence[str], folder: Path, *more: str) -> list[Timed]:
    answer = subprocess.run(
        [*command, "-m", "tests.benchmarks.spikes.race", str(folder), *more],
        cwd=ROOT,
        env=os.environ | ONE_THREAD,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1]
        raise RuntimeError(f"the race ended with: {last}")
    return [Timed(**json.loads(line)) for line in answer.stdout.splitlines() if line.startswith("{")]


def _row(one: Timed) -> Row:
    values: dict[str, Value] = {
        "CPU us": round(one.median_us, 1),
        "first decile us": round(one.low_us, 1),
        "worst logit": None if one.worst is None else round(one.worst, 3),
        "same class": one.agreement,
    }
    return Row(name=one.name, values=values)


def compared(found: Sequence[Timed]) -> Iterator[Target]:
    """What was asked for; without other tools only that our executors agree."""
    ours = [one for one in found if one.name.startswith("ours")]
    exact = max(one.worst or 0.0 for one in ours)
    yield Target(name="our executors: worst logit against numpy", value=exact, op="==", target=0)
    libraries = _of("library", found)
    if not libraries:
        return
    stepwise, numpy_steps = (
        next(one for one in ours if one.name.startswith(f"ours, {kind}, 4")) for kind in ("C", "numpy")
    )
    collapsed = _of("collapsed", found)[0]
    torch = min(_of("torch", found), key=lambda one: one.median_us)
    quickest = min(libraries, key=lambda one: one.median_us)
    yield _times_faster(stepwise, torch, 2.5)
    for library in libraries:
        yield _times_faster(stepwise, library, 5.0)
    yield _times_faster(collapsed, torch, 10.0)
    yield _times_faster(numpy_steps, quickest, 1.0)


def _of(kind: Kind, found: Sequence[Timed]) -> list[Timed]:
    return [one for one in found if one.kind == kind]


def _times_faster(ours: Timed, other: Timed, wanted: float) -> Target:
    factor = round(other.median_us / ours.median_us, 2)
    return Target(name=f"{ours.name}: times faster than {other.name}", value=factor, op=">=", target=wanted)
