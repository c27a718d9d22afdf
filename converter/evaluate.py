"""Run an artifact over a data set on the runtime that devices use, frame by frame, from raw frame to answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets.windows import ExampleInputs, Integers, cut, window_step
from converter.errors import DatasetError
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
        return ExampleInputs(spec).batch(x), y, group
    except InputError as exc:
        raise DatasetError(str(exc)) from exc
