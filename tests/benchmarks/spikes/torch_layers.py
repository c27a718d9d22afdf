"""The populations of a spiking network as torch modules; runs where extra ``peers`` is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

from edge_models.spiking.network import Network, Neurons, Pool, Readout

Tensor = Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One population or the readout, with the pools in front of it.

    Attributes:
        linear: From spikes or sums of them to a current, (batch, ...) to (batch, ...).
        start: Of the membranes, (1, channels, 1, 1) or (1, channels); None of the readout, which does not fire.
    """

    linear: Callable[[Tensor], Tensor]
    start: Tensor


def layers_of(network: Network) -> list[Layer]:
    """Populations of a chain, pools in front of the linear map that reads them."""
    layers: list[Layer] = []
    pools: list[Pool] = []
    for at, node in enumerate(network.nodes):
        if isinstance(node, Pool):
            pools.append(node)
            continue
        if node.synapses[0].source != at or len(node.synapses) > 1:
            raise ValueError(f"{node.name} does not read the node before it alone, expected a chain")
        layers.append(_layer(network, node, tuple(pools)))
        pools.clear()
    return layers


def _layer(network: Network, node: Neurons | Readout, pools: tuple[Pool, ...]) -> Layer:
    synapses = node.synapses[0]
    threshold = np.ones(len(node.bias)) if isinstance(node, Readout) else node.threshold.astype(np.float64)
    weight, bias = synapses.weight.astype(np.float64) / threshold, torch.tensor(node.bias / threshold).float()
    if synapses.kind == "conv":
        top, bottom, left, right = synapses.padding
        if (top, left) != (bottom, right):
            raise ValueError(f"{node.name}: padding {synapses.padding}, expected the same on both sides")
        linear = torch.nn.Conv2d(
            *weight.shape[2:], weight.shape[:2], stride=synapses.stride, padding=(top, left)
        ).requires_grad_(requires_grad=False)
        linear.weight.copy_(torch.from_numpy(weight.transpose(3, 2, 0, 1)))
    else:
        height, width, channels = network.shape_of(synapses.source)
        channels_first = weight.reshape(height, width, channels, -1).transpose(3, 2, 0, 1)
        linear = torch.nn.Linear(weight.shape[0], weight.shape[1]).requires_grad_(requires_grad=False)
        linear.weight.copy_(torch.from_numpy(channels_first.reshape(weight.shape[1], -1)))
    linear.bias.copy_(bias)
    start = (np.asarray(node.threshold) // 2 + 0.5) / threshold if isinstance(node, Neurons) else None
    ndim = 4 if synapses.kind == "conv" else 2
    return Layer(
        linear=_pooled(linear, pools, is_flat=synapses.kind == "dense"),
        start=None if start is None else torch.tensor(start).float().reshape(1, -1, *[1] * (ndim - 2)),
    )


def _pooled(
    linear: Callable[[Tensor], Tensor], pools: tuple[Pool, ...], *, is_flat: bool
) -> Callable[[Tensor], Tensor]:
    def run(value: Tensor) -> Tensor:
        for pool in pools:
            value = avg_pool2d(value, pool.size, pool.stride, divisor_override=1)
        return linear(value.flatten(1) if is_flat else value)

    return run
