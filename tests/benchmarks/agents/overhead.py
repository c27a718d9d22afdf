"""What the agent adds to a bare call of the interpreter, frame by frame, interleaved in one process.

``python -m tests.benchmarks.agents.overhead FOLDER`` prints one JSON object; ``overheads`` runs it, so that nothing
else is loaded. Bare: the quantised input into the interpreter, invoke, the output copied out. Pipeline: preprocessing,
quantisation, the engine, the drift signals. Worker: the whole stream, with its detectors, windows and verdicts.
CPU time of the thread, because other programs on the machine only add; means, because what is done now and then counts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.config import DriftConfig
from agent.worker.opened_model import OpenedModel, open_model
from agent.worker.pipeline import open_pipeline
from agent.worker.sources.port import Frame
from agent.worker.stream import open_stream
from edge_models.engines.port import Engine
from edge_models.preprocess import Preprocessor
from edge_models.quantize import quantize
from tests.benchmarks.harness import Row, Target
from tests.factories.bundles import INT8, make_bundle
from tests.factories.frames import digit_frames

ROOT = Path(__file__).parents[3]
FRAMES, WARM_UP = 6000, 1000
HOLDS = {"independent frames": 1, "frames in tens": 10}  # how many frames in a row are of one scene
FRAME_US = 150.0
DRIFT_US = {"independent frames": 200.0, "frames in tens": 100.0}  # for an effective sample, and amortised
REPEATS = 3
Part = tuple[list[Row], list[Target]]


def overheads() -> Part:
    """The quickest of some processes."""
    rows, targets = [], []
    with tempfile.TemporaryDirectory(prefix="driftline-") as folder:
        make_bundle(Path(folder) / "bundle")
        runs = [_in_process(folder) for _ in range(REPEATS)]
    for name in HOLDS:
        best = min((run[name] for run in runs), key=lambda each: each["worker_us"] - each["bare_us"])
        added = best["worker_us"] - best["bare_us"]
        rows.append(Row(name=name, values={**best, "added_us": round(added, 1)}))
        within = FRAME_US + DRIFT_US[name]
        targets.append(
            Target(name=f"added to a bare call in us, {name}", value=round(added, 1), op="<=", target=within)
        )
        added = best["pipeline_us"] - best["signals_us"] - best["bare_us"]
        targets.append(Target(name=f"the same without drift, {name}", value=round(added, 1), op="<=", target=FRAME_US))
    return rows, targets


def _in_process(folder: str) -> dict[str, dict[str, float]]:
    program = [sys.executable, "-m", "tests.benchmarks.agents.overhead", folder]
    done = subprocess.run(program, cwd=ROOT, check=True, capture_output=True)
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def _measured(bundle: Path, hold: int) -> dict[str, float]:
    model = open_model(bundle, INT8, stream=True)
    bare = _bare(model, bundle)
    pipeline = open_pipeline(model.bundle, INT8, model.engine, time.thread_time_ns, profile=model.profile)
    stream = open_stream(model, DriftConfig(), time.thread_time_ns, rate_hz=10.0)
    frames = digit_frames(WARM_UP + FRAMES)[0]
    spent_ns = np.zeros(3)
    signals_us = 0.0
    for at in range(WARM_UP + FRAMES):
        if at == WARM_UP:
            spent_ns[:] = signals_us = 0.0
        x = frames[at - at % hold]
        moments = [time.thread_time_ns()]
        bare(x)
        moments.append(time.thread_time_ns())
        result = pipeline.run(x)
        moments.append(time.thread_time_ns())
        stream.step(Frame(x=x, position=at), at / 10.0)
        moments.append(time.thread_time_ns())
        spent_ns += np.diff(moments)
        signals_us += 0.0 if result is None else result.times.signals_us
    model.engine.close()
    names = ("bare_us", "pipeline_us", "worker_us")
    means = {name: round(float(ns) / FRAMES / 1000, 1) for name, ns in zip(names, spent_ns, strict=True)}
    return {**means, "signals_us": round(signals_us / FRAMES, 1)}


def _bare(model: OpenedModel, bundle: Path) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """An interpreter of its own, its input prepared outside of what is measured."""
    from ai_edge_litert.interpreter import Interpreter

    artifact = model.bundle.artifact(INT8)
    interpreter = Interpreter(model_path=str(bundle / artifact.file), num_threads=1)
    interpreter.allocate_tensors()
    (given,), (answer,) = interpreter.get_input_details(), interpreter.get_output_details()
    engine: Engine = model.engine
    spec = model.bundle.manifest.input
    codes = quantize(Preprocessor(spec).batch(digit_frames(1)[0])[0], engine.input).reshape(given["shape"])

    def call(_: NDArray[Any]) -> NDArray[Any]:
        interpreter.set_tensor(given["index"], codes)
        interpreter.invoke()
        found: NDArray[Any] = interpreter.get_tensor(answer["index"])
        return found

    return call


if __name__ == "__main__":
    print(json.dumps({name: _measured(Path(sys.argv[1]) / "bundle", hold) for name, hold in HOLDS.items()}))
