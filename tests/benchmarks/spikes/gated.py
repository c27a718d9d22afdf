"""What holding still frames saves: the worker's own code over a recording, with gating on and off."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.config import GatingConfig
from agent.worker.offline import replay
from edge_models.bundle import Bundle
from edge_models.npz import write_npz
from tests.benchmarks.harness import Row, Target
from tests.benchmarks.spikes.clips import HOLD, scenes
from tests.benchmarks.spikes.nets import INT8, SPIKING

SCENES = 400
FRAMES_EACH = 100
RATE_HZ = 10.0
GATING = GatingConfig(threshold=float(HOLD), share=0.01, max_held=40)


def gated(
    bundle: Bundle, pictures: NDArray[np.uint8], y: NDArray[np.int64], folder: Path
) -> Iterator[tuple[Row, list[Target]]]:
    """A line and the targets of each engine.

    Args:
        bundle: With the int8 and the spiking artifact.
        pictures: uint8 (n, 28, 28) of the test part, at least ``SCENES``.
        y: Their classes (n,).
        folder: For the recording.
    """
    path = folder / "scenes.npz"
    frames = scenes(pictures[:SCENES], FRAMES_EACH)
    path.write_bytes(write_npz({"x": frames, "y": np.repeat(y[:SCENES], FRAMES_EACH), "rate_hz": np.array(RATE_HZ)}))
    for name in (INT8, SPIKING):
        yield _line(bundle, path, name, len(frames))


def _line(bundle: Bundle, path: Path, artifact: str, frames: int) -> tuple[Row, list[Target]]:
    report = replay(
        bundle.directory,
        path,
        clock_ns=time.perf_counter_ns,
        cpu_ns=time.process_time_ns,
        artifact=artifact,
        gating=GATING,
    )
    ungated = report.ungated
    if ungated is None or report.accuracy is None or ungated.accuracy is None:
        raise RuntimeError("the replay compared nothing, expected labelled frames with gating on and off")
    factor = ungated.cpu_s_per_hour / report.cpu_s_per_hour
    lost = 100 * (ungated.accuracy - report.accuracy)
    row = Row(
        name=f"gating, {artifact}",
        values={
            "CPU s/h": round(report.cpu_s_per_hour, 2),
            "CPU s/h, off": round(ungated.cpu_s_per_hour, 2),
            "held %": round(100 * report.held / frames, 1),
            "accuracy %": round(100 * report.accuracy, 2),
            "accuracy %, off": round(100 * ungated.accuracy, 2),
            "n": frames,
        },
    )
    return row, [
        Target(
            name=f"gating, {artifact}: times less CPU on a static scene", value=round(factor, 2), op=">=", target=5.0
        ),
        Target(name=f"gating, {artifact}: points of accuracy lost", value=round(lost, 3), op="<=", target=0.5),
    ]
