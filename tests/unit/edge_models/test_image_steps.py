"""Image steps beyond resizing; TensorFlow's numbers are an integration test."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_models.errors import ManifestError
from edge_models.manifest import CropStep, GreyscaleStep, InputSpec, StandardiseEachStep, Step
from edge_models.preprocess import Preprocessor
from edge_models.tensors import TensorSpec


def image(shape: tuple[int, ...], *steps: Step) -> Preprocessor:
    return Preprocessor(InputSpec(kind="image", source=TensorSpec(shape=shape, dtype="uint8"), preprocess=steps))


def test_a_crop_keeps_the_middle() -> None:
    preprocessor = image((5, 6), CropStep(height=2, width=2))

    x = preprocessor(np.arange(30, dtype=np.uint8).reshape(5, 6))

    assert preprocessor.output_shape == (2, 2, 1)
    assert x is not None
    assert x[..., 0].tolist() == [[8, 9], [14, 15]]


def test_a_crop_is_never_the_callers_own_picture() -> None:
    spec = InputSpec(kind="image", source=TensorSpec(shape=(4, 4, 1), dtype="float32"))
    preprocessor = Preprocessor(dataclasses.replace(spec, preprocess=(CropStep(height=2, width=2),)))
    picture = np.ones((4, 4, 1), np.float32)

    x = preprocessor(picture)
    picture[:] = 5

    assert x is not None
    assert x.max() == 1


def test_greyscale_weighs_green_most_and_keeps_white() -> None:
    preprocessor = image((1, 4, 3), GreyscaleStep())

    x = preprocessor(np.array([[[255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8))

    assert preprocessor.output_shape == (1, 4, 1)
    assert x is not None
    assert x.ravel().tolist() == pytest.approx([254.97, 76.22, 149.685, 29.07], abs=0.01)


def test_each_example_is_standardised_by_its_own_numbers() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 7, 5)).astype(np.uint8)

    x = image((7, 5), StandardiseEachStep()).batch(frames)

    assert x.mean(axis=(1, 2, 3)) == pytest.approx([0, 0, 0], abs=1e-6)
    assert x.std(axis=(1, 2, 3)) == pytest.approx([1, 1, 1], abs=1e-6)


def test_an_even_example_becomes_zero_and_not_infinite() -> None:
    x = image((7, 5), StandardiseEachStep())(np.full((7, 5), 9, np.uint8))

    assert x is not None
    assert not x.any()


@pytest.mark.parametrize(
    ("shape", "step", "message"),
    [
        ((5, 6), CropStep(height=6, width=6), "found a crop of 6 x 6 from 5 x 6"),
        ((5, 6), GreyscaleStep(), "found greyscale for 1 channels"),
        ((5, 6, 4), GreyscaleStep(), "expected red, green and blue"),
    ],
)
def test_steps_that_do_not_fit_the_picture_are_refused(shape: tuple[int, ...], step: Step, message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        image(shape, step)


@pytest.mark.parametrize("step", [CropStep(height=1, width=1), GreyscaleStep()])
def test_image_steps_are_for_images(step: Step) -> None:
    rows = InputSpec(kind="rows", source=TensorSpec(shape=(3,), dtype="float32"), preprocess=(step,))

    with pytest.raises(ManifestError, match="images only"):
        Preprocessor(rows)
