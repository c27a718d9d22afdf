"""Graphs of every form, every way of execution, both widths of vectors."""

from __future__ import annotations

import ctypes
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_models.errors import NetworkError
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.network import Coding, Synapses
from edge_models.spiking.program import event_budget
from edge_models.spiking.ranges import INT16_MAX
from tests.assets import spiking
from tests.unit.edge_models.spiking_kernel.comparison import CODINGS, assert_same
from tests.unit.edge_models.spiking_kernel.graphs import random_graph
from tests.unit.edge_models.spiking_kernel.hostile_headers import run_hostile

EXAMPLES = settings(max_examples=150)


@EXAMPLES
@given(
    seed=st.integers(0, 10_000),
    coding=st.sampled_from(CODINGS),
    is_portable=st.booleans(),
)
def test_any_graph_is_executed_as_the_reference_does(
    library: ctypes.CDLL, seed: int, coding: tuple[Coding, int], is_portable: bool
) -> None:
    network = random_graph(seed, coding=coding[0], steps=coding[1])

    assert_same(network, library, seed=seed, is_portable=is_portable)


@given(
    seed=st.integers(0, 1000), inputs=st.integers(1, 60), largest=st.integers(1, 700), scale=st.sampled_from([9, 128])
)
def test_a_budget_is_the_most_events_that_fit_16_bits(seed: int, inputs: int, largest: int, scale: int) -> None:
    weight = np.random.default_rng(seed).integers(-scale, scale, (inputs, 3), dtype=np.int8)

    budget = event_budget(Synapses(source=1, kind="dense", weight=weight), 0, largest)

    worst = -np.sort(-np.abs(weight.astype(int)), axis=0) * largest
    assert budget <= inputs
    assert worst[:budget].sum(axis=0).max() <= INT16_MAX
    assert budget == inputs or worst[: budget + 1].sum(axis=0).max() > INT16_MAX


def test_a_network_that_cannot_be_exact_is_refused(library: ctypes.CDLL) -> None:
    network = spiking.network(0)
    readout = dataclasses.replace(network.readout, bias=np.full(5, 2**31 - 1, np.int32))

    with pytest.raises(NetworkError, match="readout can reach"):
        Kernel(dataclasses.replace(network, nodes=(*network.nodes[:-1], readout)), library)


def test_of_files_with_lying_headers_those_that_load_are_exact(library: ctypes.CDLL) -> None:
    assert run_hostile(library, 200) > 10
