"""What can happen to a camera's pictures, as a small parametric camera: pose, optics, light, dirt and sensor noise.

One ``Corruption`` is one setting of that camera. Retraining jitters settings around those that the evidence of a
drifted device points at (``converter.evidence`` finds them); a recipe's generic augmentation is the same camera with
small random settings. numpy only, vectorised over a batch, every random number from the caller's generator.

Pictures here are float32 in 0..1 with shape (n, h, w, c); ``to_unit`` and ``from_unit`` go between those and what a
source delivers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_models.fields import described

Images = NDArray[np.float32]
Settings = dict[str, NDArray[np.float32]]
"""One value for each picture of a batch, by parameter name; a missing name is neutral."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corruption:
    """One setting of the simulated camera; every default is neutral."""

    rotation_deg: float = described("Turn about the centre, counter-clockwise.", default=0.0, ge=-180, le=180)
    zoom: float = described("Size of the content; below 1 it shrinks.", default=1.0, ge=0.3, le=3)
    shear: float = described("Horizontal shift per row, in pixels.", default=0.0, ge=-1, le=1)
    shift_x: float = described("Shift to the right, as share of the width.", default=0.0, ge=-0.5, le=0.5)
    shift_y: float = described("Shift downwards, as share of the height.", default=0.0, ge=-0.5, le=0.5)
    mirror: float = described("1 swaps left and right.", default=0.0, ge=0, le=1)
    blur_px: float = described("Standard deviation of the Gaussian blur, in pixels.", default=0.0, ge=0, le=4)
    motion_px: float = described("Length of the motion blur, in pixels.", default=0.0, ge=0, le=9)
    motion_deg: float = described("Direction of the motion blur.", default=0.0, ge=-180, le=180)
    block_px: float = described("Side of the blocks of a pixelated picture, in pixels.", default=1.0, ge=1, le=10)
    gamma: float = described("Exponent of the brightness curve.", default=1.0, ge=0.2, le=5)
    black: float = described(
        "What black becomes, as share of the range; 1 with white 0 inverts.", default=0.0, ge=-1, le=1.5
    )
    white: float = described("What white becomes, as share of the range.", default=1.0, ge=-0.5, le=3)
    slope_x: float = described(
        "Light rising to the right, as share of the range over the width.", default=0.0, ge=-1, le=1
    )
    slope_y: float = described(
        "Light rising downwards, as share of the range over the height.", default=0.0, ge=-1, le=1
    )
    stripes: float = described("Amplitude of a sine pattern, as share of the range.", default=0.0, ge=-1, le=1)
    stripe_px: float = described("Period of the stripes, in pixels.", default=4.0, ge=2, le=16)
    stripe_deg: float = described("Direction across the stripes; 0 makes them vertical.", default=0.0, ge=-180, le=180)
    stripe_phase_deg: float = described("Where the pattern starts.", default=0.0, ge=-180, le=180)
    cover: float = described("Side of a covered square, as share of the width.", default=0.0, ge=0, le=0.8)
    cover_x: float = described("Centre of the covered square, as share of the width.", default=0.5, ge=0, le=1)
    cover_y: float = described("Centre of the covered square, as share of the height.", default=0.5, ge=0, le=1)
    cover_wander: float = described("How far its centre strays, as share of the width.", default=0.0, ge=0, le=1)
    cover_value: float = described("What covers it, 0 black to 1 white.", default=0.0, ge=0, le=1)
    noise: float = described("Standard deviation of Gaussian noise, as share of the range.", default=0.0, ge=0, le=0.6)
    specks: float = described("Share of pixels that are stuck black or white.", default=0.0, ge=0, le=0.6)


NEUTRAL = Corruption()
BOUNDS: dict[str, tuple[float, float]] = {
    field.name: (field.metadata["described"].ge, field.metadata["described"].le) for field in fields(Corruption)
}
_POSE = ("rotation_deg", "zoom", "shear", "shift_x", "shift_y", "mirror")


