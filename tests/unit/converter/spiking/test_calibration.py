from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.errors import DatasetError
from converter.spiking import forward
from converter.spiking.calibration import calibrate
from converter.spiking.float_network import FloatNetwork, FloatNeurons
from converter.spiking.input_codes import input_spec
from converter.spiking.integers import time_steps, to_network
from edge_models.quantize import quantize
from edge_models.spiking.network import Coding
from edge_models.spiking.reference import Reference
from tests.unit.converter.spiking.nets import KINDS, ceiling, float_network, images


def calibrated(network: FloatNetwork, inputs: NDArray[np.float32], coding: Coding, levels: int) -> FloatNetwork:
    return calibrate(network, inputs, coding=coding, levels=levels, rng=np.random.default_rng(0))


def integer_logits(
    network: FloatNetwork, inputs: NDArray[np.float32], coding: Coding, levels: int
) -> NDArray[np.float64]:
    spec = input_spec(inputs)
    assert spec.quant is not None
    steps = time_steps(coding, levels)
    integers = to_network(network, coding=coding, steps=steps, input=spec)
    codes = quantize(inputs, spec).astype(np.int32) - np.int32(spec.quant.zero_point)
    return Reference(integers).run_batch(codes)[0] * integers.readout.scale / integers.levels


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("coding", "levels"), [("atf", 8), ("radix", 7), ("if", 8)])
def test_integers_of_a_calibrated_network_answer_like_relu(kind: str, coding: Coding, levels: int) -> None:
    network, inputs = float_network(2, kind), images(2, 200)

    found = integer_logits(calibrated(network, inputs[:100], coding, levels), inputs[100:], coding, levels)

    expected = forward.logits(network, inputs[100:])
    lost = np.sqrt(np.mean((found - expected) ** 2)) / np.std(expected)
    assert lost < (0.35 if coding == "if" else 0.15)


def test_the_mean_of_the_logits_is_that_of_the_float_network() -> None:
    network, inputs = float_network(4), images(4, 100)

    answers = forward.logits(calibrated(network, inputs, "atf", 3), inputs, levels=3)

    expected = forward.logits(network, inputs)
    assert np.allclose(answers.mean(axis=0), expected.mean(axis=0), atol=1e-3)


def test_corrected_biases_bring_the_mean_of_every_channel_closer_than_ceilings_alone() -> None:
    network, inputs = float_network(5), images(5, 100)
    full = calibrated(network, inputs, "atf", 2)
    nodes = [
        replace(before, ceiling=ceiling(after)) if isinstance(before, FloatNeurons) else before
        for before, after in zip(network.nodes, full.nodes, strict=True)
    ]

    missed = [mean_missed(net, network, inputs) for net in (full, replace(network, nodes=tuple(nodes)))]

    assert missed[0] < 0.2 * missed[1]


def mean_missed(network: FloatNetwork, original: FloatNetwork, inputs: NDArray[np.float32]) -> float:
    (found,) = forward.batches(network, inputs, levels=2, size=len(inputs))
    (exact,) = forward.batches(original, inputs, size=len(inputs))
    return float(np.abs((found[3] - exact[3]).mean(axis=0)).mean())


def test_a_channel_that_never_fires_has_a_ceiling_all_the_same() -> None:
    network = float_network(6, "dense")
    hidden = network.nodes[0]
    assert isinstance(hidden, FloatNeurons)
    bias = hidden.bias.copy()
    bias[2] = -1e3
    network = replace(network, nodes=(replace(hidden, bias=bias, ceiling=None), *network.nodes[1:]))

    found = calibrated(network, images(6, 50), "atf", 4)

    assert ceiling(found.nodes[0])[2] > 0
    (values,) = forward.batches(found, images(7, 50), levels=4)
    assert (values[1][..., 2] == 0).all()


def test_the_same_seed_gives_the_same_network() -> None:
    network, inputs = float_network(8), images(8, 40)

    first, second = (forward.logits(calibrated(network, inputs, "atf", 4), inputs, levels=4) for _ in range(2))

    assert (first == second).all()


def test_without_examples_it_is_refused() -> None:
    with pytest.raises(DatasetError, match="found none"):
        calibrated(float_network(1), images(1, 0), "atf", 4)
