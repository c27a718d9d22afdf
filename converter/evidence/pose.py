"""How a device's camera is turned, shifted, zoomed or mirrored, from labelled samples.

Turning and shifting are linear, so they can be done to the mean picture of each class instead of to pictures: ten
instead of thousands. A pose is judged by how much of the differences between the samples' class means is explained by
those of the posed clean means, with a gain and an offset of its own for every pixel; so neither light nor a pattern, a
cover or an inversion, even of single pixels, hides the pose.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from converter.corruptions import BOUNDS, NEUTRAL, Corruption, Images, clipped, corrupt

MIN_SAMPLES = 30  # below that class means are mostly noise
_PER_CLASS = 2
_MIN_GAIN = 0.03  # of the explained share: a smaller one is within what 200 samples give by chance
_NAMES = ("rotation_deg", "zoom", "shear", "shift_x", "shift_y", "mirror")
_TURNS = np.arange(-180, 180, 15)
_SHIFTS = (-0.16, 0.0, 0.16)
_ZOOMS = (0.55, 0.75, 1.35)
_STEPS = np.array([8, 0.1, 0.08, 0.05, 0.05, 0], np.float32)
_SMALL = {"rotation_deg": 3.0, "zoom": 0.04, "shear": 0.04, "shift_x": 0.015, "shift_y": 0.015, "mirror": 0.5}
_ROUNDS = 12
_CHUNK = 200

Poses = NDArray[np.float32]
"""(n, 6) values in the order of ``_NAMES``."""

_Score = Callable[[Poses], NDArray[np.float64]]


def class_means(images: Images, labels: NDArray[np.int64], classes: NDArray[np.int64]) -> Images:
    """Mean picture of each class, (k, h, w, c)."""
    return np.stack([images[labels == one].mean(axis=0) for one in classes])


def find_pose(
    samples: Images,
    sample_labels: NDArray[np.int64],
    clean: Images,
    clean_labels: NDArray[np.int64],
    rng: np.random.Generator,
) -> Corruption:
    """The pose that turns the clean class means into those of the samples; neutral when none is clearly better."""
    classes, counts = np.unique(sample_labels, return_counts=True)
    known = np.isin(classes, clean_labels) & (counts >= _PER_CLASS)
    classes, counts = classes[known], counts[known]
    if counts.sum() < MIN_SAMPLES or len(classes) < 2:
        return NEUTRAL
    means = class_means(_grey(clean), clean_labels, classes)
    wanted = class_means(_grey(samples), sample_labels, classes).reshape(len(classes), -1)
    weights = counts / counts.sum()

    def explained(poses: Poses) -> NDArray[np.float64]:
        return np.concatenate(
            [_explained(_posed(means, poses[i : i + _CHUNK]), wanted, weights) for i in range(0, len(poses), _CHUNK)]
        )

    best = _refined(explained, _coarse_poses(), rng)
    pose = _simplified(best)
    reached, before = explained(np.stack([_row(pose), _row(NEUTRAL)]))
    return pose if reached > before + _MIN_GAIN else NEUTRAL


def _grey(images: Images) -> Images:
    return np.asarray(images.mean(axis=3, keepdims=True))


def _row(pose: Corruption) -> NDArray[np.float32]:
    return np.array([getattr(pose, name) for name in _NAMES], np.float32)


def _coarse_poses() -> Poses:
    rows = [
        (turn, zoom, 0, x, y, mirror)
        for mirror in (0, 1)
        for turn in _TURNS
        for zoom, x, y in [(1, x, y) for x in _SHIFTS for y in _SHIFTS] + [(zoom, 0, 0) for zoom in _ZOOMS]
    ]
    return np.asarray(rows, np.float32)


def _refined(explained: _Score, poses: Poses, rng: np.random.Generator) -> NDArray[np.float32]:
    """A random local search around the best few; steps shrink."""
    best = poses[np.argsort(-explained(poses))[:6]]
    steps = _STEPS.copy()
    for _ in range(_ROUNDS):
        tries = [best + rng.standard_normal(best.shape, np.float32) * steps for _ in range(12)]
        poses = np.concatenate([best, *tries])
        poses[:, 1] = np.clip(poses[:, 1], *BOUNDS["zoom"])
        best = poses[np.argsort(-explained(poses))[:4]]
        steps *= 0.8
    return np.asarray(best[0])


def _posed(means: Images, poses: Poses) -> NDArray[np.float32]:
    """Each class mean in each pose, (n, k, pixels)."""
    repeated = np.repeat(poses, len(means), axis=0)
    setting = {name: np.ascontiguousarray(repeated[:, i]) for i, name in enumerate(_NAMES)}
    posed = corrupt(np.tile(means, (len(poses), 1, 1, 1)), setting, np.random.default_rng(0))
    return np.asarray(posed, np.float32).reshape(len(poses), len(means), -1)


def _explained(
    posed: NDArray[np.float32], wanted: NDArray[np.float32], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share 0..1 of the between-class variance of ``wanted`` that each pose explains, pixel by pixel."""
    given = posed - np.einsum("k,nkp->np", weights, posed)[:, None]
    target = wanted - weights @ wanted
    product = np.einsum("k,nkp,kp->np", weights, given, target)
    variance = np.einsum("k,nkp->np", weights, given**2)
    ridge = 0.1 * variance.mean(axis=1, keepdims=True)
    total = float((weights @ target**2).sum())
    return np.asarray((product**2 / (variance + ridge + 1e-12)).sum(axis=1) / max(total, 1e-12))


def _simplified(pose: NDArray[np.float32]) -> Corruption:
    """Without the parameters that chance moved a little."""
    values = dict(zip(_NAMES, (float(value) for value in pose), strict=True))
    values["rotation_deg"] = (values["rotation_deg"] + 180) % 360 - 180
    values["mirror"] = round(values["mirror"])
    moved = {name: value for name, value in values.items() if abs(value - getattr(NEUTRAL, name)) > _SMALL[name]}
    return clipped(NEUTRAL, **moved)
