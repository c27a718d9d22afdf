"""Delta execution: exact in every frame of every stream, whatever moved."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_models.spiking.kernel import Kernel
from edge_models.spiking.network import Coding, Network
from edge_models.spiking.reference import Reference
from tests.assets import spiking

EXAMPLES = settings(max_examples=60)

seeds = st.integers(0, 1000)
kinds = st.sampled_from(spiking.KINDS)
codings = st.sampled_from([("atf", 4), ("atf", 15), ("radix", 4), ("if", 3)])


def stream(network: Network, seed: int, count: int) -> NDArray[np.int32]:
    """Frames in which nothing, one place, a patch, noise, or everything changes; the first one is dark."""
    rng = np.random.default_rng(seed)
    fresh = spiking.frames(network, seed, count)
    frames = np.zeros_like(fresh)
    height, width, _ = network.input_shape
    for index in range(1, count):
        frames[index] = frames[index - 1]
        row, column = rng.integers(height), rng.integers(width)
        match rng.integers(5):
            case 1:
                frames[index, row, column] = fresh[index, row, column]
            case 2:
                frames[index, row : row + 3, column : column + 3] = fresh[index, row : row + 3, column : column + 3]
            case 3:
                noise = rng.integers(-9, 10, network.input_shape)
                frames[index] = np.clip(frames[index] + noise, fresh.min(), fresh.max())
            case 4:
                frames[index] = fresh[index]
    return frames


@EXAMPLES
@given(seed=seeds, kind=kinds, coding=codings, is_portable=st.booleans())
def test_every_frame_is_exactly_a_full_run(
    library: ctypes.CDLL, seed: int, kind: spiking.Kind, coding: tuple[Coding, int], is_portable: bool
) -> None:
    network = spiking.network(seed, coding=coding[0], steps=coding[1], kind=kind, dtype="int8", zero_point=-7)
    kernel = Kernel(network, library, is_portable=is_portable)
    reference = Reference(network)

    for index, frame in enumerate(stream(network, seed, 12)):
        answer, expected = kernel.run_delta(frame, threshold=index % 2), reference.run(frame)
        np.testing.assert_array_equal(answer.logits, expected.logits)
        np.testing.assert_array_equal(answer.counts, expected.counts)


@EXAMPLES
@given(seed=seeds, kind=kinds, coding=codings, threshold=st.integers(2, 40))
def test_send_on_delta_is_a_full_run_of_the_held_input(
    library: ctypes.CDLL, seed: int, kind: spiking.Kind, coding: tuple[Coding, int], threshold: int
) -> None:
    network = spiking.network(seed, coding=coding[0], steps=coding[1], kind=kind)
    kernel, reference = Kernel(network, library), Reference(network)
    frames = stream(network, seed, 8)
    held = frames[0]

    for frame in frames:
        held = np.where(np.abs(frame - held) >= threshold, frame, held)
        answer, expected = kernel.run_delta(frame, threshold), reference.run(held)
        np.testing.assert_array_equal(answer.logits, expected.logits)
        np.testing.assert_array_equal(answer.counts, expected.counts)


def test_the_first_frame_is_taken_as_it_is(library: ctypes.CDLL) -> None:
    network = spiking.network(5)
    frame = np.full(network.input_shape, 30, np.int32)

    answer = Kernel(network, library).run_delta(frame, threshold=100)

    np.testing.assert_array_equal(answer.logits, Reference(network).run(frame).logits)


def test_a_dark_first_frame_fires_what_the_biases_make_fire(library: ctypes.CDLL) -> None:
    network = spiking.network(5)
    frame = np.zeros(network.input_shape, np.int32)
    expected = Reference(network).run(frame)
    assert expected.counts.any(), "the case needs neurons that fire in the dark"

    np.testing.assert_array_equal(Kernel(network, library).run_delta(frame).counts, expected.counts)


@pytest.mark.parametrize("coding", spiking.CODINGS)
def test_after_a_reset_nothing_of_the_stream_is_left(library: ctypes.CDLL, coding: Coding) -> None:
    network = spiking.network(5, coding=coding)
    first, second = spiking.frames(network, 1, 2)
    near = np.clip(first + 4, 0, 255).astype(np.int32)
    kernel = Kernel(network, library)
    kernel.run_delta(second)
    kernel.run_delta(first, threshold=10)

    kernel.reset()

    np.testing.assert_array_equal(kernel.run_delta(near, threshold=10).logits, Reference(network).run(near).logits)


def test_stills_in_between_do_not_disturb_a_stream(library: ctypes.CDLL) -> None:
    network = spiking.network(5)
    kernel, alone = Kernel(network, library), Kernel(network, library)

    for frame, other in zip(stream(network, 1, 10), spiking.frames(network, 2, 10), strict=True):
        kernel.run(other)
        kernel.run_stepwise(other)
        np.testing.assert_array_equal(
            kernel.run_delta(frame, threshold=20).logits, alone.run_delta(frame, threshold=20).logits
        )


def test_an_answer_that_is_returned_again_cannot_be_written_to(library: ctypes.CDLL) -> None:
    network = spiking.network(0)
    kernel = Kernel(network, library)
    frame = spiking.frames(network, 0, 1)[0]

    kernel.run_delta(frame)

    with pytest.raises(ValueError, match="read-only"):
        kernel.run_delta(frame).logits[0] = 1


def test_a_value_that_is_no_code_leaves_the_stream_as_it_was(library: ctypes.CDLL) -> None:
    network = spiking.network(0)
    kernel = Kernel(network, library)
    frame = spiking.frames(network, 0, 1)[0]
    expected = kernel.run_delta(frame).logits
    bad = np.zeros_like(frame)
    bad[-1, -1, -1] = 256

    with pytest.raises(ValueError, match="outside the codes"):
        kernel.run_delta(bad)

    np.testing.assert_array_equal(kernel.run_delta(frame).logits, expected)


def test_a_threshold_that_cannot_be_is_refused(library: ctypes.CDLL) -> None:
    network = spiking.network(0)

    with pytest.raises(ValueError, match="threshold is -1"):
        Kernel(network, library).run_delta(np.zeros(network.input_shape, np.int32), threshold=-1)
