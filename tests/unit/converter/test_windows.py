"""The converter sees exactly the windows that a device would see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.datasets.windows import ExampleInputs, cut, window_step
from edge_models.errors import InputError
from edge_models.manifest import InputSpec, NormaliseStep, ScaleStep, Step, WindowStep
from edge_models.preprocess import Preprocessor
from edge_models.tensors import TensorSpec
from tests.unit.converter.recordings import recordings, rows

STANDARDISE = NormaliseStep(op="standardise", mean=(0.5, -1.0), std=(2.0, 0.5))


def spec(*steps: Step) -> InputSpec:
    return InputSpec(kind="rows", source=TensorSpec(shape=(2,), dtype="float32"), preprocess=steps)


def device_windows(told: InputSpec, x: Any) -> list[Any]:
    """What a device makes of one recording, row by row."""
    device = Preprocessor(told)
    return [made for row in x if (made := device(row)) is not None]


@given(st.integers(1, 12), st.integers(1, 15), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_windows_are_those_of_a_device_that_starts_with_each_recording(
    length: int, stride: int, lengths: list[int]
) -> None:
    told = spec(ScaleStep(factor=3.0), WindowStep(length=length, stride=stride), STANDARDISE)
    group = np.repeat(np.arange(len(lengths)), lengths)
    x, y = rows(len(group), 2, classes=3)

    windows, classes, groups = cut(WindowStep(length=length, stride=stride), x, y, group)

    assert groups is not None
    expected = [made for name in range(len(lengths)) for made in device_windows(told, x[group == name])]
    assert len(windows) == len(classes) == len(groups) == len(expected)
    if expected:
        np.testing.assert_allclose(ExampleInputs(told).batch(windows), np.stack(expected), rtol=1e-6)


def test_a_window_has_the_class_and_group_of_its_last_row() -> None:
    x, y, group = recordings(count=2, length=6)

    windows, classes, groups = cut(WindowStep(length=4, stride=2), x, y, group)

    np.testing.assert_array_equal(windows, np.stack([x[0:4], x[2:6], x[6:10], x[8:12]]))
    assert classes.tolist() == y[[3, 5, 9, 11]].tolist()
    assert groups is not None
    assert groups.tolist() == [0, 0, 1, 1]


def test_a_group_that_comes_back_begins_a_recording_anew() -> None:
    x, y = rows(9, 2)

    windows, _, _ = cut(WindowStep(length=3, stride=1), x, y, np.array([1, 1, 1, 2, 2, 2, 1, 1, 1]))

    np.testing.assert_array_equal(windows, np.stack([x[0:3], x[3:6], x[6:9]]))


def test_recordings_shorter_than_a_window_give_none() -> None:
    x, y, group = recordings(count=3, length=5)

    windows, classes, _ = cut(WindowStep(length=6, stride=1), x, y, group)

    assert (windows.shape, len(classes)) == ((0, 6, 2), 0)


def test_without_a_window_examples_are_frames() -> None:
    x, _ = rows(5, 2)

    np.testing.assert_array_equal(ExampleInputs(spec(STANDARDISE)).batch(x), Preprocessor(spec(STANDARDISE)).batch(x))


@pytest.mark.parametrize("shape", [(4, 2), (3, 4, 2), (6, 1), (3, 2, 3)])
def test_examples_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    inputs = ExampleInputs(spec(WindowStep(length=3, stride=1)))

    with pytest.raises(InputError, match=r"expected \(3, 2\)"):
        inputs.batch(np.zeros(shape, np.float32))


def test_the_window_step_is_found() -> None:
    step = WindowStep(length=3, stride=1)

    assert window_step(spec(ScaleStep(factor=1.0), step)) == step
    assert window_step(spec(STANDARDISE)) is None
