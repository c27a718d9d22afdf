from __future__ import annotations

import io

import nir
import numpy as np
import pytest

from converter.errors import ModelError
from converter.spiking.nir_graph import DIALECTS, Dialect, nir_file, nir_graph
from edge_models.spiking.arithmetic import LinearMap
from edge_models.spiking.network import Neurons, Synapses
from tests.assets.spiking import network


@pytest.mark.parametrize("coding", ["atf", "radix"])
def test_a_network_that_does_not_fire_step_by_step_is_refused(coding: str) -> None:
    with pytest.raises(ModelError, match=r"coding: found .*; build the bundle with spiking\.coding=if"):
        nir_graph(network(1, coding=coding), "sinabs-soft")  # type: ignore[arg-type]


def test_an_addition_is_refused_for_sinabs() -> None:
    with pytest.raises(ModelError, match="addition of 2 branches"):
        nir_graph(network(1, coding="if", kind="residual"), "sinabs-soft")


def test_a_kernel_that_no_zeros_make_a_square_is_refused_for_spikingjelly() -> None:
    with pytest.raises(ModelError, match="kernel: found"):
        nir_graph(network(1, coding="if", kind="conv"), "spikingjelly-hard")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_file_reads_back_with_what_stands_in_no_node(dialect: Dialect) -> None:
    exported = network(1, coding="if", steps=6, kind="conv1d")

    graph = nir.read(io.BytesIO(nir_file(nir_graph(exported, dialect))))

    assert graph.metadata["steps"] == 6
    assert graph.metadata["dialect"] == dialect
    assert graph.metadata["logit_scale"] == pytest.approx(exported.readout.scale / 6)
    assert graph.nodes["output"].output_type["output"].tolist() == [5]


def test_thresholds_are_ours_for_sinabs_and_one_for_spikingjelly() -> None:
    exported = network(1, coding="if", kind="dense")
    neurons = exported.nodes[0]
    assert isinstance(neurons, Neurons)

    soft = nir_graph(exported, "sinabs-soft").nodes["if_1"]
    hard = nir_graph(exported, "spikingjelly-hard").nodes["if_1"]

    assert soft.v_threshold.tolist() == neurons.threshold.tolist()
    assert soft.metadata["v_initial"].tolist() == (neurons.threshold // 2 + 0.5).tolist()
    assert set(hard.v_threshold.tolist()) == {1.0}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_kernel_that_grew_by_zeros_is_the_same_linear_map(dialect: Dialect) -> None:
    exported = network(1, coding="if", kind="depthwise" if dialect == "spikingjelly-hard" else "conv")
    source, node = next(
        (at, node)
        for at, node in enumerate(exported.nodes)
        if isinstance(node, Neurons) and node.synapses[0].padding not in {(0, 0, 0, 0), (1, 1, 1, 1)}
    )
    ours = node.synapses[0]
    theirs = nir_graph(exported, dialect).nodes[f"conv_{source + 1}_0"]
    scale = np.ones(node.shape[2]) if dialect == "sinabs-soft" else node.threshold - 0.5
    weight = np.rint(theirs.weight.transpose(2, 3, 1, 0) * scale).astype(np.int8)
    rows, columns = theirs.padding
    grown = Synapses(source=0, kind="conv", weight=weight, stride=ours.stride, padding=(rows, rows, columns, columns))
    shape = exported.shape_of(ours.source)
    x = np.random.default_rng(0).integers(0, 4, (3, *shape), np.int32)

    assert weight.shape[:2] != ours.weight.shape[:2]
    np.testing.assert_array_equal(LinearMap(grown, shape, 0, 4)(x), LinearMap(ours, shape, 0, 4)(x))
