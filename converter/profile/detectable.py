"""What a device with this artifact will notice, measured on examples that the profile does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from converter.profile.observation import observe
from converter.progress import SilentProgress
from converter.report.findings import DriftFound
from edge_models.drift import SHARES, threshold
from edge_models.drift.detectability import detectability

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from converter.artifact import Runnable
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
    progress: Progress | None = None,
    seed: int = 0,
) -> DriftFound | None:
    """The smallest shift of each signal that is found in time; None with too few examples to tell.

    Args:
        runnable: The artifact that the profile was taken through.
        spec: Of its input.
        profile: Its reference.
        inputs: Preprocessed examples of the test part, (n, ...).
        progress: Hears of each signal.
        seed: Which examples are taken, and what is drawn of them.
    """
    if len(inputs) < MIN_FRAMES:
        return None
    chosen = np.sort(np.random.default_rng(seed).permutation(len(inputs))[:MAX_FRAMES])
    observed = observe(runnable.engine, runnable.artifact, spec.kind, inputs[chosen])
    told = progress or SilentProgress()
    found = detectability(
        profile,
        observed.signals(profile.embedding),
        observed.predicted,
        threshold=threshold(_RATE_HZ, 1, _PER_MONTH, SHARES["e_bank"]),
        seed=seed,
        on_signal=lambda done, total: told.step("drift", done, total, "smallest shifts that are found"),
    )
    return DriftFound(false_alarms_per_month=_PER_MONTH, rate_hz=_RATE_HZ, frames=len(chosen), signals=found)
