"""Run an artifact over inputs, one by one as a device does, and keep what the profile is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from edge_models.engines.port import infer
from edge_models.signals import (
    anomaly_scores,
    input_signals_batch,
    output_signals,
    probabilities,
    softmax,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from edge_models.engines.port import Engine
    from edge_models.manifest import Artifact
    from edge_models.signals import Embedding, Kind

_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Observed:
    """What an artifact makes of n inputs.

    Attributes:
        inputs: Signals of the inputs, (n, i).
        logits: Logits, or logarithms of the probabilities, (n, c); None for an artifact without classes.
        scores: Anomaly scores, (n,); None for an artifact that restores nothing.
        embeddings: (n, d); None for an artifact without an output of that role.
        predicted: Winning class, or 1 for an anomaly; None for an artifact that tells neither.
    """

    inputs: NDArray[np.float64]
    logits: NDArray[np.float64] | None
    scores: NDArray[np.float64] | None
    embeddings: NDArray[np.float32] | None
    predicted: NDArray[np.int64] | None

    def signals(self, embedding: Embedding | None) -> NDArray[np.float64]:
        """All signals (n, k), in the order of ``edge_models.signals.signal_names``."""
        parts = [self.inputs]
        if self.logits is not None:
            parts.append(output_signals(softmax(self.logits)))
        elif self.scores is not None:
            parts.append(self.scores[:, None])
        if embedding is not None and self.embeddings is not None:
            parts.append(embedding.signals(self.embeddings))
        return np.concatenate(parts, axis=1)


def observe(
    engine: Engine,
    artifact: Artifact,
    kind: Kind,
    inputs: NDArray[np.float32],
    told: Callable[[int], None] | None = None,
) -> Observed:
    """Run preprocessed inputs (n, ...), at least one; ``told`` hears after each how many are done.

    Raises:
        EngineError: The runtime gave up on the model.
    """
    wanted = {role: artifact.output(role) for role in ("embedding", "reconstruction")}
    found: dict[str, list[NDArray[np.float32]]] = {role: [] for role in wanted}
    chances = []
    for number, x in enumerate(inputs, start=1):
        given = infer(engine, x)
        for role, output in wanted.items():
            if output is not None:
                found[role].append(given[output.name].reshape(-1))
        output = artifact.output("logits")
        if output is not None:
            chances.append(given[output.name].reshape(-1).astype(np.float64))
        elif (shares := probabilities(artifact, given)) is not None:
            chances.append(np.log(np.maximum(shares, _TINY)))
        if told is not None:
            told(number)
    logits = np.stack(chances) if chances else None
    restored = np.stack(found["reconstruction"]) if found["reconstruction"] else None
    scores = None if restored is None else anomaly_scores(inputs, restored)
    return Observed(
        inputs=input_signals_batch(kind, inputs),
        logits=logits,
        scores=scores,
        embeddings=np.stack(found["embedding"]) if found["embedding"] else None,
        predicted=_predicted(artifact, logits, scores),
    )


def _predicted(
    artifact: Artifact, logits: NDArray[np.float64] | None, scores: NDArray[np.float64] | None
) -> NDArray[np.int64] | None:
    if logits is not None:
        return np.asarray(logits.argmax(axis=1), np.int64)
    if scores is None or artifact.threshold is None:
        return None
    return (scores > artifact.threshold).astype(np.int64)
