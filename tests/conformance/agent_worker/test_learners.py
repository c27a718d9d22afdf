"""What every learner must keep to stand behind the adaptation port, whatever it learns by."""

from __future__ import annotations

import numpy as np
import pytest

from agent.config import AdaptationConfig
from agent.worker.adaptation.guard import Guard
from agent.worker.adaptation.port import Adaptation, Example
from agent.worker.adaptation.registry import BUILDERS, learner
from agent.worker.adaptation.saved import saved_bytes

FEATURES, CLASSES = 12, 4


@pytest.fixture(params=sorted(BUILDERS))
def fresh(request: pytest.FixtureRequest) -> Adaptation:
    return made(request.param)


def made(name: str) -> Adaptation:
    return learner({"name": name})(FEATURES, CLASSES)


def examples(n: int, *, seed: int = 0, size: float = 3.0) -> list[tuple[Example, int]]:
    """Inputs whose true class is the one after the artifact's answer."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        answer = int(rng.integers(CLASSES))
        features = rng.integers(0, 3, FEATURES).astype(np.float32)
        features[answer] += 4
        logits = np.where(np.arange(CLASSES) == answer, size, 0.0) + rng.normal(0, 0.1, CLASSES)
        found.append((Example(features=features, logits=logits), (answer + 1) % CLASSES))
    return found


def test_one_that_has_learnt_nothing_says_what_the_artifact_says(fresh: Adaptation) -> None:
    assert all((fresh.predict(example) == example.logits).all() for example, _ in examples(20))


def test_labels_move_answers_towards_the_truth(fresh: Adaptation) -> None:
    for example, label in examples(200):
        fresh.learn(example, label)

    right = [int(fresh.predict(example).argmax()) == label for example, label in examples(50, seed=1)]
    assert np.mean(right) > 0.9


def test_asking_changes_nothing(fresh: Adaptation) -> None:
    (example, label), *_ = examples(1)
    fresh.learn(example, label)
    before = fresh.weights()

    answers = [fresh.predict(example).tolist() for _ in range(3)]

    assert answers[0] == answers[1] == answers[2]
    assert all((fresh.weights()[name] == weights).all() for name, weights in before.items())


def test_weights_are_a_copy_and_bring_everything_back(fresh: Adaptation) -> None:
    seen = examples(30)
    untouched, empty = made(fresh.name), fresh.weights()
    for example, label in seen:
        fresh.learn(example, label)

    other = made(fresh.name)
    other.restore(fresh.weights())

    assert all((other.predict(example) == fresh.predict(example)).all() for example, _ in seen)
    fresh.restore(empty)
    assert all((fresh.predict(example) == untouched.predict(example)).all() for example, _ in seen)


def test_weights_always_have_the_same_names_shapes_and_dtype(fresh: Adaptation) -> None:
    before = {name: weights.shape for name, weights in fresh.weights().items()}
    for example, label in examples(30):
        fresh.learn(example, label)

    after = fresh.weights()
    assert {name: weights.shape for name, weights in after.items()} == before
    assert {weights.dtype for weights in after.values()} == {np.dtype(np.float32)}
    assert saved_bytes(after) > 0


def test_the_same_labels_give_the_same_learner(fresh: Adaptation) -> None:
    twin = made(fresh.name)
    for example, label in examples(40):
        fresh.learn(example, label)
        twin.learn(example, label)

    assert all((twin.weights()[name] == weights).all() for name, weights in fresh.weights().items())


@pytest.mark.parametrize("size", [0.0, 1e-6, 1e6])
def test_features_of_any_size_leave_it_finite(fresh: Adaptation, size: float) -> None:
    example = Example(features=np.full(FEATURES, size, np.float32), logits=np.array([40.0, 0.0, -40.0, 0.0]))
    for label in [1, 2, 3, 0] * 50:
        fresh.learn(example, label)

    assert np.isfinite(fresh.predict(example)).all()


def test_the_guard_needs_no_more_than_the_port(fresh: Adaptation) -> None:
    guard = Guard(lambda: made(fresh.name), AdaptationConfig())

    changes = [guard.learn(example, label) for example, label in examples(200)]

    assert guard.rev > 0
    assert next(change for change in changes if change is not None).why == "learnt"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"name": "perceptron"}, "found name 'perceptron', expected one of delta_rule"),
        ({}, "found name None"),
        ({"name": "delta_rule", "rate": 2}, "found rate 2"),
        ({"name": "delta_rule", "rate": "fast"}, "found rate 'fast'"),
        ({"name": "delta_rule", "replays": -1}, "found replays -1"),
        ({"name": "delta_rule", "speed": 1}, "found speed, expected rate and replays only"),
        ({"name": "head", "prior": 0}, "found prior 0"),
        ({"name": "head", "prior": True}, "found prior True"),
        ({"name": "head", "rate": 1}, "found rate, expected prior only"),
    ],
)
def test_a_learner_that_does_not_exist_is_refused_with_what_does(item: dict[str, object], expected: str) -> None:
    from agent.worker.errors import LearnerError

    with pytest.raises(LearnerError, match=expected):
        learner(item)
