"""Run an artifact over a data set on the runtime that devices use, frame by frame, from raw frame to answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets.audio import fitted, resampled
from converter.datasets.windows import ExampleInputs, Integers, cut, window_step
from converter.errors import DatasetError
from converter.measure import Estimate, auc_estimate, wilson
from converter.preparation import in_batches
from edge_models.bundle import Bundle
from edge_models.engines import open_engine
from edge_models.engines.port import Engine, infer
from edge_models.errors import InputError
from edge_models.manifest import Artifact, InputSpec
from edge_models.preprocess import as_delivered
from edge_models.signals import output_signal_names, read_answer


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What an artifact says to n inputs.

    Attributes:
        signal_names: Its k output signals.
        signals: Their values, (n, k) float64.
        predicted: Winning class of each input, (n,); None for a model without classes.
    """

    signal_names: tuple[str, ...]
    signals: NDArray[np.float64]
    predicted: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """How good an artifact is on some examples.

    Attributes:
        n: Examples.
        accuracy: Share of right answers; None for a model that gives none.
        auc: Of the anomaly scores; None for other tasks, or where one kind of example is missing.
    """

    n: int
    accuracy: Estimate | None
    auc: Estimate | None


def answers(engine: Engine, artifact: Artifact, inputs: NDArray[np.float32]) -> Answers:
    """Run preprocessed inputs (n, ...) one by one, as a device does; at least one."""
    given = [read_answer(artifact, x, infer(engine, x)) for x in inputs]
    predicted = [answer.predicted for answer in given if answer.predicted is not None]
    return Answers(
        signal_names=output_signal_names(artifact),
        signals=np.stack([answer.signals for answer in given]),
        predicted=np.array(predicted, np.int64) if predicted else None,
    )


def examples_of(
    spec: InputSpec, x: NDArray[Any], y: Integers, group: Integers | None
) -> tuple[NDArray[np.float32], Integers, Integers | None]:
    """Inputs, classes and groups of labelled frames; where a device collects windows, those of each group.

    Raises:
        DatasetError: The frames are not what the source delivers, or too few for a window.
    """
    window = window_step(spec)
    try:
        x = as_delivered(x, spec)
        if window is not None:
            x, y, group = cut(window, x, y, group)
            if not len(x):
                raise DatasetError(f"found too few rows for a window of {window.length}; bring longer recordings")
        return in_batches(ExampleInputs(spec), x, np.arange(len(x))), y, group
    except InputError as exc:
        raise DatasetError(str(exc)) from exc


def at_the_models_rate(spec: InputSpec, x: NDArray[Any], rate_hz: float | None) -> tuple[NDArray[Any], str | None]:
    """Recorded sound at the rate and of the length that the model's source delivers, and what was done to it.

    Args:
        spec: Of the model; data that are no whole clips of sound come back as they are.
        x: Clips (n, samples).
        rate_hz: Their rate; None where it is not known, which counts as the model's.
    """
    if spec.kind != "audio" or len(spec.source.shape) != 1 or x.ndim != 2 or x.dtype.kind != "f":
        return x, None
    said = []
    clips = [np.asarray(clip, np.float32) for clip in x]
    if rate_hz is not None and spec.rate_hz is not None and rate_hz != spec.rate_hz:
        clips = [resampled(clip, rate_hz, spec.rate_hz) for clip in clips]
        said.append(f"resampled from {rate_hz:g} to {spec.rate_hz:g} samples in a second")
    found, wanted = len(clips[0]), spec.source.shape[0]
    if found != wanted:
        clips = [fitted(clip, wanted) for clip in clips]
        done = "filled with silence" if found < wanted else "cut to their loudest part"
        said.append(f"clips of {found} samples {done}, {wanted} samples")
    return np.stack(clips), ", ".join(said) or None


def evaluate(
    bundle: Bundle, name: str, inputs: NDArray[np.float32], y: Integers
) -> Callable[[NDArray[np.bool_]], Evaluated]:
    """Run one artifact of a bundle over model inputs; what comes back tells how good it is on any part of them.

    Raises:
        DatasetError: The labels are not the model's classes, or the artifact gives no answers.
        EngineError: The artifact does not run here.
    """
    classes = len(bundle.manifest.labels)
    if classes and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise DatasetError(f"found labels {y.min()} to {y.max()}, expected 0 to {classes - 1}")
    artifact = bundle.artifact(name)
    engine = open_engine(bundle, name)
    try:
        given = answers(engine, artifact, inputs)
    finally:
        engine.close()
    scores = None if artifact.output("reconstruction") is None else given.signals[:, 0]
    if scores is None and given.predicted is None:
        raise DatasetError(f"artifact {name} gives no answers, only {artifact.outputs[0].role}; it cannot be evaluated")

    def of(chosen: NDArray[np.bool_]) -> Evaluated:
        there = y[chosen]
        both = scores is not None and len(np.unique(there)) == 2
        right = None if given.predicted is None else int((given.predicted[chosen] == there).sum())
        return Evaluated(
            n=len(there),
            accuracy=None if right is None else wilson(right, len(there)),
            auc=auc_estimate(scores[chosen], there) if both and scores is not None else None,
        )

    return of
