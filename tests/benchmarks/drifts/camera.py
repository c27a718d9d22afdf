"""The camera of the benchmark: what varies although nothing is wrong, scenes that stay a while, and days with nights.

Every picture that any part sees has gone through it, those that the net learnt from and the reference included: up to
a pixel of play, gain +-8 %, offset +-.02 and sensor noise of .03, all of the range 0..1. What is no drift on a real
site is thereby none here, and what a shift adds has to show above it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.drifts.shifts import Images

Frames = NDArray[np.uint8]
Rng = np.random.Generator

GAIN_STD, OFFSET_STD, NOISE_STD, PLAY_PX = 0.08, 0.02, 0.03, 1
FULL = np.float32(255)
HELD_FRAMES = 10.0  # a scene stays so long on average, geometrically distributed
LIGHT_MEMORY = 0.98  # AR(1) of the gain from frame to frame: half of it is left after 34 frames
NIGHT_GAIN = 0.45  # of the light at noon, at midnight


def unchanged(x: Images, _rng: Rng) -> Images:
    """Nothing happens."""
    return x


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Camera:
    """Pictures 0..1 (n, height, width) to frames of bytes."""

    happens: Callable[[Images, Rng], Images] = unchanged

    def seen(self, scenes: Frames, rng: Rng, light: NDArray[np.float32] | None = None) -> Frames:
        """Frames of scenes (n, height, width).

        Args:
            scenes: As the data set has them.
            rng: For play, light, offset and noise.
            light: Gain of each frame; independent ones if left out.
        """
        n = len(scenes)
        x = self.happens(_played(scenes.astype(np.float32) / FULL, rng), rng)
        gain = rng.normal(1, GAIN_STD, n).astype(np.float32) if light is None else light
        offset = rng.normal(0, OFFSET_STD, n).astype(np.float32)
        noise = rng.standard_normal(x.shape, np.float32) * np.float32(NOISE_STD)
        lit = x * gain[:, None, None] + offset[:, None, None] + noise
        return np.rint(np.clip(lit, 0, 1) * FULL).astype(np.uint8)


def _played(x: Images, rng: Rng) -> Images:
    """Each picture moved by up to a pixel; what comes in from outside is black."""
    padded = np.pad(x, ((0, 0), (PLAY_PX, PLAY_PX), (PLAY_PX, PLAY_PX)))
    n, height, width = x.shape
    top, left = rng.integers(0, 2 * PLAY_PX + 1, (2, n))
    rows, columns = np.arange(height), np.arange(width)
    moved: Images = padded[
        np.arange(n)[:, None, None], top[:, None, None] + rows[:, None], left[:, None, None] + columns
    ]
    return moved


def ramp(happens: Callable[[Images, Rng], Images], shares: NDArray[np.float32]) -> Callable[[Images, Rng], Images]:
    """What happens, mixed into each frame by its share 0..1."""

    def change(x: Images, rng: Rng) -> Images:
        share = shares[:, None, None]
        return x + share * (happens(x, rng) - x)

    return change


def held_scenes(scenes: int, frames: int, rng: Rng) -> NDArray[np.intp]:
    """Which scene each frame shows: each stays for about ten frames."""
    is_new = rng.random(frames) < 1 / HELD_FRAMES
    return rng.integers(0, scenes, frames)[np.maximum.accumulate(np.where(is_new, np.arange(frames), 0))]


def slow_light(frames: int, rng: Rng) -> NDArray[np.float32]:
    """Gains of an AR(1) process with the same distribution as the independent ones."""
    from scipy.signal import lfilter

    innovation = rng.normal(0, GAIN_STD * np.sqrt(1 - LIGHT_MEMORY**2), frames)
    innovation[0] = rng.normal(0, GAIN_STD)
    return np.asarray(1 + lfilter([1.0], [1.0, -LIGHT_MEMORY], innovation), np.float32)


def daylight(hours: NDArray[np.float64], twilight_h: float) -> NDArray[np.float32]:
    """Gain by the hour of the day: dawn about 6 and dusk about 18, each ``twilight_h`` hours long.

    Examples:
        >>> daylight(np.array([0.0, 6.0, 12.0, 18.0]), 1.0).round(3).tolist()
        [0.45, 0.725, 1.0, 0.725]
    """
    from_midnight = np.abs((hours + 12) % 24 - 12)
    day = np.clip((from_midnight - 6) / twilight_h + 0.5, 0, 1)
    return np.asarray(NIGHT_GAIN + (1 - NIGHT_GAIN) * day, np.float32)


@functools.cache
def light_levels(count: int) -> NDArray[np.float32]:
    """``count`` gains, each for an equal share of the time."""
    from scipy.stats import norm

    return np.asarray(1 + GAIN_STD * norm.ppf((np.arange(count) + 0.5) / count), np.float32)
