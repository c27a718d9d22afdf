"""Pictures with a class that can be told from how they are turned: four hooks of lines, drawn with a shaky hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 20
STROKES = (
    ((4, 5, 15, 5), (15, 5, 15, 12)),
    ((4, 10, 16, 10), (4, 10, 4, 15)),
    ((4, 4, 4, 15), (4, 15, 10, 15), (10, 15, 10, 9)),
    ((5, 5, 15, 15), (15, 15, 15, 6)),
)


def glyphs(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Pictures (count, 20, 20, 1) in 0..1 and their classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(STROKES)
    return np.stack([_drawn(STROKES[label], rng) for label in labels])[..., None], labels.astype(np.int64)


def _drawn(strokes: tuple[tuple[int, int, int, int], ...], rng: np.random.Generator) -> NDArray[np.float32]:
    picture = np.zeros((SIDE, SIDE), np.float32)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    shift = rng.uniform(-0.7, 0.7, 2)
    for stroke in strokes:
        top, left, bottom, right = np.array(stroke) + rng.uniform(-0.6, 0.6, 4) + np.tile(shift, 2)
        for share in np.linspace(0, 1, 12):
            centre_y, centre_x = top + share * (bottom - top), left + share * (right - left)
            picture = np.maximum(picture, np.exp(-((y - centre_y) ** 2 + (x - centre_x) ** 2) / 1.6))
    return picture.astype(np.float32)
