"""Step by step: integrate-and-fire, bit planes, and stopping when the answer is decided."""

from __future__ import annotations

import ctypes
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_models.spiking.kernel import Kernel
from edge_models.spiking.reference import Reference
from tests.assets import spiking

EXAMPLES = settings(max_examples=40)

seeds = st.integers(0, 1000)
kinds = st.sampled_from(spiking.KINDS)


@EXAMPLES
@given(seed=seeds, kind=kinds, steps=st.integers(1, 9), is_portable=st.booleans())
def test_integrate_and_fire_is_the_references(
    library: ctypes.CDLL, seed: int, kind: spiking.Kind, steps: int, is_portable: bool
) -> None:
    network = spiking.network(seed, coding="if", steps=steps, kind=kind, dtype="int8", zero_point=3)
    kernel = Kernel(network, library, is_portable=is_portable)
    reference = Reference(network)

    for frame in spiking.frames(network, seed, 3):
        expected = reference.run(frame)
        for answer in (kernel.run(frame), kernel.run_stepwise(frame)):
            np.testing.assert_array_equal(answer.logits, expected.logits)
            np.testing.assert_array_equal(answer.counts, expected.counts)


@EXAMPLES
@given(seed=seeds, kind=kinds, steps=st.integers(1, 8))
def test_bit_planes_give_what_whole_counts_give(
    library: ctypes.CDLL, seed: int, kind: spiking.Kind, steps: int
) -> None:
    network = spiking.network(seed, coding="radix", steps=steps, kind=kind)
    kernel = Kernel(network, library)

    for frame in spiking.frames(network, seed, 2):
        planes, counts = kernel.run_stepwise(frame), kernel.run(frame)
        np.testing.assert_array_equal(planes.logits, counts.logits)
        np.testing.assert_array_equal(planes.counts, counts.counts)


def test_steps_of_an_atf_network_are_those_of_coding_if(library: ctypes.CDLL) -> None:
    network = spiking.network(3, kind="conv")
    plain = Reference(dataclasses.replace(network, coding="if"))
    frame = spiking.frames(network, 0, 1)[0]

    np.testing.assert_array_equal(Kernel(network, library).run_stepwise(frame).logits, plain.run(frame).logits)


@EXAMPLES
@given(seed=seeds, kind=kinds, margin=st.integers(0, 600))
def test_an_early_exit_stops_where_the_reference_stops(
    library: ctypes.CDLL, seed: int, kind: spiking.Kind, margin: int
) -> None:
    network = spiking.network(seed, coding="if", steps=8, kind=kind)
    kernel, reference = Kernel(network, library), Reference(network)

    for frame in spiking.frames(network, seed, 3):
        answer, expected = kernel.run_early(frame, margin), reference.run_early(frame, margin)
        assert answer.steps == expected.steps
        np.testing.assert_array_equal(answer.logits, expected.logits)
        np.testing.assert_array_equal(answer.counts, expected.counts)


def test_early_exits_happen_at_different_steps(library: ctypes.CDLL) -> None:
    network = spiking.network(0, coding="if", steps=8)
    kernel = Kernel(network, library)

    steps = {kernel.run_early(frame, 100).steps for frame in spiking.frames(network, 0, 40)}

    assert len(steps) > 1


def test_early_exit_needs_coding_if_and_a_margin_that_can_be(library: ctypes.CDLL) -> None:
    frame = np.zeros((9, 8, 2), np.int32)

    with pytest.raises(ValueError, match="needs coding if, found atf"):
        Kernel(spiking.network(0), library).run_early(frame, 1)
    with pytest.raises(ValueError, match="margin is -1"):
        Kernel(spiking.network(0, coding="if"), library).run_early(frame, -1)
