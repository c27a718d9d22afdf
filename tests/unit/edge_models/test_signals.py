"""Drift signals: each one moves with what it is named after, and batches change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from edge_models.manifest import Artifact, OutputSpec, Probe, Requires
from edge_models.signals import (
    OUTPUT_SIGNALS,
    Kind,
    input_signal_names,
    input_signals,
    input_signals_batch,
    output_signals,
    probabilities,
    softmax,
)
from edge_models.tensors import TensorSpec


def bar(angle: str = "upright") -> NDArray[np.float32]:
    x = np.zeros((28, 28, 1), np.float32)
    for i in range(6, 22):
        x[i, {"upright": 14, "rising": 27 - i, "falling": i}[angle]] = 1
    return x


def signal(name: str, x: NDArray[np.float32]) -> float:
    return float(input_signals("image", x)[input_signal_names("image", x.shape).index(name)])


def test_brightness_moves_mean_and_bright() -> None:
    x = bar()

    assert signal("mean", x * 0.4) < signal("mean", x)
    assert signal("bright", x) == pytest.approx(16 / 784)
    assert signal("bright", x * 0.4) == 0
    assert signal("bright", 1 - x) == pytest.approx(1 - 16 / 784)


def test_contrast_moves_std_and_leaves_the_shape_alone() -> None:
    x = bar("rising")

    assert signal("std", 0.5 * x + 0.25) == pytest.approx(signal("std", x) / 2, rel=1e-5)
    for name in ("cx", "cy", "skew", "orient"):
        assert signal(name, 0.5 * x + 0.25) == pytest.approx(signal(name, x), abs=1e-4)


def test_blur_lowers_and_noise_raises_sharpness() -> None:
    x = bar()
    blurred = ((x + np.roll(x, 1, axis=1) + np.roll(x, -1, axis=1)) / 3).astype(np.float32)
    noisy = x + np.random.default_rng(0).normal(0, 0.2, x.shape).astype(np.float32)

    assert signal("sharp", blurred) < signal("sharp", x) < signal("sharp", noisy)


def test_a_shift_moves_the_centre_along_its_axis_only() -> None:
    right, down = np.roll(bar(), 3, axis=1), np.roll(bar(), 3, axis=0)

    assert signal("cx", right) == pytest.approx(signal("cx", bar()) + 6 / 27, abs=1e-5)
    assert signal("cy", right) == pytest.approx(signal("cy", bar()), abs=1e-5)
    assert signal("cy", down) == pytest.approx(signal("cy", bar()) + 6 / 27, abs=1e-5)


def test_a_rotation_moves_orientation() -> None:
    assert signal("orient", bar("falling")) == pytest.approx(1, abs=1e-3)
    assert signal("orient", bar("rising")) == pytest.approx(-1, abs=1e-3)
    assert signal("orient", bar()) == pytest.approx(0, abs=1e-3)


def test_light_at_the_edge_moves_border() -> None:
    x = np.zeros((28, 28), np.float32)
    x[:2] = 1

    assert signal("border", bar()) == 0
    assert signal("border", x) == pytest.approx(56 / (784 - 24 * 24))


def test_inversion_changes_the_sign_of_skew() -> None:
    assert signal("skew", bar()) > 1
    assert signal("skew", 1 - bar()) < -1


def test_a_colour_cast_moves_the_signals_of_channels_and_not_the_mean() -> None:
    grey = np.full((8, 8, 3), 0.5, np.float32)
    warm = (grey + np.array([0.2, 0.0, -0.2])).astype(np.float32)

    assert signal("mean", warm) == pytest.approx(signal("mean", grey))
    assert [signal(f"channel_{i}", warm) for i in range(3)] == pytest.approx([0.2, 0, -0.2], abs=1e-6)


def test_many_channels_and_one_channel_get_no_signals_of_their_own() -> None:
    assert input_signal_names("image", (8, 8, 5)) == input_signal_names("image", (8, 8, 1))
    assert input_signal_names("image", (8, 8, 4))[-1] == "channel_3"


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 1), (1, 9, 3), (28, 28, 1), (5, 4, 4)])
@pytest.mark.parametrize("value", [0.0, 1.0, -1e12, 1e12])
def test_an_even_frame_has_finite_signals(shape: tuple[int, ...], value: float) -> None:
    values = input_signals("image", np.full(shape, value, np.float32))

    assert np.isfinite(values).all()
    assert values.shape == (len(input_signal_names("image", shape)),)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("image", (28, 28, 1)),
        ("image", (9, 7, 3)),
        ("image", (9, 7)),
        ("rows", (3,)),
        ("rows", (40,)),
        ("rows", (50, 6)),
        ("rows", (50, 30)),
        ("audio", (4000,)),
        ("audio", (49, 10, 1)),
        ("audio", (62, 40)),
        ("audio", (1, 1)),
    ],
)
def test_one_by_one_and_in_a_batch_signals_are_the_same(kind: Kind, shape: tuple[int, ...]) -> None:
    xs = np.random.default_rng(0).normal(size=(17, *shape)).astype(np.float32)

    batch = input_signals_batch(kind, xs)

    assert batch.shape == (17, len(input_signal_names(kind, shape)))
    np.testing.assert_allclose(np.stack([input_signals(kind, x) for x in xs]), batch, rtol=1e-5, atol=1e-6)


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.integers(1, 5)),
        elements=st.floats(-(2.0**39), 2.0**39, width=32),
    )
)
def test_signals_of_any_image_are_finite(xs: NDArray[np.float32]) -> None:
    assert np.isfinite(input_signals_batch("image", xs)).all()


def test_rows_without_a_window_are_their_own_signals() -> None:
    np.testing.assert_array_equal(input_signals("rows", np.array([3, -1], np.float32)), [3, -1])


def test_a_window_gives_mean_and_std_of_each_column() -> None:
    window = np.array([[1, 5], [3, 5]], np.float32)

    assert input_signal_names("rows", window.shape) == ("mean_0", "mean_1", "std_0", "std_1")
    np.testing.assert_allclose(input_signals("rows", window), [2, 5, 1, 0])


def test_wide_rows_share_signals_between_neighbouring_columns() -> None:
    row = np.arange(24, dtype=np.float32)

    assert len(input_signal_names("rows", row.shape)) == 12
    np.testing.assert_allclose(input_signals("rows", row), np.arange(24).reshape(12, 2).mean(axis=1))


def test_confidence_entropy_and_margin_of_known_answers() -> None:
    given_probabilities = np.array([[1.0, 0, 0, 0], [0.25, 0.25, 0.25, 0.25], [0.5, 0.3, 0.2, 0]])

    values = output_signals(given_probabilities)

    assert OUTPUT_SIGNALS == ("confidence", "entropy", "margin")
    np.testing.assert_allclose(values[:2], np.array([[1, 0, 1], [0.25, 1, 0]]), atol=1e-9)
    assert values[2, 2] == pytest.approx(0.2)
    np.testing.assert_array_equal(output_signals(given_probabilities[2]), values[2])


def test_a_single_probability_has_signals_too() -> None:
    assert np.isfinite(output_signals(np.array([0.8]))).all()


@given(arrays.arrays(np.float32, st.integers(1, 20), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_softmax_of_any_logits_is_a_distribution(logits: NDArray[np.float32]) -> None:
    p = softmax(logits)

    assert p.sum() == pytest.approx(1)
    assert p.min() >= 0
    assert p[logits.argmax()] == p.max()


def artifact(role: str) -> Artifact:
    spec = TensorSpec(shape=(3,), dtype="float32")
    return Artifact(
        engine="tflite",
        file="m",
        requires=Requires(runtimes=()),
        input=spec,
        outputs=(OutputSpec(name="out", role=role, spec=spec),),  # type: ignore[arg-type]
        probe=Probe(file="p", count=1),
    )


def test_probabilities_come_from_the_output_that_has_them() -> None:
    values = np.array([0.0, 1.0, 3.0], np.float32)

    from_logits = probabilities(artifact("logits"), {"out": values})
    from_shares = probabilities(artifact("probabilities"), {"out": values})

    np.testing.assert_allclose(from_logits, softmax(values))  # type: ignore[arg-type]
    np.testing.assert_allclose(from_shares, [0, 0.25, 0.75])  # type: ignore[arg-type]
    assert probabilities(artifact("reconstruction"), {"out": values}) is None


def test_probabilities_that_are_all_zero_stay_finite() -> None:
    p = probabilities(artifact("probabilities"), {"out": np.zeros(3, np.float32)})

    assert p is not None
    assert np.isfinite(output_signals(p)).all()
