"""What a device with this artifact will notice, measured on examples that the profile does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from converter.profile.honesty import cost_found
from converter.profile.observation import observe
from converter.progress import SilentProgress
from converter.report.drift import ConditionFound, DriftFound
from edge_models.drift import SHARES, threshold
from edge_models.drift.detectability import Detectable, detectability

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from converter.artifact import Runnable
    from converter.profile.impact import ShiftRow
    from converter.progress import Progress
    from edge_models.manifest import InputSpec
    from edge_models.profile import Profile

MIN_FRAMES = 50  # drawn with replacement; fewer are no distribution
MAX_FRAMES = 500  # as many inferences

_PER_MONTH, _RATE_HZ = 1.0, 1.0  # as devices have them when nobody says otherwise


def found_drift(
    runnable: Runnable,
    spec: InputSpec,
    profile: Profile,
    inputs: NDArray[np.float32],
    *,
    cost: Sequence[ShiftRow] = (),
    progress: Progress | None = None,
    seed: int = 0,
) -> DriftFound:
    """The conditions that are known, the smallest shift of each signal that is found in time, and what estimates miss.

    Args:
        runnable: The artifact that the profile was taken through.
        spec: Of its input.
        profile: Its reference.
        inputs: Preprocessed examples of the test part, (n, ...).
        cost: What was estimated for kinds of shifts that were left out.
        progress: Hears of each signal.
        seed: Which examples are taken, and what is drawn of them.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(inputs))[:MAX_FRAMES])
    enough = len(chosen) >= MIN_FRAMES
    return DriftFound(
        false_alarms_per_month=_PER_MONTH,
        rate_hz=_RATE_HZ,
        frames=len(chosen),
        signals=_detectable(runnable, spec, profile, inputs[chosen], progress, seed) if enough else (),
        conditions=tuple(ConditionFound(name=context.name, frames=context.n) for context in profile.contexts),
        cost=None if profile.impact is None else cost_found(cost, profile.impact.reference_accuracy),
    )


def _detectable(
    runnable: Runnable,
    spec: InputSpec,
    profile: Profile,
    inputs: NDArray[np.float32],
    progress: Progress | None,
    seed: int,
) -> tuple[Detectable, ...]:
    observed = observe(runnable.engine, runnable.artifact, spec.kind, inputs)
    told = progress or SilentProgress()
    return detectability(
        profile,
        observed.signals(profile.embedding),
        observed.predicted,
        threshold=threshold(_RATE_HZ, 1, _PER_MONTH, SHARES["e_bank"]),
        seed=seed,
        on_signal=lambda done, total: told.step("drift", done, total, "smallest shifts that are found"),
    )
