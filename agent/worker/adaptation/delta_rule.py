"""The delta rule on the readout: a local rule, some ten microseconds for a label.

The correction is linear in the features, o' = o + f W + b, which is the artifact's own readout with other weights, as
long as that is linear; so the weights of the readout need not be known. One label moves the answer to its example by
``rate`` times the error, whatever the size of the features. Labels are few, so each is learnt from again: with every
new one come ``replays`` of the last ones, in turn.

It is cheap, and weak where the features themselves break (another light, another microphone): there a retrained model
is the cure. It serves for class priors that shift and for habits of one site.

Reference: Widrow & Hoff, Adaptive switching circuits (1960); normalised as in Nagumo & Noda (1967).
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from agent.worker.adaptation.port import Example, Weights
from edge_models.signals.answer import softmax

DEFAULT_RATE = 0.5
DEFAULT_REPLAYS = 8
REPLAYED = 128  # examples kept for that; of 1024 features they take half a megabyte


class DeltaRule:
    """A linear correction of the logits; an ``agent.worker.adaptation.port.Adaptation``.

    Args:
        features: Length of an example's features.
        classes: Length of its logits.
        rate: Share of the error by which a label moves the answer to its example, 0 to 1.
        replays: Earlier labels that are learnt from again with each new one.

    Examples:
        >>> learner = DeltaRule(features=2, classes=2)
        >>> seen = Example(features=np.array([3.0, 0.0], np.float32), logits=np.array([1.0, 0.0]))
        >>> for _ in range(3):
        ...     learner.learn(seen, 1)
        >>> learner.predict(seen).round(2).tolist()
        [-0.26, 1.26]
    """

    name = "delta_rule"

    def __init__(
        self, *, features: int, classes: int, rate: float = DEFAULT_RATE, replays: int = DEFAULT_REPLAYS
    ) -> None:
        self._rate, self._replays = rate, replays
        self._seen: deque[tuple[Example, int]] = deque(maxlen=REPLAYED)
        self._weight = np.zeros((features, classes), np.float32)
        self._bias = np.zeros(classes, np.float32)

    def predict(self, example: Example) -> NDArray[np.float64]:
        """Corrected logits."""
        correction = example.features @ self._weight + self._bias
        return np.asarray(example.logits + correction)

    def learn(self, example: Example, label: int) -> None:
        """Move the answer to this example towards its true class, and some earlier ones towards theirs."""
        self._step(example, label)
        for _ in range(min(self._replays, len(self._seen))):
            self._step(*self._seen[0])
            self._seen.rotate(-1)
        self._seen.append((example, label))

    def _step(self, example: Example, label: int) -> None:
        error = softmax(self.predict(example))
        error[label] -= 1.0
        features = example.features
        step = self._rate * error / (1.0 + float(features @ features))
        self._weight -= np.outer(features, step).astype(np.float32)
        self._bias -= step.astype(np.float32)

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """What was learnt."""
        return {"weight": self._weight.copy(), "bias": self._bias.copy()}

    def restore(self, weights: Weights) -> None:
        """Go back to what was learnt then; the examples since are not learnt from again."""
        self._seen.clear()
        self._weight, self._bias = weights["weight"].copy(), weights["bias"].copy()
