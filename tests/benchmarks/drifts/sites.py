"""A device on its site, trigger and policy together: a million frames of scenes that stay, a week with its nights."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.drifts.camera import Camera, daylight, held_scenes, light_levels, slow_light
from tests.benchmarks.drifts.cases import Pool
from tests.benchmarks.drifts.images import Pictures
from tests.benchmarks.drifts.ours import Device
from tests.benchmarks.harness import Row, Target, Value

STILL_FRAMES = 1_000_000
SCENES, LEVELS, TAKES = 4000, 10, 2
DAYS, EVERY_S = 7, 10.0
TWILIGHTS_H = (0.7, 2.0)  # civil twilight up to 55 degrees of latitude, which the targets are of; and one far north
CHUNK = 20_000
NIGHT = "night"


def sites(known: Pictures, told: Callable[[int, int], None]) -> tuple[list[Row], list[Target]]:
    """All of them."""
    rows, targets = [], []
    started = time.process_time()
    device = still(known, told)
    rows.append(_row(f"{STILL_FRAMES} frames, scenes held, light that wanders", device, started))
    targets.append(
        Target(name="requests in 1 million autocorrelated frames", value=len(device.requests), op="==", target=0)
    )
    for what, answer in (
        ("nobody answers", None),
        ("the first request is called benign", Device.call_benign),
        ("the first night is learnt as a context", Device.rebaseline),
    ):
        counted = []
        for twilight_h in TWILIGHTS_H:
            started = time.process_time()
            device = Device(profile=known.watcher.profile, rate_hz=1 / EVERY_S)
            asked = _lived(device, week(known, twilight_h), answer)
            counted.append(len(device.requests) - (0 if answer is None else asked))
            rows.append(_row(f"{DAYS} days, twilights of {twilight_h} h, {what}", device, started))
        name = f"requests in {DAYS} days with nights, {what}"
        if answer is None:
            targets.append(Target(name=name, value=counted[0], op="<=", target=1))
        else:
            targets.append(Target(name=f"{name}: after that", value=counted[0], op="==", target=0))
    return rows, targets


def still(known: Pictures, told: Callable[[int, int], None]) -> Device:
    """The scene of the reference, frame after frame at one a second."""
    rng = np.random.default_rng(41)
    scenes = rng.choice(len(known.scenes.x), SCENES, replace=False)
    levels = light_levels(LEVELS)
    shown = np.repeat(scenes, LEVELS * TAKES)
    light = np.tile(np.repeat(levels, TAKES), SCENES)
    pool = known.watcher.frames(Camera().seen(known.scenes.x[shown], rng, light), known.scenes.y[shown])
    scene = held_scenes(SCENES, STILL_FRAMES, rng)
    bounds = (levels[1:] + levels[:-1]) / 2
    level = np.searchsorted(bounds, slow_light(STILL_FRAMES, rng))
    rows = (scene * LEVELS + level) * TAKES + rng.integers(0, TAKES, STILL_FRAMES)
    device = Device(profile=known.watcher.profile, rate_hz=1.0)
    for start in range(0, STILL_FRAMES, CHUNK):
        device.take(pool[rows[start : start + CHUNK]])
        told(start, STILL_FRAMES)
    return device


def week(known: Pictures, twilight_h: float) -> Pool:
    """Seven days from noon on, another scene in each frame, in the light of the hour."""
    rng = np.random.default_rng(42)
    frames = int(DAYS * 86_400 / EVERY_S)
    hours: NDArray[np.float64] = (12 + np.arange(frames) * EVERY_S / 3600) % 24
    light = daylight(hours, twilight_h) * slow_light(frames, rng)
    shown = rng.integers(0, len(known.scenes.x), frames)
    return known.watcher.frames(Camera().seen(known.scenes.x[shown], rng, light), known.scenes.y[shown])


def _lived(device: Device, pool: Pool, answer: Callable[[Device, str], None] | None) -> int:
    """Live through it; what the operator says comes with the first request. Requests up to then."""
    for start in range(0, len(pool), 200):
        device.take(pool[slice(start, start + 200)])
        if answer is not None and device.requests:
            answer(device, NIGHT)
            device.take(pool[slice(start + 200, None)])
            return 1
    return len(device.requests)


def _row(name: str, device: Device, started: float) -> Row:
    hour = 3600 * device.rate_hz
    asked: Value = ", ".join(f"{frame / hour:.0f}" for frame in device.requests) or "none"
    return Row(
        name=name,
        values={
            "thin": device.trigger.thin,
            "alarms": len(device.alarms),
            "verdicts": len(device.verdicts),
            "requests": len(device.requests),
            "asked after hours": asked,
            "CPU s": round(time.process_time() - started, 1),
        },
    )
