"""What an artifact's outputs say about classes and anomalies."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_models.manifest import Artifact, OutputSpec, Probe, Requires
from edge_models.signals import (
    ANOMALY_SIGNALS,
    OUTPUT_SIGNALS,
    anomaly_scores,
    anomaly_share,
    output_signal_names,
    read_answer,
)
from edge_models.tensors import TensorSpec

Role = Literal["logits", "probabilities", "embedding", "reconstruction"]
X = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)


def artifact(role: Role, threshold: float | None = None) -> Artifact:
    spec = TensorSpec(shape=(4,), dtype="float32")
    return Artifact(
        engine="fake",
        file="m",
        requires=Requires(runtimes=()),
        input=TensorSpec(shape=(2, 2), dtype="float32"),
        outputs=(OutputSpec(name="out", role=role, spec=spec),),
        probe=Probe(file="p", count=1),
        threshold=threshold,
    )


def restored(difference: float) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return {"out": (X.reshape(-1) + np.float32(difference)).astype(np.float32)}


@pytest.mark.parametrize(("difference", "label"), [(0.0, 0), (1.9, 0), (2.0, 0), (2.1, 1)])
def test_an_input_is_an_anomaly_when_its_error_is_above_the_threshold(difference: float, label: int) -> None:
    answer = read_answer(artifact("reconstruction", 4.0), X, restored(difference))

    assert answer.predicted == label
    assert answer.signals.tolist() == pytest.approx([difference**2], rel=1e-6)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e6))
def test_the_share_of_an_anomaly_rises_with_its_error_through_a_half_at_the_threshold(
    a: float, b: float, threshold: float
) -> None:
    low, high = sorted((a, b))

    assert 0 <= anomaly_share(low, threshold) <= anomaly_share(high, threshold) <= 1
    assert (anomaly_share(high, threshold) > 0.5) <= (high > threshold)


@pytest.mark.parametrize("threshold", [1e-3, 1e-12, 1e-15])
def test_the_share_is_a_half_at_the_smallest_thresholds_too(threshold: float) -> None:
    assert anomaly_share(threshold, threshold) == 0.5
    assert anomaly_share(0.0, 0.0) == 0.0


def test_confidence_and_margin_say_how_far_the_threshold_is() -> None:
    near, far = (read_answer(artifact("reconstruction", 4.0), X, restored(d)) for d in (2.0, 6.0))

    assert (near.confidence, near.margin) == pytest.approx((0.5, 0.0))
    assert (far.confidence, far.margin) == pytest.approx((0.9, 0.8))


def test_without_a_threshold_there_is_a_signal_and_no_label() -> None:
    answer = read_answer(artifact("reconstruction"), X, restored(3.0))

    assert (answer.predicted, answer.confidence, answer.margin) == (None, None, None)
    assert answer.signals.tolist() == [9.0]


def test_classes_keep_their_signals() -> None:
    answer = read_answer(artifact("logits"), X, {"out": np.array([0.0, 5.0, 0.0, 0.0])})

    assert answer.predicted == 1
    assert answer.confidence == answer.signals[0] > 0.9
    assert answer.margin == answer.signals[2]


def test_an_embedding_says_nothing() -> None:
    answer = read_answer(artifact("embedding"), X, restored(0.0))

    assert answer.predicted is None
    assert answer.signals.shape == (0,)


def test_names_fit_the_values() -> None:
    names = {role: output_signal_names(artifact(role)) for role in ("logits", "probabilities", "reconstruction")}

    assert names == {"logits": OUTPUT_SIGNALS, "probabilities": OUTPUT_SIGNALS, "reconstruction": ANOMALY_SIGNALS}
    assert output_signal_names(artifact("embedding")) == ()


def test_scores_of_many_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    xs, restorations = rng.random((5, 3, 2)).astype(np.float32), rng.random((5, 6)).astype(np.float32)

    scores = anomaly_scores(xs, restorations)

    assert scores == pytest.approx([((x.ravel() - r) ** 2).mean() for x, r in zip(xs, restorations, strict=True)])
