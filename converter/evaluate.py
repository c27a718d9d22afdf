"""Run an artifact over a data set on the runtime that devices use, frame by frame, from raw frame to answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.errors import DatasetError
from edge_models.bundle import Bundle
from edge_models.engines import open_engine
from edge_models.engines.port import Engine, infer
from edge_models.errors import InputError
from edge_models.manifest import Artifact
from edge_models.preprocess import Preprocessor
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


def accuracy_of(bundle: Bundle, artifact_name: str, x: NDArray[Any], y: NDArray[np.int64]) -> float:
    """Accuracy of one artifact of a bundle on raw frames.

    Raises:
        DatasetError: The frames are not what the model's source delivers, or the labels not its classes.
        EngineError: The artifact does not run here.
    """
    if int(y.max()) >= len(bundle.manifest.labels) or int(y.min()) < 0:
        raise DatasetError(f"found labels {y.min()} to {y.max()}, expected 0 to {len(bundle.manifest.labels) - 1}")
    try:
        inputs = Preprocessor(bundle.manifest.input).batch(x)
    except InputError as exc:
        raise DatasetError(str(exc)) from exc
    engine = open_engine(bundle, artifact_name)
    try:
        return float((answers(engine, bundle.artifact(artifact_name), inputs).predicted == y).mean())
    finally:
        engine.close()
