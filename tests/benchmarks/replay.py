"""How long the offline replay takes for a frame, stage by stage, and how its default detectors do.

Frames are jittered 8x8 digits, models the fixtures of tests/assets; so the times say what the pipeline around a model
costs, not what a large model costs.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from agent.worker.offline import replay
from agent.worker.replay_report import ReplayReport
from edge_models.bundle import Bundle
from tests.benchmarks.harness import Report, Row, Value
from tests.factories.bundles import FLOAT, INT8, make_bundle
from tests.factories.frames import Corruption, digit_frames, upside_down, winter_light, write_recording

CALM_FRAMES = 20_000
BEFORE, AFTER = 1000, 1000
DRIFTS: dict[str, Corruption | None] = {"calm": None, "winter light": winter_light, "upside down": upside_down}


def run() -> Report:
    """Replay a calm stream and two that drift."""
    with tempfile.TemporaryDirectory(prefix="driftline-") as folder:
        bundle = make_bundle(Path(folder) / "bundle", float_artifact=True)
        rows = [
            _row(Path(folder), bundle, artifact, name, corruption)
            for artifact in (INT8, FLOAT)
            for name, corruption in DRIFTS.items()
        ]
    notes = (
        "times are medians over all frames in microseconds; drift is signals, trigger, verdicts and window together",
        f"detected_after counts frames from the change at frame {BEFORE}; alarms before it are in alarms_before",
    )
    return Report(rows=rows, notes=notes)


def _row(folder: Path, bundle: Bundle, artifact: str, name: str, corruption: Corruption | None) -> Row:
    path = folder / "frames.npz"
    if corruption is None:
        write_recording(path, *digit_frames(CALM_FRAMES, seed=1))
    else:
        x0, y0 = digit_frames(BEFORE, seed=1)
        x1, y1 = digit_frames(AFTER, seed=2, corruption=corruption)
        write_recording(path, np.concatenate([x0, x1]), np.concatenate([y0, y1]))
    start_s = time.process_time()
    report = replay(bundle.directory, path, clock_ns=time.perf_counter_ns, artifact=artifact)
    cpu_s = time.process_time() - start_s
    return Row(name=f"{artifact}, {name}", values=_values(report, cpu_s, drifts=corruption is not None))


def _values(report: ReplayReport, cpu_s: float, *, drifts: bool) -> dict[str, Value]:
    change = BEFORE if drifts else len(report.predictions)
    found = [alarm.position for alarm in report.alarms if alarm.position >= change]
    return {
        "n": len(report.predictions),
        "preprocess_us": round(float(np.median(report.preprocess_us)), 1),
        "infer_us": round(float(np.median(report.infer_us)), 1),
        "drift_us": round(float(np.median(report.drift_us)), 1),
        "cpu_us_per_frame": round(cpu_s / len(report.predictions) * 1e6, 1),
        "alarms_before": sum(alarm.position < change for alarm in report.alarms),
        "detected_after": found[0] - change if found else None,
        "requests": len(report.requests),
    }
