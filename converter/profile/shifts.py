"""Shifts that the converter makes up to learn what they cost: the families of each modality, weak to strong.

Pictures go through the simulated camera of ``converter.corruptions``. Rows and sound have what happens to sensors:
gain, offset, noise, drop-outs, clipping, delay, smoothing. Inputs are the model's own, after preprocessing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from converter.corruptions import Corruption, corrupt, settings

if TYPE_CHECKING:
    from edge_models.signals import Kind

Inputs = NDArray[np.float32]
Change = Callable[[Inputs, float, np.random.Generator], Inputs]
"""Inputs (n, ...) at a strength 0..1; new ones of the same shape."""

_CAMERA: dict[str, Callable[[float], Corruption]] = {
    "darker": lambda s: Corruption(white=1 - 0.75 * s),
    "brighter": lambda s: Corruption(black=0.6 * s, white=1 + 0.6 * s),
    "contrast": lambda s: Corruption(black=0.42 * s, white=1 - 0.42 * s),
    "gamma": lambda s: Corruption(gamma=float(np.exp(1.4 * s))),
    "gamma below 1": lambda s: Corruption(gamma=float(np.exp(-1.4 * s))),
    "blur": lambda s: Corruption(blur_px=3.0 * s),
    "motion": lambda s: Corruption(motion_px=9.0 * s, motion_deg=30),
    "noise": lambda s: Corruption(noise=0.4 * s),
    "specks": lambda s: Corruption(specks=0.3 * s),
    "cover": lambda s: Corruption(cover=0.6 * s, cover_wander=0.5, cover_value=0.5),
    "rotation": lambda s: Corruption(rotation_deg=50 * s),
    "shear": lambda s: Corruption(shear=0.8 * s),
    "smaller": lambda s: Corruption(zoom=1 - 0.5 * s),
    "larger": lambda s: Corruption(zoom=1 + 0.8 * s),
    "displacement": lambda s: Corruption(shift_x=0.25 * s, shift_y=0.2 * s),
    "stripes": lambda s: Corruption(stripes=0.4 * s, stripe_px=5, stripe_deg=90),
    "light from a side": lambda s: Corruption(slope_x=0.9 * s, slope_y=0.4 * s),
    "coarse": lambda s: Corruption(block_px=1 + 6 * s),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One kind of shift."""

    name: str
    change: Change


def families(kind: Kind, reference: Inputs) -> tuple[Family, ...]:
    """The families that inputs like ``reference`` (n, ...) can be shifted by."""
    if kind == "image" and reference.ndim in (3, 4) and min(reference.shape[1:3]) > 1:
        low, high = float(reference.min()), float(reference.max())
        changes: Mapping[str, Change] = {name: _camera(at, low, high) for name, at in _CAMERA.items()}
    else:
        changes = _sensor(reference, of_time=kind != "rows" or reference.ndim > 2)
    return tuple(Family(name=name, change=change) for name, change in changes.items())


def _camera(at: Callable[[float], Corruption], low: float, high: float) -> Change:
    span = np.float32(max(high - low, 1e-6))

    def change(x: Inputs, strength: float, rng: np.random.Generator) -> Inputs:
        unit = (x.reshape(*x.shape[:3], -1) - np.float32(low)) / span
        shifted = corrupt(unit, settings(at(strength), len(x)), rng)
        return np.asarray(shifted * span + np.float32(low), np.float32).reshape(x.shape)

    return change


def _sensor(reference: Inputs, *, of_time: bool) -> dict[str, Change]:
    """Changes in units of each column's spread; a column is the last axis, or the only one."""
    is_wave = of_time and reference.ndim == 2
    axes = tuple(range(reference.ndim)) if is_wave else tuple(range(reference.ndim - 1))
    mean, std = reference.mean(axis=axes, dtype=np.float64), np.maximum(reference.std(axis=axes), 1e-6)
    centre, spread = np.asarray(mean, np.float32), np.asarray(std, np.float32)
    ends = np.quantile(reference, (0.02, 0.98), axis=axes).astype(np.float32)

    def offset(x: Inputs, by: float, rng: np.random.Generator) -> Inputs:
        """In half of the columns, the same for all inputs: one sensor ages, not all."""
        moved = is_wave | (rng.permutation(x.shape[-1]) % 2 == 0)
        return np.asarray(x + np.where(moved, np.float32(by), np.float32(0)) * spread, np.float32)

    changes: dict[str, Change] = {
        "gain": lambda x, s, _: centre + (x - centre) * np.float32(1 + 1.5 * s),
        "weaker": lambda x, s, _: centre + (x - centre) * np.float32(1 - 0.9 * s),
        "offset": lambda x, s, rng: offset(x, 2.0 * s, rng),
        "offset below": lambda x, s, rng: offset(x, -2.0 * s, rng),
        "noise": lambda x, s, rng: x + np.float32(2 * s) * spread * rng.standard_normal(x.shape, np.float32),
        "drop-outs": lambda x, s, rng: np.where(rng.random(x.shape) < 0.7 * s, centre, x),
        "clipping": lambda x, s, _: np.clip(
            x, ends[0] + np.float32(0.5 * s) * (centre - ends[0]), ends[1] - np.float32(0.9 * s) * (ends[1] - centre)
        ),
    }
    if of_time:
        changes["delay"] = lambda x, s, _: np.roll(x, round(0.4 * s * x.shape[1]), axis=1)
        changes["smoothing"] = _smoothed
    if of_time and reference.ndim > 2 and reference.shape[2] > 2:
        changes["tilt"] = lambda x, s, _: x + np.float32(2.5 * s) * spread * _ramp(x.shape)
    return {name: _as_float32(change) for name, change in changes.items()}


def _smoothed(x: Inputs, strength: float, _: np.random.Generator) -> Inputs:
    length = max(1, round(0.3 * strength * x.shape[1]))
    padded = np.concatenate([np.repeat(x[:, :1], length, axis=1), x], axis=1).astype(np.float64)
    sums = np.cumsum(padded, axis=1)
    return np.asarray((sums[:, length:] - sums[:, :-length]) / length, np.float32)


def _ramp(shape: tuple[int, ...]) -> NDArray[np.float32]:
    return np.linspace(-1, 1, shape[2], dtype=np.float32).reshape((1, 1, -1) + (1,) * (len(shape) - 3))


def _as_float32(change: Change) -> Change:
    return lambda x, strength, rng: np.asarray(change(x, strength, rng), np.float32)
