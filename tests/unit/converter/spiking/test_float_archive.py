"""A float network comes back from its file as it was."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from converter.spiking.float_archive import from_npz, to_npz
from converter.spiking.float_network import (
    FloatNetwork,
    FloatNeurons,
    FloatPool,
    FloatReadout,
    FloatSynapses,
)
from converter.spiking.forward import logits

rng = np.random.default_rng(0)


def normal(*shape: int) -> NDArray[np.float32]:
    return rng.normal(size=shape).astype(np.float32)


NETWORK = FloatNetwork(
    input_shape=(6, 6, 2),
    nodes=(
        FloatNeurons(
            name="first",
            shape=(3, 6, 4),
            synapses=(
                FloatSynapses(source=0, kind="conv", weight=normal(3, 3, 2, 4), stride=(2, 1), padding=(0, 1, 1, 1)),
            ),
            bias=normal(4),
            ceiling=None,
            limit=6.0,
        ),
        FloatPool(name="mean", shape=(1, 3, 4), source=1, size=(2, 2), stride=(2, 2)),
        FloatNeurons(
            name="second",
            shape=(1, 3, 4),
            synapses=(
                FloatSynapses(source=2, kind="depthwise", weight=normal(1, 1, 4)),
                FloatSynapses(source=2, kind="conv", weight=normal(1, 1, 4, 4)),
            ),
            bias=normal(4),
            ceiling=normal(4) ** 2,
        ),
        FloatReadout(
            name="logits",
            shape=(1, 1, 3),
            synapses=(FloatSynapses(source=3, kind="dense", weight=normal(12, 3)),),
            bias=normal(3),
        ),
    ),
)


def test_every_part_comes_back() -> None:
    found = from_npz(to_npz(NETWORK))

    x = normal(5, 6, 6, 2)
    np.testing.assert_array_equal(logits(found, x), logits(NETWORK, x))
    assert to_npz(found) == to_npz(NETWORK)
    first, _, second, _ = found.nodes
    assert isinstance(first, FloatNeurons)
    assert isinstance(second, FloatNeurons)
    assert (first.ceiling, first.limit, second.limit) == (None, 6.0, None)
    np.testing.assert_array_equal(second.ceiling, NETWORK.nodes[2].ceiling)  # type: ignore[union-attr]


def test_another_limit_is_another_file() -> None:
    first = NETWORK.nodes[0]
    assert isinstance(first, FloatNeurons)
    other = replace(NETWORK, nodes=(replace(first, limit=None), *NETWORK.nodes[1:]))

    assert to_npz(other) != to_npz(NETWORK)
