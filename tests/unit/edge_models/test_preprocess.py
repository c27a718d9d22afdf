"""Preprocessing: the same numbers one by one, in batches, and as written in the manifest."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_models.errors import InputError, ManifestError
from edge_models.manifest import InputSpec, NormaliseStep, ResizeStep, ScaleStep, Step, WindowStep
from edge_models.preprocess import Preprocessor, resize_bilinear
from edge_models.tensors import Dtype, QuantParams, TensorSpec


def image(shape: tuple[int, ...], *steps: Step, dtype: Dtype = "uint8") -> Preprocessor:
    return Preprocessor(InputSpec(kind="image", source=TensorSpec(shape=shape, dtype=dtype), preprocess=steps))


def rows(columns: int, *steps: Step) -> Preprocessor:
    return Preprocessor(InputSpec(kind="rows", source=TensorSpec(shape=(columns,), dtype="float32"), preprocess=steps))


def one_by_one(preprocessor: Preprocessor, frames: NDArray[Any]) -> list[NDArray[np.float32]]:
    preprocessor.reset()
    return [x for frame in frames if (x := preprocessor(frame)) is not None]


def test_images_come_out_with_a_channel_axis_in_float32() -> None:
    grey, colour = image((4, 5)), image((4, 5, 3), ResizeStep(height=2, width=3))

    assert grey.output_shape == (4, 5, 1)
    assert colour.output_shape == (2, 3, 3)
    x = grey(np.arange(20, dtype=np.uint8).reshape(4, 5))
    assert x is not None
    assert x.shape == (4, 5, 1)
    assert x.dtype == np.float32
    assert x[3, 4, 0] == 19


def test_scale_and_normalise_do_what_they_say() -> None:
    steps = (ScaleStep(factor=0.5, offset=1.0), NormaliseStep(op="normalise", mean=(1.0, 2.0), std=(1.0, 4.0)))
    x = image((1, 1, 2), *steps)(np.array([[[4, 6]]], np.uint8))

    np.testing.assert_allclose(x, [[[2.0, 0.5]]])  # type: ignore[arg-type]


def test_one_mean_stands_for_all_columns() -> None:
    x = rows(3, NormaliseStep(op="standardise", mean=(1.0,), std=(2.0,)))(np.array([1.0, 3.0, 5.0]))

    np.testing.assert_allclose(x, [0.0, 1.0, 2.0])  # type: ignore[arg-type]


def test_steps_run_in_the_order_of_the_manifest() -> None:
    doubled, shifted = ScaleStep(factor=2.0), ScaleStep(factor=1.0, offset=1.0)

    assert rows(1, doubled, shifted)(np.array([1.0])) == [3.0]
    assert rows(1, shifted, doubled)(np.array([1.0])) == [4.0]


def test_a_quantised_source_is_read_as_what_its_codes_stand_for() -> None:
    source = TensorSpec(shape=(2,), dtype="int8", quant=QuantParams(scale=0.5, zero_point=-1))
    x = Preprocessor(InputSpec(kind="rows", source=source))(np.array([-1, 3], np.int8))

    assert x is not None
    np.testing.assert_array_equal(x, [0.0, 2.0])


def test_a_window_comes_out_when_it_is_full_and_then_every_stride() -> None:
    windows = one_by_one(rows(1, WindowStep(length=3, stride=2)), np.arange(8.0)[:, None])

    assert [window[:, 0].tolist() for window in windows] == [[0, 1, 2], [2, 3, 4], [4, 5, 6]]


def test_a_stride_above_the_length_skips_rows() -> None:
    windows = one_by_one(rows(1, WindowStep(length=2, stride=3)), np.arange(8.0)[:, None])

    assert [window[:, 0].tolist() for window in windows] == [[0, 1], [3, 4], [6, 7]]


def test_an_input_is_never_the_callers_own_array() -> None:
    frame = np.ones(2, np.float32)
    x = rows(2)(frame)
    frame[:] = 5

    assert x is not None
    assert x.tolist() == [1, 1]


def test_reset_forgets_the_rows_of_an_unfinished_window() -> None:
    preprocessor = rows(1, WindowStep(length=2, stride=1))
    preprocessor(np.array([1.0]))
    preprocessor.reset()

    assert preprocessor(np.array([2.0])) is None
    assert preprocessor(np.array([3.0])) is not None


def test_earlier_windows_are_left_alone() -> None:
    preprocessor = rows(1, WindowStep(length=2, stride=1))
    row = np.array([1.0], np.float32)
    preprocessor(row)
    row[0] = 2.0
    first = preprocessor(row)
    row[0] = 9.0
    preprocessor(row)

    assert first is not None
    assert first[:, 0].tolist() == [1.0, 2.0]


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 6),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 3)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
)
def test_images_are_the_same_one_by_one_and_in_a_batch(
    seed: int, n: int, shape: tuple[int, int, int], size: tuple[int, int]
) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (n, *shape)).astype(np.uint8)
    mean, std = tuple(range(shape[2])), (0.5,) * shape[2]
    steps = (
        ResizeStep(height=size[0], width=size[1]),
        ScaleStep(factor=1 / 255),
        NormaliseStep(op="normalise", mean=mean, std=std),
    )
    preprocessor = image(shape, *steps)

    batch = preprocessor.batch(frames)

    assert batch.shape == (n, *preprocessor.output_shape)
    assert batch.dtype == np.float32
    for single, together in zip(one_by_one(preprocessor, frames), batch, strict=True):
        np.testing.assert_array_equal(single, together)


@given(st.integers(0, 2**32 - 1), st.integers(0, 30), st.integers(1, 5), st.integers(1, 6), st.integers(1, 7))
def test_windows_are_the_same_one_by_one_and_in_a_batch(
    seed: int, n: int, columns: int, length: int, stride: int
) -> None:
    frames = np.random.default_rng(seed).normal(size=(n, columns)).astype(np.float32)
    standardise = NormaliseStep(op="standardise", mean=(0.5,) * columns, std=(2.0,) * columns)
    preprocessor = rows(columns, standardise, WindowStep(length=length, stride=stride), ScaleStep(factor=3.0))

    batch = preprocessor.batch(frames)

    assert batch.shape[1:] == preprocessor.output_shape == (length, columns)
    singles = one_by_one(preprocessor, frames)
    assert len(singles) == len(batch)
    for single, together in zip(singles, batch, strict=True):
        np.testing.assert_array_equal(single, together)


def test_a_batch_leaves_the_memory_of_the_stream_alone() -> None:
    preprocessor = rows(1, WindowStep(length=2, stride=1))
    preprocessor(np.array([1.0]))

    preprocessor.batch(np.ones((5, 1)))

    window = preprocessor(np.array([2.0]))
    assert window is not None
    assert window[:, 0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("frame", [np.zeros((4, 4), np.uint8), np.zeros((5, 4), np.uint8), np.zeros(20, np.uint8)])
def test_a_frame_of_another_shape_is_refused(frame: NDArray[Any]) -> None:
    with pytest.raises(InputError, match=r"expected \(4, 5\)"):
        image((4, 5))(frame)


@pytest.mark.parametrize("dtype", ["float32", "int16", "int8", "bool", "object", "U1", "complex64"])
def test_a_uint8_source_refuses_other_dtypes(dtype: str) -> None:
    with pytest.raises(InputError, match="expected uint8"):
        image((2, 2))(np.zeros((2, 2), dtype))


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "uint8", "bool"])
def test_a_float_source_takes_any_real_numbers(dtype: str) -> None:
    x = rows(2)(np.ones(2, dtype))

    assert x is not None
    assert x.dtype == np.float32


@pytest.mark.parametrize("dtype", ["object", "U1", "complex64", "M8[s]"])
def test_a_float_source_refuses_what_is_no_number(dtype: str) -> None:
    with pytest.raises(InputError, match="expected float32"):
        rows(2)(np.zeros(2, dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, 1e13])
def test_values_that_nothing_can_be_computed_with_are_refused(value: float) -> None:
    frame = np.array([1.0, value])

    with pytest.raises(InputError, match="NaN, infinite or huge"):
        rows(2, ScaleStep(factor=1.0))(frame)
    with pytest.raises(InputError, match="NaN, infinite or huge"):
        rows(2, WindowStep(length=5, stride=1)).batch(frame[None])


def test_what_overflows_in_a_step_behind_the_window_is_refused_too() -> None:
    steps, frames = (WindowStep(length=2, stride=1), ScaleStep(factor=1e30)), np.full((2, 1), 1e10)

    with pytest.raises(InputError, match="NaN, infinite or huge"):
        rows(1, *steps).batch(frames)
    with pytest.raises(InputError, match="NaN, infinite or huge"):
        one_by_one(rows(1, *steps), frames)


def test_a_deviation_below_the_smallest_float_is_refused_with_the_frame() -> None:
    with pytest.raises(InputError, match="NaN, infinite or huge"):
        rows(2, NormaliseStep(op="standardise", mean=(0.0,), std=(1e-300,)))(np.array([1.0, 0.0]))


@pytest.mark.parametrize(
    ("kind", "shape", "steps", "message"),
    [
        ("image", (4,), (), "of an image"),
        ("image", (4, 4, 3, 1), (), "of an image"),
        ("rows", (), (), "at least one"),
        ("rows", (3,), (ResizeStep(height=1, width=1),), "images only"),
        ("image", (4, 4), (WindowStep(length=2, stride=1),), "rows or audio only"),
        ("rows", (3,), (WindowStep(length=2, stride=1),) * 2, r"preprocess\[1\]: found a second window"),
        ("rows", (3,), (NormaliseStep(op="standardise", mean=(0, 0), std=(1, 1)),), "expected 1 or 3"),
    ],
)
def test_steps_that_do_not_fit_are_refused_before_the_first_frame(
    kind: Any, shape: tuple[int, ...], steps: tuple[Step, ...], message: str
) -> None:
    with pytest.raises(ManifestError, match=message):
        Preprocessor(InputSpec(kind=kind, source=TensorSpec(shape=shape, dtype="float32"), preprocess=steps))


def test_resizing_to_the_same_size_changes_nothing() -> None:
    images = np.random.default_rng(0).random((2, 7, 5, 3)).astype(np.float32)

    np.testing.assert_array_equal(resize_bilinear(images, 7, 5), images)


def test_resizing_up_and_down_by_two_has_the_known_half_pixel_values() -> None:
    ramp = np.arange(4, dtype=np.float32).reshape(1, 1, 4, 1)

    np.testing.assert_allclose(resize_bilinear(ramp, 1, 8).ravel(), [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])
    np.testing.assert_allclose(resize_bilinear(ramp, 1, 2).ravel(), [0.5, 2.5])


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 40), st.integers(1, 40))
def test_resizing_stays_within_the_range_of_the_image(h: int, w: int, height: int, width: int) -> None:
    images = np.random.default_rng(h * 100 + w).random((1, h, w, 1)).astype(np.float32)

    resized = resize_bilinear(images, height, width)

    assert resized.shape == (1, height, width, 1)
    assert images.min() - 1e-6 <= resized.min()
    assert resized.max() <= images.max() + 1e-6
