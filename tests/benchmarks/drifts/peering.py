"""Starts the peers in their own environment over the same streams, and reads what they say."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deploy.bootstrap import BootstrapError, prepare
from tests.benchmarks.conversion.place import ROOT
from tests.benchmarks.drifts.cases import Case, Stream
from tests.benchmarks.drifts.race import Outcome
from tests.benchmarks.harness import Row
from tests.runner.steps import PEERS_DRIFT

PEERS = (
    "alibi-detect MMD online, ERT 500",
    "alibi-detect CVM online, ERT 200, 4 signals",
    "Frouros MMD, calibrated on the reference",
    "Frouros incremental KS on one signal",
)
TIMEOUT_S = 300.0
MOST_AFTER = 2000
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def peers(cases: Sequence[Case], seed: int, folder: Path) -> tuple[list[Outcome], list[Row], list[str]]:
    """One stream of each case through every peer.

    Returns:
        What they made of the streams, what they cost to set up, and why they are missing where they are.
    """
    streams = [next(case.streams(1, seed)) for case in cases]
    try:
        prepare(PEERS_DRIFT)
    except BootstrapError as exc:
        return [], [], [f"SKIPPED: alibi-detect and Frouros were not run: {' '.join(str(exc).split())}"]
    np.savez(folder / "reference.npz", values=cases[0].reference.values)
    for number, stream in enumerate(streams):
        values = stream.pool.values[: stream.change + MOST_AFTER]
        change = len(values) if stream.case.scenario == "none" else stream.change
        np.savez(folder / f"{number:03}.npz", values=values, change=change)
    outcomes: list[Outcome] = []
    rows: list[Row] = []
    notes: list[str] = []
    for name in PEERS:
        try:
            lines = list(_run(folder, name))
        except (RuntimeError, subprocess.TimeoutExpired) as exc:
            notes.append(f"SKIPPED: {name}: {exc}")
            continue
        outcomes += [_outcome(name, line, streams) for line in lines if "stream" in line]
        costs = {key: value for line in lines if "stream" not in line for key, value in line.items()}
        weight = {"setup CPU s": round(costs["setup_s"], 1), "peak RSS MB": round(costs["peak_mb"])}
        rows.append(Row(name=f"weight: {name}", values=weight | {"state bytes": costs["state_bytes"]}))
    return outcomes, rows, notes


def _run(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    answer = subprocess.run(
        [str(PEERS_DRIFT.python), "-W", "ignore", "tests/benchmarks/drifts/peers.py", str(folder), name],
        cwd=ROOT,
        env=os.environ | ONE_THREAD,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if answer.returncode:
        raise RuntimeError((answer.stderr.strip().splitlines() or [f"exit code {answer.returncode}"])[-1])
    for line in answer.stdout.splitlines():
        if line.startswith("{"):
            yield json.loads(line)


def _outcome(name: str, line: dict[str, Any], streams: Sequence[Stream]) -> Outcome:
    stream = streams[int(line["stream"])]
    delay = line["delay"]
    return Outcome(
        contestant=name,
        case=stream.case.name,
        group=stream.case.group,
        delay=None if delay is None else int(delay),
        false=int(line["false"]),
        before=min(int(line["before"]), int(line["frames"])),
        frames=int(line["frames"]),
        cpu_s=line["cpu_s"],
    )
