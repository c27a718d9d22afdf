from __future__ import annotations

from dataclasses import replace

import numpy as np

from converter.spiking.study import StudyLimits, study
from edge_models.quantize import dequantize
from edge_models.spiking.network import Neurons
from edge_models.spiking.ranges import INT32_MAX, bounds
from edge_models.spiking.reference import Reference
from tests.assets.spiking import frames, network


def test_a_study_tells_everything_of_a_network_of_plain_spikes() -> None:
    net = network(7, coding="if", steps=4, kind="conv")
    assert net.input.quant is not None
    x = frames(net, 8, 20)
    inputs = dequantize((x + net.input.quant.zero_point).astype(np.uint8), net.input)
    y = np.array([Reference(net).run(frame).logits.argmax() for frame in x])

    found = study(net, inputs, y, int8=None, seed=1, limits=StudyLimits(examples=16, seeds=2))

    assert found.robustness.spiking == 1
    assert found.robustness.examples == 16
    assert found.robustness.int8 is None
    assert len(found.robustness.faults) == 9
    assert found.early_exits[0].accuracy == 1
    assert [one.costs.process for one in found.energy] == ["45 nm", "7 nm"]


def test_a_large_network_is_asked_fewer_examples_but_never_too_few() -> None:
    net = network(7, coding="if", steps=4, kind="conv")
    limits = StudyLimits(examples=400, least=100, seeds=5, macs=3e11)

    asked = [limits.affordable(net, macs) for macs in (1_000_000, 8_000_000, 10**9)]

    assert asked == [400, 203, 100]  # 4 steps, 9 * 5 + 1 networks


def test_a_network_that_damage_takes_out_of_its_range_answers_nothing() -> None:
    net = network(7, kind="conv")
    first = net.nodes[0]
    assert isinstance(first, Neurons)
    room = (INT32_MAX - bounds(net)[0].total_high) // net.levels - 1000
    tight = replace(net, nodes=(replace(first, bias=first.bias + np.int32(room)), *net.nodes[1:]))
    inputs = np.zeros((8, *net.input.shape), np.float32)
    answer = Reference(tight).run(np.zeros(net.input_shape, np.int32)).logits.argmax()

    found = study(tight, inputs, np.full(8, answer), int8=None, seed=1, limits=StudyLimits(examples=8, seeds=2))

    assert found.robustness.spiking == 1
    assert 0.0 in {one.spiking_low for one in found.robustness.faults if one.fault == "bit flips"}
