"""What happens to the pictures of the benchmark: the shifts of two lists, ``DESIGN`` and ``UNSEEN``.

Detectors, their constants and the impact model may be tried on ``DESIGN``. ``UNSEEN`` was written before any of that
was tuned and decides: nobody chooses anything by what happens on it. Each shift names the input signals that count as
a right explanation of it: those that the physical cause moves, whatever the pictures.

Pictures are float32 (n, h, w) in 0..1; every shift returns new ones, clipped to 0..1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Images = NDArray[np.float32]
Change = Callable[[Images, np.random.Generator], Images]

LEVELS = frozenset({"mean", "std", "bright", "skew", "border"})
SHARPNESS = frozenset({"sharp"})
PLACE = frozenset({"cx", "cy", "border"})
POSE = PLACE | {"orient", "skew"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """One thing that happens to a camera.

    Attributes:
        name: Type and strength, such as ``fog .3``.
        family: Type alone; leave-one-family-out leaves all strengths of it out.
        right: Input signals that count as a right explanation.
        change: Does it.
    """

    name: str
    family: str
    right: frozenset[str]
    change: Change

    def __call__(self, x: Images, rng: np.random.Generator) -> Images:
        """The same pictures, shifted."""
        return np.clip(self.change(x, rng), 0.0, 1.0).astype(np.float32)


def _each(x: Images, one: Callable[[Images], Images]) -> Images:
    return np.stack([one(image) for image in x])


def _brighter(by: float) -> Change:
    return lambda x, _: x + by


def _contrast(to: float) -> Change:
    return lambda x, _: (x - 0.5) * to + 0.5


def _blur(sigma: float) -> Change:
    return lambda x, _: ndimage.gaussian_filter(x, (0, sigma, sigma))


def _noise(std: float) -> Change:
    return lambda x, rng: x + rng.normal(0, std, x.shape).astype(np.float32)


def _occluded(side: int) -> Change:
    def change(x: Images, rng: np.random.Generator) -> Images:
        y = x.copy()
        tops, lefts = rng.integers(0, x.shape[1] - side, (2, len(x)))
        for image, top, left in zip(y, tops, lefts, strict=True):
            image[top : top + side, left : left + side] = 0.5
        return y

    return change


def _rotated(degrees: float) -> Change:
    return lambda x, _: ndimage.rotate(x, degrees, axes=(1, 2), reshape=False, order=1)


def _gamma(exponent: float) -> Change:
    return lambda x, _: x**exponent


def _specks(share: float) -> Change:
    def change(x: Images, rng: np.random.Generator) -> Images:
        hit = rng.random(x.shape) < share
        return np.where(hit, (rng.random(x.shape) < 0.5).astype(np.float32), x)

    return change


def _fog(density: float) -> Change:
    def change(x: Images, rng: np.random.Generator) -> Images:
        veil = ndimage.gaussian_filter(rng.random(x.shape), (0, 6, 6)).astype(np.float32)
        veiled: Images = x * (1 - density) + density * np.clip(0.5 + 6.0 * (veil - 0.5), 0, 1)
        return veiled

    return change


def _motion(length: int) -> Change:
    return lambda x, _: ndimage.uniform_filter1d(x, length, axis=2)


def _pixelated(block: int) -> Change:
    def change(x: Images, _: np.random.Generator) -> Images:
        n, h, w = x.shape
        means = x[:, : h - h % block, : w - w % block].reshape(n, h // block, block, w // block, block).mean((2, 4))
        large: Images = means.repeat(block, 1).repeat(block, 2)
        return np.pad(large, ((0, 0), (0, h % block), (0, w % block)), mode="edge")

    return change


def _zoomed(factor: float) -> Change:
    def change(x: Images, _: np.random.Generator) -> Images:
        centre = (np.array(x.shape[1:]) - 1) / 2
        offset = centre - centre / factor
        return _each(x, lambda image: ndimage.affine_transform(image, np.eye(2) / factor, offset, order=1))

    return change


def _moved(rows: int, columns: int) -> Change:
    return lambda x, _: ndimage.shift(x, (0, rows, columns), order=0)


def _banded(amplitude: float) -> Change:
    def change(x: Images, rng: np.random.Generator) -> Images:
        phase = rng.uniform(0, 2 * np.pi, (len(x), 1, 1))
        rows = np.arange(x.shape[1])[None, :, None]
        return x + amplitude * np.sin(2 * np.pi * rows / 4 + phase).astype(np.float32)

    return change


def _vignetted(strength: float) -> Change:
    def change(x: Images, _: np.random.Generator) -> Images:
        y, x_ = np.meshgrid(np.linspace(-1, 1, x.shape[1]), np.linspace(-1, 1, x.shape[2]), indexing="ij")
        return x * (1 - strength * (y * y + x_ * x_) / 2).astype(np.float32)

    return change


def _dead_rows(count: int) -> Change:
    def change(x: Images, _: np.random.Generator) -> Images:
        y = x.copy()
        y[:, np.linspace(3, x.shape[1] - 4, count).astype(int)] = 0.0
        return y

    return change


def _ghost(share: float) -> Change:
    return lambda x, _: (1 - share) * x + share * ndimage.shift(x, (0, 3, 3), order=0)


def _sheared(by: float) -> Change:
    def change(x: Images, _: np.random.Generator) -> Images:
        matrix = np.array([[1.0, 0.0], [by, 1.0]])
        offset = np.array([0.0, -by * (x.shape[1] - 1) / 2])
        return _each(x, lambda image: ndimage.affine_transform(image, matrix, offset, order=1))

    return change


def _exposed(gain: float) -> Change:
    return lambda x, _: x * gain


def _coarse(levels: int) -> Change:
    return lambda x, _: np.rint(x * np.float32(levels - 1)) / np.float32(levels - 1)


def _waved(amplitude: float) -> Change:
    def change(x: Images, _: np.random.Generator) -> Images:
        rows, columns = np.meshgrid(*(np.arange(side) for side in x.shape[1:]), indexing="ij")
        at = np.stack([rows, columns + amplitude * np.sin(2 * np.pi * rows / 9)])
        return _each(x, lambda image: ndimage.map_coordinates(image, at, order=1))

    return change


def family(name: str, right: frozenset[str], make: Callable[[float], Change], *strengths: float) -> tuple[Shift, ...]:
    """One type of shift in several strengths."""
    return tuple(
        Shift(name=f"{name} {strength:g}", family=name, right=right, change=make(strength)) for strength in strengths
    )


DESIGN: tuple[Shift, ...] = (
    *family("brightness", LEVELS, _brighter, 0.05, 0.1, 0.25),
    *family("contrast", LEVELS | SHARPNESS, _contrast, 0.8, 0.5),
    *family("blur", SHARPNESS | {"std", "skew", "bright"}, _blur, 0.6, 1.2),
    *family("noise", SHARPNESS | LEVELS, _noise, 0.06, 0.25),
    *family("occlusion", LEVELS | PLACE | SHARPNESS, lambda side: _occluded(int(side)), 4, 10),
    *family("rotation", POSE, _rotated, 10, 30),
    *family("gamma", LEVELS | SHARPNESS, _gamma, 0.75),
)
"""Shifts that anything may be tried on."""

UNSEEN: tuple[Shift, ...] = (
    *family("specks", SHARPNESS | LEVELS, _specks, 0.01, 0.08),
    *family("fog", LEVELS | SHARPNESS, _fog, 0.15, 0.45),
    *family("motion", SHARPNESS | {"std", "skew", "orient", "bright"}, lambda n: _motion(int(n)), 3, 7),
    *family("pixelation", SHARPNESS | {"std", "skew"}, lambda n: _pixelated(int(n)), 2, 4),
    *family("zoom", LEVELS | SHARPNESS | POSE, _zoomed, 0.8, 1.25),
    *family("displacement", PLACE | LEVELS, lambda n: _moved(int(n), int(n)), 2, 5),
    *family("banding", SHARPNESS | LEVELS, _banded, 0.08, 0.3),
    *family("vignette", LEVELS | PLACE | SHARPNESS, _vignetted, 0.3, 0.8),
    *family("dead rows", SHARPNESS | LEVELS, lambda n: _dead_rows(int(n)), 1, 4),
    *family("ghost", SHARPNESS | PLACE | {"skew", "std", "orient", "bright"}, _ghost, 0.2, 0.4),
    *family("shear", POSE, _sheared, 0.15, 0.5),
    *family("exposure", LEVELS | SHARPNESS, _exposed, 0.8, 1.6),
    *family("posterised", LEVELS | SHARPNESS, lambda n: _coarse(int(n)), 8, 3),
    *family("wave", SHARPNESS | POSE | {"std"}, _waved, 1.0, 3.0),
)
"""Shifts that decide; nothing is ever chosen by them."""