def to_unit(x: NDArray[Any], value_range: tuple[float, float]) -> Images:
    """Bring what a source delivers, (n, h, w) or (n, h, w, c), to 0..1 and four axes."""
    low, high = value_range
    unit = (x.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return unit if unit.ndim == 4 else unit[..., None]


def from_unit(unit: Images, like: NDArray[Any], value_range: tuple[float, float]) -> NDArray[Any]:
    """Undo ``to_unit`` with the dtype and the number of axes of ``like``."""
    low, high = value_range
    x = unit * np.float32(high - low) + np.float32(low)
    if like.dtype.kind in "iu":
        x = np.rint(x)
    return (x if like.ndim == 4 else x[..., 0]).astype(like.dtype)


def settings(corruption: Corruption, count: int) -> Settings:
    """The same setting for each of ``count`` pictures; neutral parameters are left out."""
    return {
        field.name: np.full(count, getattr(corruption, field.name), np.float32)
        for field in fields(Corruption)
        if getattr(corruption, field.name) != getattr(NEUTRAL, field.name)
    }


def clipped(corruption: Corruption, **changes: float) -> Corruption:
    """``corruption`` with ``changes``, each kept inside its bounds.

    Examples:
        >>> clipped(NEUTRAL, blur_px=9.0).blur_px
        4.0
    """
    return replace(
        corruption,
        **{name: float(min(max(value, BOUNDS[name][0]), BOUNDS[name][1])) for name, value in changes.items()},
    )


def corrupt(images: Images, setting: Settings, rng: np.random.Generator) -> Images:
    """Take each picture with its own setting of the camera.

    Args:
        images: (n, h, w, c) in 0..1; not changed.
        setting: (n,) values by parameter name.
        rng: Where noise and specks come from.

    Returns:
        New pictures of the same shape, clipped to 0..1.
    """
    out = images
    if any(name in setting for name in _POSE):
        out = _pose(out, setting)
    if "blur_px" in setting:
        out = _blur(out, setting["blur_px"])
    if "motion_px" in setting:
        out = _motion(out, setting["motion_px"], setting.get("motion_deg"))
    if "block_px" in setting:
        out = _blocks(out, setting["block_px"])
    out = _light(out, setting)
    if "stripes" in setting:
        out = out + _stripes(out.shape, setting)
    if "cover" in setting:
        out = _cover(out, setting, rng)
    if "noise" in setting:
        out = out + _column(setting["noise"]) * rng.standard_normal(out.shape, np.float32)
    if "specks" in setting:
        out = _specks(out, setting["specks"], rng)
    return np.clip(out, 0, 1)


def _column(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return values.reshape(-1, 1, 1, 1)


def _pose(images: Images, setting: Settings) -> Images:
    """Rotate, zoom, shear, mirror and shift by bilinear sampling; what comes from outside repeats the border."""
    count, height, width, _ = images.shape
    one, zero = np.ones(count, np.float32), np.zeros(count, np.float32)
    angle = np.deg2rad(setting.get("rotation_deg", zero))
    grow = 1 / setting.get("zoom", one)
    flip = 1 - 2 * (setting.get("mirror", zero) > 0.5)
    cos, sin = np.cos(angle) * grow, np.sin(angle) * grow
    rows = (np.arange(height, dtype=np.float32) - (height - 1) / 2)[None, :, None]
    columns = (np.arange(width, dtype=np.float32) - (width - 1) / 2)[None, None, :]
    x = columns - (setting.get("shift_x", zero) * width)[:, None, None]
    y = rows - (setting.get("shift_y", zero) * height)[:, None, None]
    x = x - setting.get("shear", zero)[:, None, None] * y
    source_x = (cos[:, None, None] * x - sin[:, None, None] * y) * flip[:, None, None] + np.float32((width - 1) / 2)
    source_y = sin[:, None, None] * x + cos[:, None, None] * y + np.float32((height - 1) / 2)
    return _sample(images, source_x, source_y)


def _sample(images: Images, x: NDArray[np.float32], y: NDArray[np.float32]) -> Images:
    """Bilinear lookup of (n, h, w) source positions."""
    count, height, width, channels = images.shape
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    left, top = np.minimum(x.astype(np.int32), width - 2), np.minimum(y.astype(np.int32), height - 2)
    fx, fy = (x - left)[..., None], (y - top)[..., None]
    flat = images.reshape(count * height * width, channels)
    base = (np.arange(count, dtype=np.int32) * (height * width))[:, None, None] + top * width + left
    upper = flat[base] * (1 - fx) + flat[base + 1] * fx
    lower = flat[base + width] * (1 - fx) + flat[base + width + 1] * fx
    return np.asarray(upper * (1 - fy) + lower * fy, np.float32)


def _blur(images: Images, sigma: NDArray[np.float32]) -> Images:
    """Separable Gaussian with one width for each picture; the border repeats."""
    radius = max(1, math.ceil(2.5 * float(sigma.max())))
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets[None, :] / np.maximum(sigma, 0.05)[:, None]) ** 2).astype(np.float32)
    weights /= weights.sum(axis=1, keepdims=True)
    for axis in (1, 2):
        index = np.clip(offsets[:, None] + np.arange(images.shape[axis]), 0, images.shape[axis] - 1)
        blurred = np.zeros_like(images)
        for k, source in enumerate(index):
            blurred += _column(weights[:, k]) * np.take(images, source, axis=axis)
        images = blurred
    return images


