"""Shifts that were written after the last change of what is bet on, and judge it: the list ``FRESH``.

The figures on ``UNSEEN`` had been looked at once when the bets on likelihood ratios came in, although nothing was
chosen by them. No figure on these had been.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from tests.benchmarks.drifts.shifts import LEVELS, PLACE, POSE, SHARPNESS, Change, Images, Shift, family


def _few_photons(photons: float) -> Change:
    return lambda x, rng: (rng.poisson(x * photons) / photons).astype(np.float32)


def _lit_from_left(slope: float) -> Change:
    return lambda x, _: x * np.linspace(1 + slope, 1 - slope, x.shape[2], dtype=np.float32)


def _flickering(depth: float) -> Change:
    return lambda x, rng: x * rng.uniform(1 - depth, 1 + depth, (len(x), 1, 1)).astype(np.float32)


def _sharpened(amount: float) -> Change:
    return lambda x, _: x + np.float32(amount) * (x - ndimage.gaussian_filter(x, (0, 1.0, 1.0)))


def _mirrored(share: float) -> Change:
    return lambda x, rng: np.where((rng.random(len(x)) < share)[:, None, None], x[:, :, ::-1], x)


def _hot_pixels(count: float) -> Change:
    """The same pixels in every picture, as on a damaged sensor."""

    def change(x: Images, _: np.random.Generator) -> Images:
        y = x.copy()
        at = np.random.default_rng(7).permutation(x[0].size)[: int(count)]
        y.reshape(len(x), -1)[:, at] = 1.0
        return y

    return change


def _barrel(strength: float) -> Change:
    """A wide lens: pictures bulge by the square of the distance from their centre."""

    def change(x: Images, _: np.random.Generator) -> Images:
        sides = [np.linspace(-1, 1, side) for side in x.shape[1:]]
        grid = np.stack(np.meshgrid(*sides, indexing="ij"))
        bent = grid * (1 + strength * (grid * grid).sum(axis=0))
        at = (bent + 1) / 2 * (np.array(x.shape[1:]) - 1)[:, None, None]
        return np.stack([ndimage.map_coordinates(image, at, order=1) for image in x])

    return change


def _droplet(side: float) -> Change:
    """Water on the glass: a blurred patch at one place."""

    def change(x: Images, _: np.random.Generator) -> Images:
        y = x.copy()
        low, high = 7, 7 + int(side)
        y[:, low:high, low:high] = ndimage.gaussian_filter(x, (0, 3.0, 3.0))[:, low:high, low:high]
        return y

    return change


def _slats(width: float) -> Change:
    """A black bar over the left edge."""

    def change(x: Images, _: np.random.Generator) -> Images:
        y = x.copy()
        y[:, :, : int(width)] = 0.0
        return y

    return change


def _jittery(rows: float) -> Change:
    """A rolling shutter that shakes: every row is moved by itself."""

    def change(x: Images, rng: np.random.Generator) -> Images:
        by = rng.integers(-int(rows), int(rows) + 1, x.shape[:2])
        at = (np.arange(x.shape[2])[None, None] + by[:, :, None]).clip(0, x.shape[2] - 1)
        return np.take_along_axis(x, at, axis=2)

    return change


FRESH: tuple[Shift, ...] = (
    *family("few photons", SHARPNESS | LEVELS, _few_photons, 60, 10),
    *family("light from the left", PLACE | LEVELS, _lit_from_left, 0.2, 0.6),
    *family("flicker", LEVELS, _flickering, 0.3, 0.6),
    *family("sharpening", SHARPNESS | LEVELS, _sharpened, 0.3, 1.5),
    *family("mirror", POSE, _mirrored, 0.5, 1.0),
    *family("hot pixels", SHARPNESS | LEVELS, _hot_pixels, 2, 12),
    *family("barrel lens", POSE | LEVELS | SHARPNESS, _barrel, 0.08, 0.3),
    *family("droplet", SHARPNESS | {"std", "skew", "bright"}, _droplet, 6, 14),
    *family("bar at the edge", PLACE | LEVELS | SHARPNESS, _slats, 3, 8),
    *family("shaking rows", SHARPNESS | {"orient", "std", "skew"}, _jittery, 1, 3),
)
"""Nothing was ever chosen by these."""
