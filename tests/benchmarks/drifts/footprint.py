"""What drift detection weighs: microseconds, memory, and bytes that are stored and sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

import numpy as np

from agent.core.records import ActiveRecord, Now
from agent.core.reports import Voice
from agent.worker.pipeline import PipelineResult
from agent.worker.window import WindowCounter
from edge_models.fields import encode
from edge_models.wire.codec import encode_message
from tests.benchmarks.conversion.place import ROOT
from tests.benchmarks.drifts.camera import Camera
from tests.benchmarks.drifts.images import Pictures
from tests.benchmarks.drifts.ours import Device
from tests.benchmarks.drifts.peering import ONE_THREAD
from tests.benchmarks.drifts.shifts import UNSEEN
from tests.benchmarks.drifts.watched import ARTIFACT
from tests.benchmarks.harness import Row, Target

FRAMES, HELD = 6000, 10
REPEATS = 3
WINDOW = 200


def footprint(known: Pictures, folder: Path) -> tuple[list[Row], list[Target]]:
    """All of it, on the pictures' bundle."""
    rng = np.random.default_rng(61)
    frames = Camera().seen(known.scenes.x[rng.integers(0, len(known.scenes.x), FRAMES)], rng)
    np.save(folder / "independent.npy", frames)
    np.save(folder / "held.npy", frames[: FRAMES // HELD])
    directory = known.watcher.bundle.directory
    bare, independent, held = (
        [_measured(directory, folder / name, what, each) for _ in range(REPEATS)]
        for name, what, each in (
            ("independent.npy", "bare", 1),
            ("independent.npy", "watched", 1),
            ("held.npy", "watched", HELD),
        )
    )
    grown = median(one["rss_mb"] for one in independent) - median(one["rss_mb"] for one in bare)
    per_frame, per_effective = (min(one["mean_us"] for one in some) for some in (held, independent))
    profile, state, policy, stats = _sizes(known)
    row = Row(
        name="weight: our trigger, signals included",
        values={
            "CPU us": round(per_effective, 1),
            "CPU us, thinned": round(per_frame, 1),
            "thin": held[0]["thin"],
            "RSS MB": round(grown, 1),
            "profile bytes": profile,
            "state bytes": state,
            "policy bytes": policy,
            "stats bytes": stats,
        },
    )
    return [row], [
        Target(name="CPU us a frame, amortised", value=per_frame, op="<=", target=100),
        Target(name="CPU us an effective sample", value=per_effective, op="<=", target=200),
        Target(name="RSS of drift, MB", value=grown, op="<=", target=15),
        Target(name="profile, bytes", value=profile, op="<=", target=12 * 1024),
        Target(name="state of trigger and policy, bytes", value=state + policy, op="<=", target=4 * 1024),
        Target(name="stats row, bytes", value=stats, op="<=", target=2 * 1024),
    ]


def _measured(directory: Path, frames: Path, what: str, each: int) -> dict[str, float]:
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks.drifts.resident"),
            *(str(directory), ARTIFACT, str(frames), what, str(each)),
        ],
        cwd=ROOT,
        env=os.environ | ONE_THREAD,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _sizes(known: Pictures) -> tuple[int, int, int, int]:
    """Bytes of the profile, of the trigger's and the policy's state amid an episode, and of a row of ``stats``."""
    bundle, profile = known.watcher.bundle, known.watcher.profile
    file = bundle.artifact(ARTIFACT).profile
    assert file is not None
    device = Device(profile=profile, rate_hz=1.0)
    rng = np.random.default_rng(62)
    device.take(known.null[rng.integers(0, len(known.null), 2500)])
    device.take(known.shifted[UNSEEN[3].name][rng.integers(0, 2000, 2500)])
    state = len(dict(device.trigger.unsaved(at_once=True))["trigger"])
    policy = len(json.dumps(encode(device.policy.kept(None))).encode())
    return len(bundle.read(file)), state, policy, _stats_bytes(known)


def _stats_bytes(known: Pictures) -> int:
    window = WindowCounter(size=WINDOW, profile=known.watcher.profile)
    found = None
    for row in range(WINDOW):
        result = PipelineResult(
            predicted=int(known.null.predicted[row]), confidence=0.9, margin=0.8, signals=known.null.values[row]
        )
        found = window.add(row, result, float(row)) or found
    assert found is not None
    voice = Voice(device="camera-0001", boot=12, started_s=0.0)
    now = Now(monotonic_s=1000.0, utc_s=1.8e9)
    active = ActiveRecord(bundle=known.watcher.bundle.id, artifact=ARTIFACT, serial=1)
    return len(encode_message(voice.stats(now, active, found, {"out_of_range": 3}).message))
