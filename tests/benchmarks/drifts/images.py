"""Cases of pictures: every shift of all lists, ways in which it comes, other shares of classes, and nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.drifts.camera import Camera, Frames, ramp
from tests.benchmarks.drifts.cases import RAMP_STEPS, Case, Pool
from tests.benchmarks.drifts.contestants import Reference
from tests.benchmarks.drifts.fresh import FRESH
from tests.benchmarks.drifts.nets import Scenes
from tests.benchmarks.drifts.shifts import DESIGN, UNSEEN, Shift
from tests.benchmarks.drifts.watched import Watcher

FRAMES = 2000  # of each shift
NULL_DRAWS = 4  # frames that the camera takes of each held-out picture
TIMES_MORE, MORE_CLASSES = 3.0, 2
PRIOR_CASES = 6
GRADUAL = ("fog 0.45", "exposure 0.8", "vignette 0.8", "zoom 0.8")
_SEED = 20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """Everything about pictures that the parts of the benchmark share.

    Attributes:
        watcher: The artifact.
        scenes: Held-out pictures.
        reference: What contestants know: the frames that the profile was made of.
        null: Frames of all held-out pictures, through the unchanged camera.
        shifted: Frames of each shift, by its name.
    """

    watcher: Watcher
    scenes: Scenes
    reference: Reference
    null: Pool
    shifted: dict[str, Pool]

    def cost(self, shift: Shift) -> float:
        """Points of accuracy that a shift costs."""
        return 100 * (self.null.accuracy - self.shifted[shift.name].accuracy)


def pictures(watcher: Watcher, scenes: Scenes, profile_frames: Frames, told: Callable[[int, int], None]) -> Pictures:
    """Take all of them through the artifact.

    Args:
        watcher: The artifact.
        scenes: Held-out pictures.
        profile_frames: Those that its profile was made of.
        told: How many shifts are done, of how many.
    """
    rng = np.random.default_rng(_SEED)
    many = np.tile(np.arange(len(scenes.x)), NULL_DRAWS)
    null = watcher.frames(Camera().seen(scenes.x[many], rng), scenes.y[many])
    known = watcher.frames(profile_frames, np.zeros(len(profile_frames), np.int64))
    reference = Reference(names=watcher.names, values=known.values, predicted=known.predicted, classes=watcher.classes)
    shifted = {}
    shifts = (*DESIGN, *UNSEEN, *FRESH)
    for done, shift in enumerate(shifts):
        shifted[shift.name] = seen(watcher, scenes, Camera(happens=shift), rng)
        told(done + 1, len(shifts))
    return Pictures(watcher=watcher, scenes=scenes, reference=reference, null=null, shifted=shifted)


def seen(
    watcher: Watcher, scenes: Scenes, camera: Camera, rng: np.random.Generator, rows: NDArray[np.intp] | None = None
) -> Pool:
    """Frames of some held-out pictures, chosen at random unless given, through a camera and the artifact."""
    chosen = rng.choice(len(scenes.x), FRAMES, replace=False) if rows is None else rows
    return watcher.frames(camera.seen(scenes.x[chosen], rng), scenes.y[chosen])


def shift_cases(known: Pictures, shifts: Sequence[Shift], group: str) -> Iterator[Case]:
    """A sudden change for each shift."""
    for shift in shifts:
        yield Case(
            name=shift.name,
            group=group,
            scenario="sudden",
            profile=known.watcher.profile,
            reference=known.reference,
            null=known.null,
            drifted=known.shifted[shift.name],
            right=shift.right,
            costs=known.cost(shift),
        )


def scenario_cases(known: Pictures) -> Iterator[Case]:
    """The other ways in which something comes, and nothing."""
    for case in shift_cases(known, UNSEEN, "cold start"):
        yield replace(case, scenario="cold start")
    for case in shift_cases(known, UNSEEN[::4], "recurring"):
        yield replace(case, scenario="recurring")
    yield from _gradual(known)
    yield from _priors(known)
    yield Case(
        name="none",
        group="none",
        scenario="none",
        profile=known.watcher.profile,
        reference=known.reference,
        null=known.null,
        drifted=known.null,
    )


def _gradual(known: Pictures) -> Iterator[Case]:
    size = 100
    shares = np.repeat((np.arange(RAMP_STEPS) + 1) / RAMP_STEPS, size).astype(np.float32)
    for shift in UNSEEN:
        if shift.name not in GRADUAL:
            continue
        rng = np.random.default_rng(_SEED + 1)
        rows = rng.integers(0, len(known.scenes.x), RAMP_STEPS * size)
        pool = seen(known.watcher, known.scenes, Camera(happens=ramp(shift, shares)), rng, rows)
        yield Case(
            name=f"{shift.name}, slowly",
            group="gradual, over 3,000 frames",
            scenario="gradual",
            profile=known.watcher.profile,
            reference=known.reference,
            null=known.null,
            drifted=pool,
            right=shift.right,
        )


def _priors(known: Pictures) -> Iterator[Case]:
    rng = np.random.default_rng(_SEED + 2)
    classes = known.watcher.classes
    for _ in range(PRIOR_CASES):
        chosen = np.sort(rng.choice(classes, MORE_CLASSES, replace=False))
        weight = np.where(np.isin(known.null.y, chosen), TIMES_MORE, 1.0)
        rows = rng.choice(len(known.null), 20_000, p=weight / weight.sum())
        yield Case(
            name=f"classes {chosen[0]}, {chosen[1]} x3",
            group="class prior x3",
            scenario="class prior",
            profile=known.watcher.profile,
            reference=known.reference,
            null=known.null,
            drifted=known.null[rows],
            right=frozenset(f"class_{one}" for one in range(classes)),
        )
