"""A head of its own on the embedding: logistic regression on the last labels, held back by the artifact's own answer.

The corrected logits are ``sharpness * logits + features @ weight + bias``. What is minimised over the examples at hand
is their cross-entropy plus a Gaussian prior around the weights that the learner began with (none, or those restored):

    sum over n examples of -log p(label)  +  prior / 2 * |W - W0|^2

so that few labels move little and many move as far as they have to (maximum a posteriori estimation; Bishop, Pattern
Recognition and Machine Learning, 2006, section 4.5). Features are divided by their root mean square first: one prior
fits every artifact. With each label come a few steps of accelerated gradient descent (Nesterov 1983) over all examples
at hand, which start where the last ones ended. A label costs about a millisecond; it is meant for labels that people
give.

It is a bridge until a retrained model arrives. What it won is told with every revision (``Change``).
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from agent.worker.adaptation.port import Example, Weights
from edge_models.signals.answer import softmax

DEFAULT_PRIOR = 3.0
KEPT = 256  # examples that are learnt from; of 512 features they take half a megabyte
STEPS = 6  # with each label
_MOMENTUM = 0.9
_SIZE = 64.0  # squared norm that an average example is brought to
_SHARPNESS_RATE = 0.02
_TINY = 1e-12


class Head:
    """Logistic regression on top of the artifact's answer; an ``agent.worker.adaptation.port.Adaptation``.

    Args:
        features: Length of an example's features.
        classes: Length of its logits.
        prior: How strongly the weights are held; larger learns slower and forgets less of the artifact.

    Examples:
        >>> learner = Head(features=2, classes=2)
        >>> seen = Example(features=np.array([3.0, 0.0], np.float32), logits=np.array([1.0, 0.0]))
        >>> for _ in range(3):
        ...     learner.learn(seen, 1)
        >>> int(learner.predict(seen).argmax())
        1
    """

    name = "head"

    def __init__(self, *, features: int, classes: int, prior: float = DEFAULT_PRIOR) -> None:
        self._prior = prior
        self._classes = classes
        self._examples: deque[tuple[Example, int]] = deque(maxlen=KEPT)
        self._weight = np.zeros((features, classes), np.float32)
        self._bias = np.zeros(classes, np.float32)
        self._sharpness = np.ones(1, np.float32)
        self._start = self._weight
        self._speed = np.zeros_like(self._weight)

    def predict(self, example: Example) -> NDArray[np.float64]:
        """Corrected logits."""
        correction = example.features @ self._weight + self._bias
        return np.asarray(float(self._sharpness[0]) * example.logits + correction)

    def learn(self, example: Example, label: int) -> None:
        """Take one more example, and fit those at hand a little better."""
        self._examples.append((example, label))
        features = np.stack([kept.features for kept, _ in self._examples]).astype(np.float32)
        logits = np.stack([kept.logits for kept, _ in self._examples])
        truth = np.eye(self._classes)[[label for _, label in self._examples]]
        scale = math.sqrt(_SIZE / max(float((features * features).sum(axis=1).mean()), _TINY))
        for _ in range(STEPS):
            self._step(features, logits, truth, scale)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """What was learnt."""
        return {"weight": self._weight.copy(), "bias": self._bias.copy(), "sharpness": self._sharpness.copy()}

    def restore(self, weights: Weights) -> None:
        """Go back to what was learnt then, which is also what holds from now on; the examples since are forgotten."""
        self._examples.clear()
        self._weight, self._bias = weights["weight"].copy(), weights["bias"].copy()
        self._sharpness = weights["sharpness"].copy()
        self._start = self._weight.copy()
        self._speed = np.zeros_like(self._weight)

    def _step(
        self, features: NDArray[np.float32], logits: NDArray[np.float64], truth: NDArray[np.float64], scale: float
    ) -> None:
        """One step on all examples: features (n, f), logits and truth (n, c); features count ``scale`` times."""
        n = len(features)
        error = softmax(self._sharpness[0] * logits + features @ self._weight + self._bias) - truth
        pull = self._prior / n * (self._weight - self._start) / scale
        gradient = scale * (features.T @ error.astype(np.float32)) / n + pull
        rate = scale / (0.5 * _SIZE + self._prior / n)  # gradient in scaled weights, step in those of the features
        self._speed = (_MOMENTUM * self._speed - rate * gradient).astype(np.float32)
        self._weight = self._weight + self._speed
        self._bias = (self._bias - 0.5 * error.mean(axis=0)).astype(np.float32)
        slope = float((error * logits).sum()) / n
        self._sharpness = np.maximum(self._sharpness - np.float32(_SHARPNESS_RATE * slope), np.float32(0.0))
