"""Run an artifact over a data set on the runtime that devices use, frame by frame, from raw frame to answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.datasets.windows import ExampleInputs, Integers, cut, window_step
from converter.errors import DatasetError
from edge_models.bundle import Bundle
from edge_models.engines import open_engine
from edge_models.engines.port import Engine, infer
from edge_models.errors import InputError
from edge_models.manifest import Artifact, InputSpec
from edge_models.preprocess import as_delivered
from edge_models.signals import probabilities


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """What an artifact says to n inputs.

    Attributes:
        logits: Real-valued class scores (n, classes) float32.
        probabilities: (n, classes) float64.
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float64]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Winning class of each input, (n,)."""
        return np.asarray(self.logits.argmax(axis=1), np.int64)


def answers(engine: Engine, artifact: Artifact, inputs: NDArray[np.float32]) -> Answers:
    """Run preprocessed inputs (n, ...) one by one, as a device does."""
    output = artifact.output("logits", "probabilities")
    if output is None:
        raise DatasetError("the artifact has no class scores, so its accuracy cannot be measured")
    scores, shares = [], []
    for x in inputs:
        given = infer(engine, x)
        scores.append(given[output.name].reshape(-1))
        shares.append(probabilities(artifact, given))
    return Answers(logits=np.stack(scores), probabilities=np.stack([share for share in shares if share is not None]))


def examples_of(
    spec: InputSpec, x: NDArray[Any], y: Integers, group: Integers | None
) -> tuple[NDArray[np.float32], Integers]:
    """Inputs and classes of labelled frames; where a device collects windows, those of each group.

    Raises:
        DatasetError: The frames are not what the source delivers, or too few for a window.
    """
    window = window_step(spec)
    try:
        x = as_delivered(x, spec)
        if window is not None:
            x, y, _ = cut(window, x, y, group)
            if not len(x):
                raise DatasetError(f"found too few rows for a window of {window.length}; bring longer recordings")
        return ExampleInputs(spec).batch(x), y
    except InputError as exc:
        raise DatasetError(str(exc)) from exc


def accuracy_of(bundle: Bundle, artifact_name: str, inputs: NDArray[np.float32], y: Integers) -> float:
    """Accuracy of one artifact of a bundle on model inputs.

    Raises:
        DatasetError: The labels are not the model's classes.
        EngineError: The artifact does not run here.
    """
    classes = len(bundle.manifest.labels)
    if classes and not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise DatasetError(f"found labels {y.min()} to {y.max()}, expected 0 to {classes - 1}")
    artifact = bundle.artifact(artifact_name)
    engine = open_engine(bundle, artifact_name)
    try:
        return float((answers(engine, artifact, inputs).predicted == y).mean())
    finally:
        engine.close()
