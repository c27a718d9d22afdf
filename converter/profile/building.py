"""The reference profile of an artifact, taken through the artifact itself on the runtime of the device."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from converter.errors import ConversionError
from converter.profile.calibration import fitted_temperature
from converter.profile.impact import STRENGTHS, WINDOW, ShiftRow, learnt_impact, made_up, seen_frames, windows
from converter.profile.observation import Observed, observe
from converter.profile.shifts import families
from converter.progress import SilentProgress
from edge_models.profile import Profile, build_profile, identified
from edge_models.signals import measured_embedding, signal_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from converter.artifact import Runnable
    from converter.progress import Progress
    from edge_models.manifest import InputSpec

MIN_IMPACT_FRAMES = 100  # fewer cannot tell a loss of ten points

_LARGE_INPUT = 1 << 14  # numbers; models of such inputs take milliseconds for each
_SLOW_ENGINES = ("spiking",)  # where its kernel is not compiled
_FEW_FRAMES = 150
_FEW_STRENGTHS = (0.2, 0.5, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taken:
    """A profile, and how well its model of what shifts cost did on kinds of shifts that it had not seen.

    Attributes:
        profile: The reference.
        cost: A row for each window, by a model that never saw its family; empty where no such model was learnt.
    """

    profile: Profile
    cost: tuple[ShiftRow, ...] = ()


def take_profile(
    runnable: Runnable,
    spec: InputSpec,
    inputs: NDArray[np.float32],
    classes: int,
    *,
    y: NDArray[np.int64] | None = None,
    groups: Mapping[str, NDArray[np.bool_]] | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> Taken:
    """The reference profile of held-out inputs.

    Args:
        runnable: The artifact.
        spec: Of its input.
        inputs: Preprocessed, (n, ...).
        classes: Number of labels.
        y: Class of each input, (n,); without it nothing is calibrated and no impact learnt.
        groups: Which inputs, (n,), are of each condition; None for one condition.
        progress: Hears of each family of shifts.
        seed: Of what chance decides.

    Raises:
        ConversionError: The artifact answers with what is no finite number.
    """
    artifact = runnable.artifact
    observed = observe(runnable.engine, artifact, spec.kind, inputs)
    _refuse_what_is_not_finite(observed, runnable.name)
    embedding = None
    if observed.embeddings is not None and len(inputs) > 1:
        embedding = measured_embedding(observed.embeddings)
    labelled = None if observed.logits is None else y
    temperature = 1.0
    if labelled is not None and observed.logits is not None:
        temperature = fitted_temperature(observed.logits, labelled)
    profile = build_profile(
        signal_names(spec.kind, inputs.shape[1:], artifact, embedding),
        observed.signals(embedding),
        observed.predicted,
        classes,
        groups=groups,
        embedding=embedding,
        truth=None if observed.predicted is None else y,
        temperature=temperature,
        artifact_sha256=hashlib.sha256(runnable.data).hexdigest(),
        runtime=runnable.engine.runtime,
    )
    if labelled is None or len(inputs) < MIN_IMPACT_FRAMES:
        return Taken(profile=profile)
    return _with_impact(profile, runnable, spec, inputs, labelled, observed, progress or SilentProgress(), seed)


def _refuse_what_is_not_finite(observed: Observed, name: str) -> None:
    for values in (observed.inputs, observed.scores, observed.logits, observed.embeddings):
        if values is None:
            continue
        wrong = int((~np.isfinite(values).reshape(len(values), -1).all(axis=1)).sum())
        if wrong:
            raise ConversionError(
                f"artifact {name}: found {wrong} of {len(values)} held-out inputs whose signals or answers are no "
                "finite numbers, expected finite ones; look at the data, and at the learning rate of the network"
            )


def _with_impact(
    profile: Profile,
    runnable: Runnable,
    spec: InputSpec,
    inputs: NDArray[np.float32],
    y: NDArray[np.int64],
    observed: Observed,
    progress: Progress,
    seed: int,
) -> Taken:
    rng = np.random.default_rng(seed)
    is_slow = inputs[0].size >= _LARGE_INPUT or runnable.artifact.engine in _SLOW_ENGINES
    count = min(len(inputs), _FEW_FRAMES if is_slow else WINDOW)
    chosen = np.sort(rng.choice(len(inputs), count, replace=False))
    of = families(spec.kind, inputs)
    names = [family.name for family in of]

    def told(name: str) -> None:
        progress.step("impact", names.index(name) + 1, len(names), name)

    shifts = made_up(
        profile,
        lambda x: observe(runnable.engine, runnable.artifact, spec.kind, x),
        inputs[chosen],
        y[chosen],
        of,
        rng,
        strengths=_FEW_STRENGTHS if is_slow else STRENGTHS,
        told=told,
    )
    if len({shift.family for shift in shifts}) < 2:
        return Taken(profile=profile)
    clean = seen_frames(profile, observed, y)
    model, rows = learnt_impact(windows(profile.contexts, clean, shifts, seed), observed.inputs.shape[1])
    return Taken(profile=identified(replace(profile, impact=model)), cost=rows)
