"""The head on the embedding: few labels move little, many move as far as they have to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agent.worker.adaptation.head import KEPT, Head
from agent.worker.adaptation.port import Example

FEATURES, CLASSES = 16, 4


def stream(n: int, *, seed: int, size: float = 1.0) -> list[tuple[Example, int]]:
    """Features whose classes lie apart, and an artifact that cannot tell them apart any more."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(0, 1, (CLASSES, FEATURES))
    found = []
    for _ in range(n):
        label = int(rng.integers(CLASSES))
        features = size * (centres[label] + rng.normal(0, 0.5, FEATURES))
        logits = np.array([4.0, 0.0, 0.0, 0.0]) + rng.normal(0, 0.5, CLASSES)
        found.append((Example(features=features.astype(np.float32), logits=logits), label))
    return found


def accuracy(learner: Head, seen: list[tuple[Example, int]]) -> float:
    return float(np.mean([int(learner.predict(example).argmax()) == label for example, label in seen]))


def taught(n: int, *, size: float = 1.0, prior: float = 3.0) -> Head:
    learner = Head(features=FEATURES, classes=CLASSES, prior=prior)
    for example, label in stream(n, seed=1, size=size):
        learner.learn(example, label)
    return learner


def test_it_learns_what_the_artifact_lost() -> None:
    assert accuracy(taught(0), stream(300, seed=2)) < 0.4
    assert accuracy(taught(80), stream(300, seed=2)) > 0.95


def test_the_unit_of_the_features_does_not_matter() -> None:
    small, large = taught(60, size=1e-3), taught(60, size=1e3)

    assert accuracy(small, stream(300, seed=2, size=1e-3)) == accuracy(large, stream(300, seed=2, size=1e3))


def test_one_label_moves_less_than_many() -> None:
    (example, _), *_ = stream(1, seed=3)

    def moved(n: int) -> float:
        return float(np.abs(taught(n).predict(example) - example.logits).max())

    assert moved(1) < moved(20) < moved(100)


def test_a_strong_prior_keeps_the_artifact_and_a_weak_one_leaves_it() -> None:
    def weight(prior: float) -> float:
        return float(np.abs(taught(40, prior=prior).weights()["weight"]).max())

    assert weight(1000.0) < weight(3.0) < weight(0.01)


def test_a_thousand_labels_of_one_class_keep_everything_finite() -> None:
    learner = Head(features=FEATURES, classes=CLASSES)
    for example, _ in stream(KEPT + 50, seed=4):
        learner.learn(example, 2)

    assert all(np.isfinite(weights).all() for weights in learner.weights().values())
    assert accuracy(learner, [(example, 2) for example, _ in stream(50, seed=5)]) == 1.0


def test_features_that_are_all_nothing_teach_the_bias_only() -> None:
    learner = Head(features=FEATURES, classes=CLASSES)
    nothing: NDArray[np.float32] = np.zeros(FEATURES, np.float32)
    for _ in range(20):
        learner.learn(Example(features=nothing, logits=np.zeros(CLASSES)), 1)

    assert not learner.weights()["weight"].any()
    assert int(learner.weights()["bias"].argmax()) == 1
