"""Simulated fleets: devices that count frames of a reference distribution, or of one that has moved."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deploy.fleet.deviation import DeviceSketch
from edge_models.profile import Profile, build_profile
from edge_models.sketch import Sketch

SIGNALS = tuple(f"signal_{j}" for j in range(10))
CLASSES = 10
SIZE = 20
OWN_OFFSET = 0.04  # standard deviations that a healthy device's signals are off by


@dataclass(frozen=True, kw_only=True)
class Drift:
    """Something that has happened to devices.

    Attributes:
        moved: Shift of signals, by index, in standard deviations.
        widened: Factor on their spread.
        rarer: Factor on the share of classes.
    """

    moved: Mapping[int, float] = field(default_factory=dict)
    widened: Mapping[int, float] = field(default_factory=dict)
    rarer: Mapping[int, float] = field(default_factory=dict)


CALM = Drift()


@functools.cache
def reference(seed: int = 0) -> Profile:
    """A profile of 2000 frames with normal signals."""
    rng = np.random.default_rng(seed)
    return build_profile(SIGNALS, rng.normal(size=(2000, len(SIGNALS))), rng.integers(0, CLASSES, 2000), CLASSES)


def device(
    name: str,
    rng: np.random.Generator,
    drift: Drift = CALM,
    *,
    n: int = 1000,
    thin: float = 1.0,
    labels: Mapping[str, str] | None = None,
) -> DeviceSketch:
    """A device that has counted ``n`` independent frames, each ``thin`` times."""
    profile = reference()
    sketch = Sketch.of(profile)
    offsets = rng.normal(scale=OWN_OFFSET, size=len(SIGNALS))
    sketch.counts = np.stack(
        [
            rng.multinomial(n, _shares(edges, offset + drift.moved.get(j, 0.0), drift.widened.get(j, 1.0)))
            for j, (edges, offset) in enumerate(zip(profile.edges, offsets, strict=True))
        ]
    ) * int(thin)
    prior = np.array([profile.class_prior[c] * drift.rarer.get(c, 1.0) for c in range(CLASSES)], np.float64)
    sketch.classes = rng.multinomial(n, prior / prior.sum()) * int(thin)
    sketch.n = n * int(thin)
    return DeviceSketch(device=name, sketch=sketch, profile=profile, thin=thin, labels=labels or {})


def labels_of(rng: np.random.Generator, size: int = SIZE) -> list[dict[str, str]]:
    """Labels of each device, independent of each other."""
    return [
        {
            "region": ("north", "south", "east")[i % 3],
            "site": f"site-{i // 2}",
            "hardware": ("Raspberry Pi 4", "Raspberry Pi 5", "Zero 2 W")[int(rng.integers(3))],
            "agent": ("0.5.0", "0.6.0")[int(rng.random() < 0.3)],
        }
        for i in range(size)
    ]


def random_drift(rng: np.random.Generator) -> Drift:
    """A drift of one to four signals, or of the classes."""
    if rng.random() < 0.2:
        return Drift(rarer={int(c): 4.0 for c in rng.choice(CLASSES, 2, replace=False)})
    chosen = [int(j) for j in rng.choice(len(SIGNALS), int(rng.integers(1, 5)), replace=False)]
    if rng.random() < 0.3:
        return Drift(widened={j: float(rng.uniform(1.6, 2.5)) for j in chosen})
    return Drift(moved={j: float(rng.uniform(0.45, 1.5) * rng.choice([-1, 1])) for j in chosen})


def _shares(edges: NDArray[np.float32], shift: float, spread: float) -> NDArray[np.float64]:
    cuts = [-math.inf, *(float(edge) for edge in edges[1:-1]), math.inf]
    below = np.array([0.5 * (1 + math.erf((cut - shift) / spread / math.sqrt(2))) for cut in cuts])
    shares = np.diff(below)
    return np.asarray(shares / shares.sum())
