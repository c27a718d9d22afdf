from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from converter.errors import DatasetError
from converter.spiking.energy import COSTS, energy_estimate
from converter.spiking.operations import count_operations
from edge_models.spiking.network import Network, Neurons, Readout, Synapses
from edge_models.spiking.reference import Reference
from edge_models.tensors import QuantParams, TensorSpec
from tests.assets.spiking import frames, network


def chain(coding: str, steps: int, hidden: list[list[int]], threshold: int) -> Network:
    """Two inputs, two neurons, two classes: small enough to count by hand."""
    first = Neurons(
        name="hidden",
        shape=(1, 1, 2),
        synapses=(Synapses(source=0, kind="dense", weight=np.array(hidden, np.int8)),),
        bias=np.zeros(2, np.int32),
        threshold=np.full(2, threshold, np.int32),
    )
    last = Readout(
        name="readout",
        shape=(1, 1, 2),
        synapses=(Synapses(source=1, kind="dense", weight=np.array([[3, 0], [1, 2]], np.int8)),),
        bias=np.zeros(2, np.int32),
        scale=1.0,
    )
    spec = TensorSpec(shape=(2,), dtype="uint8", quant=QuantParams(scale=1 / 255, zero_point=0))
    return Network(coding=coding, steps=steps, input=spec, input_shape=(1, 1, 2), nodes=(first, last))  # type: ignore[arg-type]


X = np.array([[[[10, 0]]]], np.int32)  # the second input is silent


@pytest.mark.parametrize(
    ("coding", "steps", "macs", "acs", "unary"),
    [
        ("atf", 4, 2 + 3, 0, 3 * 1 + 1 * 2),  # counts 3 and 1: two values meet 1 + 2 weights
        ("if", 4, 2, 3 * 1 + 1 * 2, 3 * 1 + 1 * 2),
        ("radix", 2, 2, 2 * 1 + 1 * 2, 2 * 1 + 1 * 2),  # 3 = 11, 1 = 01 of two planes
    ],
)
def test_operations_are_those_counted_by_hand(coding: str, steps: int, macs: int, acs: int, unary: int) -> None:
    net = chain(coding, steps, [[3, 1], [1, 1]], 30 if coding == "radix" else 40)

    found = count_operations(net, X)

    counts = Reference(net).run(X[0]).counts
    assert counts.tolist() == [3, 1]
    assert (found.effective_macs, found.effective_acs, found.unary_acs) == (macs, acs, unary)
    assert found.dense_macs == 8


def test_sparsity_is_the_share_of_zero_weights_and_of_silent_neurons() -> None:
    found = count_operations(chain("atf", 4, [[3, 0], [1, 0]], 40), X)

    assert found.connection_sparsity == 3 / 8
    assert found.activation_sparsity == 0.5
    assert found.footprint_bytes == 8 + 4 * (2 + 2 + 2)


def test_steps_without_a_spike_count_as_silent() -> None:
    found = count_operations(chain("if", 4, [[3, 1], [1, 1]], 40), X)

    assert found.activation_sparsity == 1 - 4 / 8


@pytest.mark.parametrize("kind", ["conv", "residual", "depthwise", "conv1d"])
@pytest.mark.parametrize(("coding", "steps"), [("atf", 4), ("radix", 3), ("if", 4)])
def test_operations_stay_within_the_dense_ones_times_the_steps(kind: str, coding: str, steps: int) -> None:
    net = network(5, coding=coding, steps=steps, kind=kind)  # type: ignore[arg-type]

    found = count_operations(net, frames(net, 6, 3))

    assert 0 < found.effective_macs <= found.dense_macs
    assert found.effective_acs <= found.dense_macs * steps * 64  # a pool hands on all spikes of its window
    assert (found.effective_acs == 0) == (coding == "atf")
    assert 0 < found.activation_sparsity < 1


def test_energy_is_operations_times_published_costs() -> None:
    found = count_operations(chain("if", 4, [[3, 1], [1, 1]], 40), X)

    estimate = energy_estimate(found, COSTS[0])

    assert estimate.spiking_uj == pytest.approx((2 * 0.3 + 5 * 0.1) / 1e6)
    assert estimate.below_int8 == pytest.approx(8 * 0.3 / 1.1)
    assert estimate.below_float32 == pytest.approx(8 * 4.6 / 1.1)


def test_every_layer_that_reads_the_input_multiplies_however_counts_are_sent() -> None:
    first, last = chain("if", 4, [[3, 1], [1, 1]], 40).nodes
    assert isinstance(first, Neurons)
    assert isinstance(last, Readout)
    wire = Synapses(source=0, kind="depthwise", weight=np.ones((1, 1, 2), np.int8))
    around = replace(first, name="around", synapses=(replace(first.synapses[0], source=1), wire))
    end = replace(last, synapses=(replace(last.synapses[0], source=2),))
    net = replace(chain("if", 4, [[3, 1], [1, 1]], 40), nodes=(first, around, end))

    found = count_operations(net, X)
    estimate = energy_estimate(found, COSTS[0])

    assert found.input_macs == found.effective_macs == 2 + 1
    assert estimate.unary_uj == pytest.approx(estimate.spiking_uj)  # single spikes already


def test_without_examples_it_is_refused() -> None:
    with pytest.raises(DatasetError, match="found none"):
        count_operations(chain("atf", 4, [[3, 1], [1, 1]], 40), X[:0])
