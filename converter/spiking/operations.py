"""How much a spiking network computes for one example, counted on real examples in the words of NeuroBench.

Definitions of NeuroBench (Yik et al., Nature Communications 16, 1545, 2025; neurobench 2.3): footprint, connection
sparsity, activation sparsity, and synaptic operations as effective multiply-accumulates (a value that is no spike meets
a weight) and effective accumulates (a spike meets a weight); an operation is effective when neither side is zero. Two
things are ours to say: a graded count of ``atf`` is a value, so that it costs a multiplication, and the constant
current of the first layer is counted once, because it is computed once, whatever the number of steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.errors import DatasetError
from converter.spiking import forward
from converter.spiking.float_network import FloatSynapses
from edge_models.spiking.arithmetic import pooled
from edge_models.spiking.network import Network, Neurons, Pool, Readout, Synapses
from edge_models.spiking.reference import Reference

_WEIGHT_BYTES, _NUMBER_BYTES = 1, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOperations:
    """One population or the readout, per example.

    Attributes:
        name: Of the layer.
        neurons: How many; 0 for the readout, which does not fire.
        rate: Mean count as a share of the highest.
        activation_sparsity: Share of neurons and steps without a spike; 0 for the readout.
        dense_macs: Multiplications of the same layer with nothing left out.
        effective_macs: Values that meet weights.
        effective_acs: Spikes that meet weights.
    """

    name: str
    neurons: int
    rate: float
    activation_sparsity: float
    dense_macs: int
    effective_macs: float
    effective_acs: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Operations:
    """The whole network, per example.

    Attributes:
        examples: That the means are of.
        steps: Time steps, bit planes of radix.
        footprint_bytes: Weights as int8, biases and thresholds as int32; no structure, no state.
        connection_sparsity: Share of weights that are 0.
        activation_sparsity: Share of neurons and steps without a spike; for atf of neurons with count 0.
        input_macs: Those of ``effective_macs`` that the input's values take part in.
        unary_acs: atf: accumulates if each count were sent as so many spikes; otherwise those of ``effective_acs``.
        layers: In the order of the network, pools left out.
    """

    examples: int
    steps: int
    footprint_bytes: int
    connection_sparsity: float
    activation_sparsity: float
    input_macs: float
    unary_acs: float
    layers: tuple[LayerOperations, ...]

    @property
    def neurons(self) -> int:
        """Neurons that fire."""
        return sum(layer.neurons for layer in self.layers)

    @property
    def dense_macs(self) -> int:
        """Multiply-accumulates of the same network as an ANN, nothing left out."""
        return sum(layer.dense_macs for layer in self.layers)

    @property
    def effective_macs(self) -> float:
        """Values that meet weights, first layer included."""
        return sum(layer.effective_macs for layer in self.layers)

    @property
    def effective_acs(self) -> float:
        """Spikes that meet weights."""
        return sum(layer.effective_acs for layer in self.layers)


@dataclass(slots=True, kw_only=True, eq=False)
class _Sent:
    """What one node sends, summed over the examples: elements that are not 0, single spikes, and counts."""

    active: NDArray[np.float32]
    spikes: NDArray[np.float32]
    counts: NDArray[np.float32]


def count_operations(network: Network, x: NDArray[np.int32]) -> Operations:
    """Count what examples cost, with the numpy reference.

    Args:
        network: Any coding.
        x: Centred codes of examples, int32 (n, height, width, channels); some dozens are enough.

    Raises:
        DatasetError: There are no examples.
    """
    if not len(x):
        raise DatasetError("operations are counted on examples, found none")
    sent = _sent(network, x)
    layers = tuple(
        _layer(network, node, sent[index], sent, len(x))
        for index, node in enumerate(network.nodes, start=1)
        if not isinstance(node, Pool)
    )
    weights = [synapses.weight for synapses in _synapses(network)]
    total = sum(weight.size for weight in weights)
    silent = sum(layer.activation_sparsity * layer.neurons for layer in layers)
    return Operations(
        examples=len(x),
        steps=network.steps,
        footprint_bytes=total * _WEIGHT_BYTES + _NUMBER_BYTES * _numbers(network),
        connection_sparsity=sum(int((weight == 0).sum()) for weight in weights) / total,
        activation_sparsity=silent / max(1, sum(layer.neurons for layer in layers)),
        input_macs=sum(_met(one, sent[0].active) for one in _synapses(network) if one.source == 0) / len(x),
        unary_acs=_unary(network, sent) / len(x),
        layers=layers,
    )


def _sent(network: Network, x: NDArray[np.int32]) -> list[_Sent]:
    """What every node sends, the input first."""
    reference = Reference(network)
    found = [_nothing(network.shape_of(index)) for index in range(len(network.nodes) + 1)]
    for frame in x:
        traced = reference.trace(frame)
        counts = [traced[0], *(_counted(network, value) for value in traced[1:-1])]
        spikes = _spikes(network, counts)
        for sent, count, spike in zip(found, counts, spikes, strict=False):
            sent.active += count != 0
            sent.spikes += spike
            sent.counts += count
    return found


def _nothing(shape: Sequence[int]) -> _Sent:
    return _Sent(
        active=np.zeros(shape, np.float32), spikes=np.zeros(shape, np.float32), counts=np.zeros(shape, np.float32)
    )


def _counted(network: Network, value: NDArray[np.int32]) -> NDArray[np.int32]:
    """Counts over all steps."""
    if network.coding != "if":
        return value
    counts: NDArray[np.int32] = value.sum(axis=0, dtype=np.int32)
    return counts


def _spikes(network: Network, counts: list[NDArray[np.int32]]) -> list[NDArray[np.int32]]:
    """Single spikes that each node sends: with radix the ones of its bit planes."""
    if network.coding != "radix":
        return counts
    spikes = [counts[0]]
    for node, count in zip(network.nodes, counts[1:], strict=False):
        if isinstance(node, Pool):
            spikes.append(pooled(node, spikes[node.source][np.newaxis])[0])
        else:
            spikes.append(np.bitwise_count(count).astype(np.int32))
    return spikes


def _layer(network: Network, node: Neurons | Readout, own: _Sent, sent: list[_Sent], examples: int) -> LayerOperations:
    macs = acs = 0.0
    for synapses in node.synapses:
        source = sent[synapses.source]
        if synapses.source == 0 or network.coding == "atf":
            macs += _met(synapses, source.active)
        else:
            acs += _met(synapses, source.spikes)
    neurons = math.prod(node.shape) if isinstance(node, Neurons) else 0
    chances = max(1, neurons * examples)
    fired = own.active if network.coding == "atf" else own.spikes
    parts = 1 if network.coding == "atf" else network.steps
    return LayerOperations(
        name=node.name,
        neurons=neurons,
        rate=float(own.counts.sum()) / chances / network.levels,
        activation_sparsity=1 - float(fired.sum()) / chances / parts if neurons else 0.0,
        dense_macs=sum(_dense(synapses, node.shape) for synapses in node.synapses),
        effective_macs=macs / examples,
        effective_acs=acs / examples,
    )


def _met(synapses: Synapses, events: NDArray[np.float32]) -> float:
    """How often events meet weights that are not 0."""
    connected = (synapses.weight != 0).astype(np.float32)
    fan_out = connected if synapses.kind == "depthwise" else connected.sum(axis=-1, keepdims=True, dtype=np.float32)
    linear = FloatSynapses(
        source=0, kind=synapses.kind, weight=fan_out, stride=synapses.stride, padding=synapses.padding
    )
    return float(forward.mapped(linear, events[np.newaxis]).sum(dtype=np.float64))


def _unary(network: Network, sent: list[_Sent]) -> float:
    what = "counts" if network.coding == "atf" else "spikes"
    return sum(_met(one, getattr(sent[one.source], what)) for one in _synapses(network) if one.source != 0)


def _synapses(network: Network) -> list[Synapses]:
    return [synapses for node in network.nodes if not isinstance(node, Pool) for synapses in node.synapses]


def _dense(synapses: Synapses, shape: tuple[int, int, int]) -> int:
    """Multiplications of one map; padded borders count, as they do everywhere."""
    if synapses.kind == "dense":
        return synapses.weight.size
    return synapses.weight.size * shape[0] * shape[1]


def _numbers(network: Network) -> int:
    """Biases and thresholds."""
    return sum(
        node.bias.size * (2 if isinstance(node, Neurons) else 1) for node in network.nodes if not isinstance(node, Pool)
    )
