"""Spiking networks on Fashion-MNIST: accuracy, speed beside other tools, streams, gating, memory and exactness.

The net is that of the recipe `fashion_spiking`; it and its spiking forms are learnt on the first run and kept. Other
tools run in an environment of their own, .venv-peers, which is made when it is missing (a minute, 1.4 GB); where it
cannot be made, the comparisons with them are left out and a note says so.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from converter.progress import progress_shown
from tests.benchmarks.conversion.place import CACHE, Place, open_place
from tests.benchmarks.harness import Report, Row, Target
from tests.benchmarks.spikes.accuracy import Accuracies
from tests.benchmarks.spikes.exactness import ACCEPTED, fixed_case, refusals
from tests.benchmarks.spikes.footprint import weighed
from tests.benchmarks.spikes.gated import gated
from tests.benchmarks.spikes.nets import Nets
from tests.benchmarks.spikes.racing import raced
from tests.benchmarks.spikes.streams import streamed

Part = tuple[list[Row], list[Target], list[str]]
NOTES = (
    "accuracy: rows 0-49,999 of the file to learn from, the others (duplicates left out) as test; of the integer nets",
    "minutes: wall time of the fine-tuning on the machine that made it, when it was made",
    "speed: one picture at a time, one thread, CPU time, all contestants in turns in one process; the net of 4 levels",
    "times faster: medians; collapsed and graded counts are one pass over counts, the others 4 steps of spikes",
    "worst logit: largest difference from our numpy reference of the same coding, in units of the accumulator",
    "torch.compile writes C++ and needs a compiler on the machine: shown, and not counted as plain torch",
    "norse resets to zero, so that it computes something else; snnTorch resets a step late, which may differ",
    "streams: mean CPU microseconds of a frame through the engines that devices use, codes given; medians of 6 plays",
    "gating: agent.worker over 400 static scenes of 10 s with sensor noise; preprocessing and drift detectors included",
    "gating: threshold 10, share 0.01, at most 40 frames held in a row",
    "early exit: the margin is chosen on the profile part, where it may cost 0.2 points, and measured on the test part",
)


def run() -> Report:
    """Learn what is not kept, then measure everything."""
    with progress_shown("auto") as progress, tempfile.TemporaryDirectory(prefix="driftline-") as folder:
        place = dataclasses.replace(open_place(progress), cache=CACHE.with_name("spiking"))
        rows: list[Row] = []
        targets: list[Target] = []
        notes = list(NOTES)
        for found in parts(place, Path(folder)):
            rows += found[0]
            targets += found[1]
            notes += found[2]
    return Report(rows=rows, targets=targets, notes=notes)


def parts(place: Place, folder: Path, overrides: tuple[str, ...] = ()) -> Iterator[Part]:
    """Each part when it is measured; the trainings come first, so that they disturb no timing.

    Args:
        place: Folders of this run.
        folder: For files of this run.
        overrides: Of the recipe, as for ``--set``.
    """
    started_s = time.monotonic()
    nets = Nets(place, overrides)
    bundle, (_, inputs, y) = nets.bundle, nets.test
    pictures: NDArray[np.uint8] = np.rint(inputs.reshape(len(inputs), 28, 28) * 255).astype(np.uint8)
    yield _joined(Accuracies(nets).rows())
    yield raced(nets, folder)
    yield _joined(streamed(bundle, pictures))
    yield _joined(gated(bundle, pictures, y, folder))
    rows, targets = weighed(bundle)
    yield rows, targets, []
    row, target = fixed_case()
    bad = list(refusals(bundle))
    accepted = sum(one.values["reason"] == ACCEPTED for one in bad)
    refused = Target(name="bad spiking files that are accepted", value=accepted, op="==", target=0)
    minutes = round((time.monotonic() - started_s) / 60, 1)
    yield [row, *bad, Row(name="all of it", values={"minutes": minutes})], [target, refused], []


def _joined(found: Iterator[tuple[Row, list[Target]]]) -> Part:
    rows, targets = [], []
    for row, wanted in found:
        rows.append(row)
        targets += wanted
    return rows, targets, []
