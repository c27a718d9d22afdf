"""What makes training pictures look like those of one device: a camera setting, and where that is not enough a map.

``find_lookalike`` is the whole way from a device's samples and sketch to that; how it is used is in ``training.mix``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from converter.corruptions import BOUNDS, NEUTRAL, Corruption, Images, Settings, corrupt, settings
from converter.evidence.likeness import Likeness, Signals, enough_pictures
from converter.evidence.pixel_map import PixelMap, fit_pixel_map
from converter.evidence.pose import MIN_SAMPLES, find_pose
from converter.evidence.search import FAMILIES, STEP, Found, moving, search
from edge_models.profile import Profile
from edge_models.sketch import Sketch

POOR = 0.9  # a lookalike that is no nearer than this to the evidence teaches nothing
_SAME = 0.3  # one that another device led to and that is as near as this needs no search of its own
_AS_GOOD = 0.05  # further from a sketch than the best by less than this: may be as true
_OF_LIGHT = ("light", "grain")
_MAP_GAIN = 0.05  # what a pixel map must bring on samples it was not fitted to
_FITTED = 800  # pictures that a map is fitted with
_JITTER = 0.5  # of the search's steps: the evidence is an estimate, and light and mounting go on changing


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of one drifted device.

    Attributes:
        samples: Its pictures (n, h, w, c) in 0..1; n may be 0.
        labels: Their true classes (n,).
        sketch: What it counted, with the profile whose bins these are.
    """

    samples: Images
    labels: NDArray[np.int64]
    sketch: tuple[Sketch, Profile] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookalike:
    """How to take pictures like a device's.

    Attributes:
        corruption: Setting of the simulated camera.
        instead: Settings that explain the evidence nearly as well.
        pixel_map: What comes on top, or None.
        distance: Between such pictures and the evidence; 1 is that of uncorrupted ones.
    """

    corruption: Corruption = NEUTRAL
    instead: tuple[Corruption, ...] = ()
    pixel_map: PixelMap | None = None
    distance: float = 1.0

    def take(self, images: Images, rng: np.random.Generator, *, is_shaken: bool = True) -> Images:
        """Pictures (n, h, w, c) as the device would take them.

        Args:
            images: In 0..1.
            rng: For noise and small steps.
            is_shaken: Each with a slightly different setting, as it takes to learn; otherwise all with the same one.
        """
        ways = (self.corruption, *self.instead)
        parts = np.array_split(images, len(ways))
        taken = np.concatenate(
            [
                corrupt(part, _jittered(one, len(part), rng) if is_shaken else settings(one, len(part)), rng)
                for one, part in zip(ways, parts, strict=True)
            ]
        )
        return taken if self.pixel_map is None else self.pixel_map.apply(taken, rng)


def _jittered(corruption: Corruption, count: int, rng: np.random.Generator) -> Settings:
    setting = settings(corruption, count)
    for name in moving(corruption):
        centre = np.float32(getattr(corruption, name))
        drawn = centre + np.float32(_JITTER * STEP[name]) * rng.standard_normal(count, np.float32)
        setting[name] = np.clip(drawn, *BOUNDS[name]).astype(np.float32)
    return setting


def find_lookalike(
    evidence: Evidence,
    clean: Images,
    labels: NDArray[np.int64],
    *,
    signals: Signals,
    known: Sequence[Lookalike],
    budget: int,
    rng: np.random.Generator,
) -> Lookalike:
    """Find what makes clean pictures look like a device's.

    Args:
        evidence: Of the device.
        clean: Training pictures (n, h, w, c) in 0..1.
        labels: Their classes.
        signals: Takes input signals of pictures.
        known: What other devices led to; tried first.
        budget: Settings to try, about.
        rng: For choices and small steps.
    """
    usable = np.isin(evidence.labels, labels)
    evidence = replace(evidence, samples=evidence.samples[usable], labels=evidence.labels[usable])
    likeness = _likeness(evidence, clean, labels, signals, rng)
    if likeness is None or budget == 0:
        return Lookalike()
    for other in sorted(known, key=lambda one: likeness.of(one.corruption)):
        distance = likeness.of(other.corruption)
        if distance < _SAME and other.pixel_map is None:
            return replace(other, distance=distance)
    if len(evidence.samples) < MIN_SAMPLES:
        return _from_sketch(likeness, budget, rng)
    pose = find_pose(evidence.samples, evidence.labels, clean, labels, rng)
    found = search(likeness, pose, families=[name for name in FAMILIES if name != "pose"], budget=budget, rng=rng)
    return _with_map(found, evidence, clean, labels, signals, rng)


def _from_sketch(likeness: Likeness, budget: int, rng: np.random.Generator) -> Lookalike:
    """Histograms alone do not tell dim light from small and blurred pictures: light is always tried by itself, too."""
    tries = [search(likeness, NEUTRAL, families=some, budget=budget, rng=rng) for some in (FAMILIES, _OF_LIGHT)]
    best = min(tries, key=lambda found: found.distance)
    near = [one for one in tries if one is not best and one.distance < best.distance + _AS_GOOD]
    different = tuple(one.corruption for one in near if set(moving(one.corruption)) != set(moving(best.corruption)))
    return Lookalike(corruption=best.corruption, instead=different, distance=best.distance)


def _likeness(
    evidence: Evidence, clean: Images, labels: NDArray[np.int64], signals: Signals, rng: np.random.Generator
) -> Likeness | None:
    """Clean pictures of the samples' classes against the samples; without samples, any against the sketch."""
    most = enough_pictures(clean)
    if len(evidence.samples) >= MIN_SAMPLES:
        wanted, samples = evidence.labels[:most], evidence.samples[:most]
        chosen = np.array([rng.choice(np.flatnonzero(labels == one)) for one in wanted])
        return Likeness(clean=clean[chosen], labels=wanted, signals=signals, samples=samples, sketch=evidence.sketch)
    if evidence.sketch is None:
        return None
    chosen = rng.permutation(len(clean))[: 2 * most]
    return Likeness(clean=clean[chosen], labels=labels[chosen], signals=signals, samples=None, sketch=evidence.sketch)


def _with_map(
    found: Found,
    evidence: Evidence,
    clean: Images,
    labels: NDArray[np.int64],
    signals: Signals,
    rng: np.random.Generator,
) -> Lookalike:
    """Add a pixel map if it brings pictures nearer to samples that it was not fitted to."""
    plain = Lookalike(corruption=found.corruption, distance=found.distance)
    held = replace(evidence, samples=evidence.samples[1::2], labels=evidence.labels[1::2])
    judge = _likeness(held, clean, labels, signals, rng) if len(held.samples) >= MIN_SAMPLES else None
    if judge is None:
        return plain
    chosen = rng.permutation(len(clean))[:_FITTED]
    taken = corrupt(clean[chosen], settings(found.corruption, len(chosen)), rng)
    trial = fit_pixel_map(taken, labels[chosen], evidence.samples[::2], evidence.labels[::2])
    seen = corrupt(judge.clean, settings(found.corruption, len(judge.clean)), rng)
    before, after = judge.of_pictures(seen), judge.of_pictures(trial.apply(seen, rng))
    if after > before - _MAP_GAIN:
        return plain
    pixel_map = fit_pixel_map(taken, labels[chosen], evidence.samples, evidence.labels)
    return replace(plain, pixel_map=pixel_map, distance=after)
