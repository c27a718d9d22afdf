"""What an artifact's outputs say, in real values: class probabilities, or how unlike its reconstruction an input is.

classes          confidence, entropy and margin of the probabilities
reconstruction   reconstruction_error: the mean squared difference; above the artifact's threshold it is an anomaly
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from edge_models.manifest import Artifact
    from edge_models.signals.embedding import Embedding

OUTPUT_SIGNALS = ("confidence", "entropy", "margin")
"""Output signals of an artifact with classes."""
ANOMALY_SIGNALS = ("reconstruction_error",)
"""Output signals of an artifact that restores its input."""

_TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One input's answer.

    Attributes:
        predicted: Index of the label; None where the artifact tells no labels.
        confidence: Its probability; for anomalies a share that is 0.5 at the threshold.
        margin: Distance from the second most probable label.
        signals: The output signals in the order of ``output_signal_names``, (k,).
    """

    predicted: int | None
    confidence: float | None
    margin: float | None
    signals: NDArray[np.float64]


def output_signal_names(artifact: Artifact, embedding: Embedding | None = None) -> tuple[str, ...]:
    """Names of the output signals of an artifact, which follow the input signals in its profile.

    Args:
        artifact: What answers.
        embedding: Its profile's, for an artifact with an output of that role; without it there are no signals of it.
    """
    known = () if embedding is None or artifact.output("embedding") is None else embedding.signal_names
    if artifact.output("logits", "probabilities") is not None:
        return OUTPUT_SIGNALS + known
    return (ANOMALY_SIGNALS if artifact.output("reconstruction") is not None else ()) + known


def class_count(artifact: Artifact) -> int:
    """How many labels an artifact tells apart; 0 where it tells none."""
    classes = artifact.output("logits", "probabilities")
    if classes is not None:
        return math.prod(classes.spec.shape)
    return 0 if artifact.threshold is None else 2


def read_answer(
    artifact: Artifact,
    x: NDArray[np.float32],
    outputs: Mapping[str, NDArray[Any]],
    embedding: Embedding | None = None,
) -> Answer:
    """What the real-valued outputs for the preprocessed input ``x`` say; signals as ``output_signal_names`` names them.

    Raises:
        ValueError: The artifact's embedding is of another width than ``embedding``.
    """
    layer = None if embedding is None else artifact.output("embedding")
    known = np.empty(0)
    if embedding is not None and layer is not None:
        known = embedding.signals(outputs[layer.name].reshape(-1))
    chances = probabilities(artifact, outputs)
    if chances is not None:
        signals = output_signals(chances)
        confidence, _, margin = signals.tolist()
        joined = np.concatenate((signals, known))
        return Answer(predicted=int(chances.argmax()), confidence=confidence, margin=margin, signals=joined)
    restored = artifact.output("reconstruction")
    if restored is None:
        return Answer(predicted=None, confidence=None, margin=None, signals=known)
    score = anomaly_score(x, outputs[restored.name])
    joined = np.concatenate(((score,), known))
    if artifact.threshold is None:
        return Answer(predicted=None, confidence=None, margin=None, signals=joined)
    share = anomaly_share(score, artifact.threshold)
    return Answer(
        predicted=int(score > artifact.threshold),
        confidence=max(share, 1.0 - share),
        margin=abs(2.0 * share - 1.0),
        signals=joined,
    )


def anomaly_score(x: NDArray[Any], reconstruction: NDArray[Any]) -> float:
    """Mean squared difference of one preprocessed input and its reconstruction, whatever their axes.

    Examples:
        >>> anomaly_score(np.array([[1.0, 2.0]]), np.array([1.0, 4.0]))
        2.0
    """
    return float(anomaly_scores(x[None], reconstruction[None])[0])


def anomaly_scores(xs: NDArray[Any], reconstructions: NDArray[Any]) -> NDArray[np.float64]:
    """The anomaly score of each of n inputs (n, ...) with reconstructions of as many numbers, shape (n,)."""
    shape = len(xs), math.prod(xs.shape[1:])
    difference = xs.reshape(shape).astype(np.float64) - reconstructions.reshape(shape)
    return np.asarray((difference * difference).mean(axis=1))


def anomaly_share(score: float, threshold: float) -> float:
    """The score as a share in 0..1 that rises with it and is 0.5 at the threshold.

    Examples:
        >>> [anomaly_share(score, 2.0) for score in (0.0, 2.0, 6.0)]
        [0.0, 0.5, 0.75]
    """
    return score / (score + threshold) if score else 0.0


def output_signals(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Confidence, entropy (0..1) and margin of class probabilities (..., c), shape (..., 3).

    Examples:
        >>> output_signals(np.array([0.5, 0.5])).round(3).tolist()
        [0.5, 1.0, 0.0]
    """
    p = np.asarray(probabilities, np.float64)
    top = np.partition(p, p.shape[-1] - 2, axis=-1) if p.shape[-1] > 1 else np.concatenate([np.zeros_like(p), p], -1)
    entropy = -(p * np.log(np.maximum(p, _TINY))).sum(-1) / math.log(max(p.shape[-1], 2))
    signals = np.empty((*p.shape[:-1], 3))  # a stack costs as much as all of this
    signals[..., 0] = top[..., -1]
    signals[..., 1] = entropy
    signals[..., 2] = top[..., -1] - top[..., -2]
    return signals


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities along the last axis.

    Examples:
        >>> softmax(np.array([0.0, 0.0])).tolist()
        [0.5, 0.5]
    """
    z = np.asarray(logits, np.float64)
    e = np.exp(z - z.max(-1, keepdims=True))
    return np.asarray(e / e.sum(-1, keepdims=True))


def probabilities(artifact: Artifact, outputs: Mapping[str, NDArray[Any]]) -> NDArray[np.float64] | None:
    """Class probabilities (c,) from an artifact's real-valued outputs; None if it has no classes."""
    output = artifact.output("logits", "probabilities")
    if output is None:
        return None
    values = np.asarray(outputs[output.name], np.float64).reshape(-1)
    if output.role == "logits":
        return softmax(values)
    values = np.clip(values, 0.0, None)  # int8 probabilities sum to 1 only within their step
    return np.asarray(values / max(float(values.sum()), _TINY))
