"""What a network does when a spike sets the membrane to zero: the function of the dialect ``spikingjelly-hard``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_models.spiking.arithmetic import LinearMap, pooled
from edge_models.spiking.network import Network, Pool, Readout
from edge_models.spiking.ranges import value_ranges

Values = NDArray[np.int32]


def hard_reset_logits(network: Network, x: Values) -> NDArray[np.int64]:
    """Logits after every step, (frames, steps, classes); membranes begin at zero.

    Args:
        network: Coding ``if``.
        x: Centred codes, int32 (frames, height, width, channels).
    """
    ranges = value_ranges(network)
    maps = [
        []
        if isinstance(node, Pool)
        else [LinearMap(s, network.shape_of(s.source), *ranges[s.source]) for s in node.synapses]
        for node in network.nodes
    ]
    membranes: dict[int, NDArray[np.int64]] = {}
    after = []
    for _ in range(network.steps):
        values: list[Values] = [x]
        for at, node in enumerate(network.nodes):
            if isinstance(node, Pool):
                values.append(pooled(node, values[node.source]))
                continue
            current = node.bias + sum(
                linear(values[synapses.source]).astype(np.int64)
                for synapses, linear in zip(node.synapses, maps[at], strict=True)
            )
            membranes[at] = membranes.get(at, np.int64(0)) + current
            if isinstance(node, Readout):
                after.append(membranes[at].reshape(len(x), -1))
                continue
            spikes = membranes[at] >= node.threshold
            membranes[at] = np.where(spikes, 0, membranes[at])
            values.append(spikes.astype(np.int32))
    return np.stack(after, axis=1)
