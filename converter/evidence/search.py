"""The search for the camera setting under which training pictures look like those of a drifted device.

Greedy with a small beam: in each round every kind of corruption is tried on top of the best settings so far, the best
two are polished by small random steps, and the search ends when a round brings little. Seeded, so it gives the same
result for the same evidence.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from converter.corruptions import NEUTRAL, Corruption, clipped
from converter.evidence.likeness import Likeness

Changes = Mapping[str, float]

MAX_ROUNDS = 4
_BEAM = 2
_POLISH, _FINAL_POLISH = 15, 60
_ENOUGH = 0.02  # a round that brings less ends the search

STEP: Changes = {
    "rotation_deg": 8,
    "zoom": 0.06,
    "shear": 0.06,
    "shift_x": 0.03,
    "shift_y": 0.03,
    "mirror": 0,
    "blur_px": 0.3,
    "motion_px": 1.5,
    "motion_deg": 20,
    "block_px": 1,
    "gamma": 0.3,
    "black": 0.06,
    "white": 0.06,
    "slope_x": 0.12,
    "slope_y": 0.12,
    "stripes": 0.1,
    "stripe_px": 0.3,
    "stripe_deg": 6,
    "stripe_phase_deg": 40,
    "cover": 0.06,
    "cover_x": 0.05,
    "cover_y": 0.05,
    "cover_wander": 0.15,
    "cover_value": 0.25,
    "noise": 0.03,
    "specks": 0.05,
}
"""Size of a random step of each parameter while polishing."""

_COMPANIONS = {
    "motion_px": ("motion_deg",),
    "stripes": ("stripe_px", "stripe_deg", "stripe_phase_deg"),
    "cover": ("cover_x", "cover_y", "cover_wander", "cover_value"),
}


_LEVELS = ((1, 0), (0, 0.3), (0, 0.6), (0.3, 1), (0.6, 1), (0.3, 0.6), (-0.3, 1), (0, 1.6), (0.1, 0.4), (-0.3, 0.7))
_PLACES = tuple(itertools.product((0.3, 0.5, 0.7), (0.3, 0.5, 0.7), (0, 1)))
_SIDES = tuple((x, y) for x in (-0.15, 0, 0.15) for y in (-0.15, 0, 0.15) if x or y)

FAMILIES: Mapping[str, tuple[Changes, ...]] = {
    "pose": (
        *({"rotation_deg": deg} for deg in (-135, -90, -60, -40, -20, 20, 40, 60, 90, 135, 180)),
        *({"zoom": value} for value in (0.55, 0.75, 1.3, 1.7)),
        *({"shift_x": x, "shift_y": y} for x, y in _SIDES),
        {"mirror": 1},
    ),
    "optics": (
        *({"blur_px": px} for px in (0.7, 1.2, 2.0, 3.0)),
        *({"motion_px": px, "motion_deg": deg} for px in (4, 8) for deg in (0, 45, 90, 135)),
        *({"block_px": px} for px in (2, 3, 4, 6)),
    ),
    "light": (
        *({"gamma": value} for value in (0.4, 0.6, 1.7, 3.0)),
        *({"black": black, "white": white} for black, white in _LEVELS),
        *({name: value} for name in ("slope_x", "slope_y") for value in (-0.5, 0.5)),
    ),
    "dirt": (
        *({"stripes": 0.4, "stripe_px": px, "stripe_deg": deg} for px in (3, 4, 6, 8) for deg in (0, 45, 90, 135)),
        *({"cover": 0.4, "cover_x": x, "cover_y": y, "cover_value": value} for x, y, value in _PLACES),
        *({"cover": 0.4, "cover_wander": 0.6, "cover_value": value} for value in (0, 0.5, 1)),
    ),
    "grain": (
        *({"noise": value} for value in (0.05, 0.1, 0.2, 0.35)),
        *({"specks": value} for value in (0.08, 0.2, 0.4)),
    ),
}
"""What is tried on top of a setting, by kind of corruption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A setting and its distance from the evidence (1 = no better than none)."""

    corruption: Corruption
    distance: float


def search(
    likeness: Likeness, start: Corruption, *, families: Collection[str], budget: int, rng: np.random.Generator
) -> Found:
    """Find the setting with the smallest distance.

    Args:
        likeness: What to come close to.
        start: Where to begin; its pose if labelled samples gave one.
        families: Which of ``FAMILIES`` to try.
        budget: No further round is begun when so many settings have been tried.
        rng: For the small steps.
    """
    primitives = [changes for name in families for changes in FAMILIES[name]]
    tried: dict[Corruption, float] = {}

    def distance(corruption: Corruption) -> float:
        if corruption not in tried:
            tried[corruption] = likeness.of(corruption)
        return tried[corruption]

    front = sorted({NEUTRAL, start}, key=distance)
    for _ in range(MAX_ROUNDS):
        before = distance(front[0])
        candidates = {c for base in front for c in _one_step(base, likeness, primitives)}
        best = sorted(candidates, key=distance)[:_BEAM]
        polished = [_polished(distance, one, rng, _POLISH) for one in best]
        front = sorted({*front, *polished}, key=distance)[:_BEAM]
        if distance(front[0]) > before - _ENOUGH or len(tried) > budget:
            break
    if distance(front[0]) > distance(start) - _ENOUGH:
        return Found(corruption=start, distance=distance(start))
    last = _polished(distance, front[0], rng, _FINAL_POLISH)
    return Found(corruption=last, distance=distance(last))


def moving(corruption: Corruption) -> list[str]:
    """The parameters that matter for a setting: those off neutral, and their companions."""
    active = [f.name for f in fields(Corruption) if getattr(corruption, f.name) != getattr(NEUTRAL, f.name)]
    active = [name for name in active if not any(name in c and k not in active for k, c in _COMPANIONS.items())]
    extra = [name for kind in active for name in _COMPANIONS.get(kind, ()) if name not in active]
    return active + extra


def _one_step(base: Corruption, likeness: Likeness, primitives: Sequence[Changes]) -> Iterator[Corruption]:
    for changes in primitives:
        yield clipped(base, **changes)
    if light := likeness.fitted_light(base):
        yield clipped(base, **light)
        for gamma in (0.5, 2.0):
            bent = clipped(base, gamma=gamma)
            yield clipped(bent, **likeness.fitted_light(bent))


def _polished(
    distance: Callable[[Corruption], float], start: Corruption, rng: np.random.Generator, steps: int
) -> Corruption:
    """Small random steps of one or two parameters; steps shrink while nothing improves."""
    best, scale, failures = start, 1.0, 0
    for _ in range(steps):
        names = moving(best)
        if not names:
            break
        chosen = rng.choice(names, size=min(len(names), int(rng.integers(1, 3))), replace=False)
        changes = {name: getattr(best, name) + STEP[name] * scale * float(rng.standard_normal()) for name in chosen}
        if rng.random() < 0.1:
            changes = {chosen[0]: getattr(NEUTRAL, chosen[0])}
        candidate = clipped(best, **changes)
        if distance(candidate) < distance(best):
            best, failures = candidate, 0
        else:
            failures += 1
            scale *= 1.0 if failures % 8 else 0.7
    return best