def _motion(images: Images, length: NDArray[np.float32], angle_deg: NDArray[np.float32] | None) -> Images:
    """Mean of seven pictures shifted along a line."""
    angle = np.deg2rad(np.zeros_like(length) if angle_deg is None else angle_deg)
    height, width = images.shape[1:3]
    rows = np.arange(height, dtype=np.float32)[None, :, None]
    columns = np.arange(width, dtype=np.float32)[None, None, :]
    total = np.zeros_like(images)
    for step in np.linspace(-0.5, 0.5, 7, dtype=np.float32):
        dx, dy = (step * length * np.cos(angle))[:, None, None], (step * length * np.sin(angle))[:, None, None]
        total += _sample(images, *np.broadcast_arrays(columns + dx, rows + dy))
    return total / np.float32(7)


def _blocks(images: Images, side: NDArray[np.float32]) -> Images:
    """Replace each block by its mean; pictures with the same rounded side are done together."""
    out = images.copy()
    sides = np.rint(side).astype(int)
    for block in np.unique(sides[sides > 1]):
        chosen = np.flatnonzero(sides == block)
        out[chosen] = _block_means(images[chosen], int(block))
    return out


def _block_means(images: Images, block: int) -> Images:
    height, width = images.shape[1:3]
    padded = np.pad(images, ((0, 0), (0, -height % block), (0, -width % block), (0, 0)), mode="edge")
    count, rows, columns, channels = padded.shape
    means = padded.reshape(count, rows // block, block, columns // block, block, channels).mean(axis=(2, 4))
    return np.repeat(np.repeat(means, block, axis=1), block, axis=2)[:, :height, :width]


def _light(images: Images, setting: Settings) -> Images:
    out = images
    if "gamma" in setting:
        out = np.power(np.clip(out, 1e-6, 1), _column(setting["gamma"]))
    if "black" in setting or "white" in setting:
        one = np.ones(len(images), np.float32)
        black, white = _column(setting.get("black", one * 0)), _column(setting.get("white", one))
        out = black + (white - black) * out
    for name, axis in (("slope_x", 2), ("slope_y", 1)):
        if name in setting:
            ramp = np.linspace(-0.5, 0.5, images.shape[axis], dtype=np.float32)
            out = out + _column(setting[name]) * ramp.reshape((1, 1, -1, 1) if axis == 2 else (1, -1, 1, 1))
    return out


def _stripes(shape: tuple[int, ...], setting: Settings) -> Images:
    count, height, width, _ = shape
    angle = np.deg2rad(setting.get("stripe_deg", np.zeros(count, np.float32)))[:, None, None]
    period = setting.get("stripe_px", np.full(count, NEUTRAL.stripe_px, np.float32))[:, None, None]
    along = np.cos(angle) * np.arange(width)[None, None, :] + np.sin(angle) * np.arange(height)[None, :, None]
    phase = np.deg2rad(setting.get("stripe_phase_deg", np.zeros(count, np.float32)))[:, None, None]
    wave = np.sin(2 * np.pi * along / period + phase)[..., None]
    return (_column(setting["stripes"]) * wave).astype(np.float32)


def _cover(images: Images, setting: Settings, rng: np.random.Generator) -> Images:
    count, height, width, _ = images.shape
    half = setting["cover"][:, None] / 2
    wander = setting.get("cover_wander", np.zeros(count, np.float32))

    def inside(name: str, length: int) -> NDArray[np.bool_]:
        centre = setting.get(name, np.full(count, 0.5, np.float32)) + wander * (rng.random(count, np.float32) - 0.5)
        return np.abs((np.arange(length) + 0.5) / length - centre[:, None]) < half

    mask = inside("cover_y", height)[:, :, None, None] & inside("cover_x", width)[:, None, :, None]
    return np.where(mask, _column(setting.get("cover_value", np.zeros(count, np.float32))), images)


def _specks(images: Images, share: NDArray[np.float32], rng: np.random.Generator) -> Images:
    draw = rng.random((*images.shape[:3], 1), np.float32)
    half = _column(share) / 2
    return np.where(draw < half, np.float32(0), np.where(draw > 1 - half, np.float32(1), images))
