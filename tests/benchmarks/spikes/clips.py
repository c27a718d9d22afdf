"""Streams of pictures as a fixed camera sees them, from pictures of the test part and a seed.

All are uint8 (frames, 28, 28): clothes on a dark ground, as the data have them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Frames = NDArray[np.uint8]

FRAMES = 300
NOISE = 4
"""Sensor noise: every pixel is off by up to so many codes, anew in each frame."""
HOLD = 10
"""Send-on-delta for noisy clips: a pixel is held until it differs by so many codes."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Clip:
    """A stream.

    Attributes:
        name: For the table.
        frames: uint8 (n, height, width).
        hold: Send-on-delta threshold of the engine; 0 is exact.
        faster: How many times faster than the fastest other executor delta is asked to be; None is not asked.
        is_hopeless: Whether so much changes in every frame that delta has to be given up.
    """

    name: str
    frames: Frames
    hold: int = 0
    faster: float | None = None
    is_hopeless: bool = False


def clips(pictures: NDArray[np.uint8], seed: int = 0) -> tuple[Clip, ...]:
    """The clips that delta execution is measured on.

    Args:
        pictures: uint8 (n, 28, 28), at least 10.
        seed: Of the noise.
    """
    rng = np.random.default_rng(seed)
    still = np.repeat(pictures[:1], FRAMES, axis=0)
    slow = _moved(pictures[0], lambda frame: frame // 3)
    every = _moved(pictures[0], lambda frame: frame)
    panned = _panned(pictures[:10])
    return (
        Clip(name="static scene", frames=still, faster=5.0),
        Clip(name="slow motion, 1 px every 3 frames", frames=slow, faster=2.0),
        Clip(name="motion, 1 px every frame", frames=every),
        Clip(name="full motion, all pixels", frames=panned, is_hopeless=True),
        Clip(name=f"static scene, noise {NOISE}, hold {HOLD}", frames=noisy(still, rng), hold=HOLD),
        Clip(name=f"slow motion, noise {NOISE}, hold {HOLD}", frames=noisy(slow, rng), hold=HOLD),
        Clip(name=f"static scene, noise {NOISE}, exact", frames=noisy(still, rng), is_hopeless=True),
    )


def scenes(pictures: NDArray[np.uint8], frames_each: int, seed: int = 0) -> Frames:
    """Static scenes with sensor noise: a picture after the other, each for so many frames."""
    return noisy(np.repeat(pictures, frames_each, axis=0), np.random.default_rng(seed))


def noisy(frames: Frames, rng: np.random.Generator) -> Frames:
    """With ``NOISE`` on every pixel of every frame."""
    noise = rng.integers(-NOISE, NOISE + 1, frames.shape)
    seen: Frames = np.clip(frames + noise, 0, 255).astype(np.uint8)
    return seen


def _moved(picture: Picture, at: Callable[[int], int]) -> Frames:
    """The picture goes to the right and back, by ``at(frame)`` pixels on its way; what it leaves is dark."""
    reach = 6
    frames = np.zeros((FRAMES, *picture.shape), np.uint8)
    for frame in range(FRAMES):
        shift = reach - abs(at(frame) % (2 * reach) - reach) - reach // 2  # -3 .. 3 and back
        target = frames[frame]
        if shift >= 0:
            target[:, shift:] = picture[:, : picture.shape[1] - shift]
        else:
            target[:, :shift] = picture[:, -shift:]
    return frames


def _panned(pictures: NDArray[np.uint8]) -> Frames:
    """A camera that turns along a row of pictures, on a ground that is nowhere dark."""
    row = np.maximum(np.concatenate(list(pictures), axis=1), 40)
    height, width = pictures.shape[1:]
    row = row + (np.arange(row.shape[1]) % 16).astype(np.uint8)[np.newaxis] * (row < 200)
    starts = np.arange(FRAMES) % (row.shape[1] - width)
    frames: Frames = np.stack([row[:height, start : start + width] for start in starts]).astype(np.uint8)
    return frames
