"""Prints what watching costs a worker: resident memory in MB and CPU microseconds of a frame.

    python -m tests.benchmarks.drifts.resident BUNDLE ARTIFACT FRAMES.npy bare|watched THIN

Frames repeat THIN times each, so that the trigger measures a correlation and thins accordingly; 1 for independent ones.
``bare`` runs the pipeline alone and imports nothing of drift.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

WARM_UP = 2600  # until the correlation is measured, and estimated anew no more


def main(directory: str, artifact: str, frames_file: str, what: str, thin: str) -> None:
    """Run, then print."""
    import numpy as np

    frames, each = np.load(frames_file), int(thin)
    figures = _bare(directory, artifact, frames) if what == "bare" else _watched(directory, artifact, frames, each)
    with open("/proc/self/status", encoding="utf-8") as status:  # noqa: PTH123 - pathlib would be counted
        figures["rss_mb"] = next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
    print(json.dumps(figures))


def _bare(directory: str, artifact: str, frames: object) -> dict[str, float]:
    from agent.worker.pipeline import open_pipeline
    from edge_models.bundle import open_bundle
    from edge_models.engines import open_engine

    bundle = open_bundle(Path(directory))
    engine = open_engine(bundle, artifact)
    pipeline = open_pipeline(bundle, artifact, engine, time.perf_counter_ns)
    for frame in frames:  # type: ignore[attr-defined]
        pipeline.run(frame)
    return {}


def _watched(directory: str, artifact: str, frames: object, each: int) -> dict[str, float]:
    from agent.config import DriftConfig
    from agent.worker.opened_model import open_model
    from agent.worker.sources.port import Frame
    from agent.worker.stream import open_stream

    model = open_model(Path(directory), artifact)
    stream = open_stream(model, DriftConfig(), time.process_time_ns, rate_hz=1.0)
    spent: list[float] = []
    position = 0
    for frame in frames:  # type: ignore[attr-defined]
        for repeat in range(each):
            shown = frame.copy()
            shown.reshape(-1)[repeat % shown.size] ^= 1  # a sensor never gives the very same frame twice
            outcome = stream.step(Frame(x=shown, position=position, label=None), float(position))
            position += 1
            if outcome is not None and position > WARM_UP:
                spent.append(outcome.drift_us)
    assert stream.trigger is not None
    return {"mean_us": sum(spent) / len(spent), "thin": stream.trigger.thin}


if __name__ == "__main__":
    main(*sys.argv[1:])
