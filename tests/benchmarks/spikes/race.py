"""Times other tools and our executors in turns, in one process and one thread; runs where extra ``peers`` is.

    python -m tests.benchmarks.spikes.race FOLDER [--ours]

FOLDER holds if.npz and atf.npz, the same integers in two codings, collapsed.tflite of the latter, int8.tflite of the
net that they come from, and frames.npy, centred codes int32 (n, height, width, channels). Prints a JSON line for each
contestant. Turns go round in an order that is drawn anew for each round, so that whatever else the machine does hits
all alike; times are CPU time.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge_models.engines.tflite import TfliteModel
from edge_models.spiking.archive import from_npz
from edge_models.spiking.collapsed import Collapsed
from edge_models.spiking.executor import Executor
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.reference import Reference

ROUNDS = 40
TURN = 5
"""Frames in a turn; the first one warms the caches up and is not counted."""
Kind = Literal["torch", "compiled", "library", "numpy", "c", "collapsed", "ann"]
Run = Callable[[NDArray[np.int32]], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contestant:
    """Who takes part.

    Attributes:
        name: For the table.
        kind: What it is compared as.
        run: One frame.
        worst: Largest difference of a logit from the numpy reference, in units of the accumulator; None where it
            computes another function on purpose.
        agreement: Share of frames with the reference's class; None for the same reason.
    """

    name: str
    kind: Kind
    run: Run
    worst: float | None = None
    agreement: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Timed:
    """A contestant's result; times of one frame."""

    name: str
    kind: Kind
    median_us: float
    low_us: float
    """The first decile."""
    worst: float | None
    agreement: float | None


def main(folder: Path, *, only_ours: bool) -> None:
    """Race, and print the results."""
    frames = np.load(folder / "frames.npy")
    contestants = [*_ours(folder, frames), *([] if only_ours else _peers(folder, frames))]
    times_ns: dict[str, list[int]] = {one.name: [] for one in contestants}
    rng = np.random.default_rng(0)
    for number in range(ROUNDS):
        for at in rng.permutation(len(contestants)):
            one = contestants[at]
            for frame in range(TURN):
                x = frames[(number * TURN + frame) % len(frames)]
                started_ns = time.process_time_ns()
                one.run(x)
                if frame:
                    times_ns[one.name].append(time.process_time_ns() - started_ns)
    for one in contestants:
        low, median = np.quantile(times_ns[one.name], [0.1, 0.5]) / 1000
        timed = Timed(
            name=one.name,
            kind=one.kind,
            median_us=float(median),
            low_us=float(low),
            worst=one.worst,
            agreement=one.agreement,
        )
        print(json.dumps(asdict(timed)), flush=True)


def _ours(folder: Path, frames: NDArray[np.int32]) -> Iterator[Contestant]:
    stepwise, graded = (from_npz((folder / f"{coding}.npz").read_bytes()) for coding in ("if", "atf"))
    reference, graded_reference = Reference(stepwise), Reference(graded)
    expected, graded_expected = reference.run_batch(frames)[0], graded_reference.run_batch(frames)[0]
    steps = stepwise.steps
    executors: tuple[tuple[str, Kind, Executor, NDArray[np.int32]], ...] = (
        (f"ours, C, {steps} steps", "c", Kernel(stepwise), expected),
        (f"ours, numpy, {steps} steps", "numpy", reference, expected),
        ("ours, C, graded counts", "c", Kernel(graded), graded_expected),
        ("ours, numpy, graded counts", "numpy", graded_reference, graded_expected),
        (
            "ours, collapsed TFLite",
            "collapsed",
            Collapsed(TfliteModel((folder / "collapsed.tflite").read_bytes())),
            graded_expected,
        ),
    )
    for name, kind, executor, wanted in executors:
        found = np.stack([executor.run(x).logits for x in frames]).astype(np.float64)
        yield _contestant(name, kind, executor.run, found, wanted)
    yield _int8(folder)


def _int8(folder: Path) -> Contestant:
    """The net itself in int8, which is no spiking network."""
    model = TfliteModel((folder / "int8.tflite").read_bytes())
    spec = model.input.spec
    codes = np.zeros(spec.shape, spec.dtype)

    def run(x: NDArray[np.int32]) -> object:
        codes[...] = (x - 128).reshape(codes.shape)
        return model.run(codes)

    return Contestant(name="int8 TFLite of the same net, no spikes", kind="ann", run=run)


def _peers(folder: Path, frames: NDArray[np.int32]) -> Iterator[Contestant]:
    import torch

    from tests.benchmarks.spikes.peers import peers_of

    torch.set_num_threads(1)
    network = from_npz((folder / "if.npz").read_bytes())
    expected = Reference(network).run_batch(frames)[0]
    for peer in peers_of(network):
        found = np.stack([peer.run(x) for x in frames])
        yield _contestant(peer.name, peer.kind, peer.run, found, expected)


def _contestant(name: str, kind: Kind, run: Run, found: NDArray[np.float64], expected: NDArray[np.int32]) -> Contestant:
    return Contestant(
        name=name,
        kind=kind,
        run=run,
        worst=float(np.abs(found - expected).max()),
        agreement=float((found.argmax(axis=1) == expected.argmax(axis=1)).mean()),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), only_ours="--ours" in sys.argv[2:])
