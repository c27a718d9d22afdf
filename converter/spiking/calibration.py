"""Ceilings and biases of a spiking network from calibration examples alone, without training.

Ceilings: for each channel the one of 60 that loses least, in the mean square, when ReLU activations are rounded to the
levels of a count. Biases: layer by layer, with all layers before already corrected, moved until the mean of what the
neurons say is the mean of the ReLU activations; the readout's once, on the logits. Nothing is fitted to labels.

References: Li et al., A Free Lunch From ANN: Towards Efficient, Accurate Spiking Neural Networks Calibration (ICML
2021) for the layer-wise correction; Bu et al. (ICLR 2022) for the activation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from converter.errors import DatasetError
from converter.progress import Progress, SilentProgress
from converter.spiking import forward
from converter.spiking.float_network import FloatNetwork, FloatNeurons, FloatNode, FloatPool, FloatReadout
from edge_models.spiking.network import Coding

_POINTS = 60
_LOWEST = 0.1  # of the largest activation
_ROUNDS = 3
_SAMPLES = 20_000  # activations of a channel that ceilings are chosen on
_BATCH = 64
_STAGE = "calibrating spikes"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Observed:
    """ReLU activations of one node: the mean and the largest of each channel, and some of them, (samples, channels)."""

    mean: NDArray[np.float64]
    largest: NDArray[np.float32]
    samples: NDArray[np.float32]


def calibrate(
    network: FloatNetwork,
    inputs: NDArray[np.float32],
    *,
    coding: Coding,
    levels: int,
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> FloatNetwork:
    """The network with ceilings, and with biases that make up for what counts cannot say.

    Args:
        network: As it was trained, with ReLU; ceilings that it has are replaced.
        inputs: Preprocessed training examples, (n, ...); some hundreds are enough.
        coding: How it will be executed; ``if`` is simulated step by step.
        levels: The largest count; for ``if`` the time steps.
        rng: Chooses the activations that ceilings are fitted to.
        progress: Told of every layer.

    Raises:
        DatasetError: There are no examples.
    """
    if not len(inputs):
        raise DatasetError("a spiking network is calibrated on training examples, found none")
    told = progress or SilentProgress()
    observed = _observe(network, inputs, rng)
    spikes = _Spikes(network, inputs, levels, is_stepwise=coding == "if")
    for index, node in enumerate(network.nodes, start=1):
        told.step(_STAGE, index, len(network.nodes), node.name)
        if isinstance(node, FloatPool):
            spikes.add(node)
            continue
        total = spikes.reaching(node)
        seen = observed[index - 1]
        if isinstance(node, FloatReadout):
            spikes.add(replace(node, bias=_moved(node.bias, seen.mean - _mean(total))))
            continue
        ready = replace(node, ceiling=_ceilings(seen, levels))
        offset = np.zeros(len(node.bias), np.float32)
        for _ in range(_ROUNDS):
            said = _mean(spikes.fired(ready, total + offset)) * spikes.unit(ready)
            offset = _moved(offset, seen.mean - said)
        spikes.add(replace(ready, bias=node.bias + offset), spikes.fired(ready, total + offset))
    return replace(network, nodes=tuple(spikes.nodes))


def _observe(network: FloatNetwork, inputs: NDArray[np.float32], rng: np.random.Generator) -> list[_Observed]:
    """What every node says with ReLU, in the order of the nodes."""
    batches = [inputs[start : start + _BATCH] for start in range(0, len(inputs), _BATCH)]
    per_batch = -(-_SAMPLES // len(batches))
    parts: list[list[_Observed]] = [[] for _ in network.nodes]
    for batch in batches:
        (values,) = forward.batches(network, batch, size=_BATCH)
        for found, value in zip(parts, values[1:], strict=True):
            rows = value.reshape(-1, value.shape[-1])
            chosen = rng.choice(len(rows), min(per_batch, len(rows)), replace=False)
            mean = rows.mean(axis=0, dtype=np.float64) * len(batch)
            found.append(_Observed(mean=mean, largest=rows.max(axis=0), samples=rows[chosen]))
    return [
        _Observed(
            mean=np.sum([part.mean for part in found], axis=0) / len(inputs),
            largest=np.max([part.largest for part in found], axis=0),
            samples=np.concatenate([part.samples for part in found]),
        )
        for found in parts
    ]


def _ceilings(seen: _Observed, levels: int) -> NDArray[np.float32]:
    """The best of 60 ceilings of each channel; a channel that never fired gets the highest one of its layer."""
    highest = float(seen.largest.max()) if seen.largest.max() > 0 else 1.0
    largest = np.where(seen.largest > 0, seen.largest, np.float32(highest))
    best, least = largest, np.full(len(largest), np.inf)
    for share in np.linspace(_LOWEST, 1, _POINTS):
        ceiling = (share * largest).astype(np.float32)
        step = ceiling / np.float32(levels)
        lost = (step * np.clip(np.floor(seen.samples / step + np.float32(0.5)), 0, levels) - seen.samples) ** 2
        error = lost.mean(axis=0, dtype=np.float64)
        best, least = np.where(error < least, ceiling, best), np.minimum(error, least)
    return best.astype(np.float32)


class _Spikes:
    """What the corrected layers send to all examples: counts, or with ``if`` the spikes of every step.

    Arrays are (steps, n, height, width, channels), with one step where nothing changes from step to step.
    """

    def __init__(self, network: FloatNetwork, inputs: NDArray[np.float32], levels: int, *, is_stepwise: bool) -> None:
        self.nodes: list[FloatNode] = []
        self._levels, self._is_stepwise = levels, is_stepwise
        shaped = np.asarray(inputs, np.float32).reshape(1, -1, *network.input_shape)
        self._sent: list[NDArray[np.float32] | NDArray[np.uint8]] = [shaped]

    def add(self, node: FloatNode, sent: NDArray[np.uint8] | None = None) -> None:
        """Append the next node; a pool is computed again whenever it is read, and the readout sends nothing."""
        self.nodes.append(node)
        self._sent.append(np.zeros((0, 0, 0, 0, 0), np.uint8) if sent is None else sent)

    def unit(self, node: FloatNeurons) -> NDArray[np.float32]:
        """Activation that one spike or count stands for, (channels,)."""
        if node.ceiling is None:
            raise ValueError(f"layer {node.name} has no ceiling yet")
        return node.ceiling if self._is_stepwise else node.ceiling / np.float32(self._levels)

    def reaching(self, node: FloatNeurons | FloatReadout) -> NDArray[np.float32]:
        """What flows into a node in each step, bias included."""
        total = np.zeros(1, np.float32) + node.bias.astype(np.float32)
        for synapses in node.synapses:
            steps, examples = self._size(synapses.source)
            parts = []
            for step in range(steps):
                for start in range(0, examples, _BATCH):
                    values = self._values(synapses.source, step, slice(start, start + _BATCH))
                    parts.append(forward.mapped(synapses, values))
            flows = np.concatenate(parts)
            total = total + flows.reshape(steps, examples, *flows.shape[1:])
        return total

    def fired(self, node: FloatNeurons, total: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Counts, or the spikes of every step, for what flows in."""
        unit = self.unit(node)
        if not self._is_stepwise:
            counts: NDArray[np.uint8] = np.clip(np.floor(total / unit + np.float32(0.5)), 0, self._levels).astype(
                np.uint8
            )
            return counts
        membrane = np.zeros(total.shape[1:], np.float32) + unit / 2
        spikes = np.empty((self._levels, *total.shape[1:]), np.uint8)
        for step in range(self._levels):
            membrane += total[min(step, len(total) - 1)]
            spikes[step] = membrane >= unit
            membrane -= spikes[step] * unit
        return spikes

    def _size(self, source: int) -> tuple[int, int]:
        """Steps and examples of what a node sends."""
        node = self.nodes[source - 1] if source else None
        if isinstance(node, FloatPool):
            return self._size(node.source)
        return self._sent[source].shape[0], self._sent[source].shape[1]

    def _values(self, source: int, step: int, batch: slice) -> NDArray[np.float32]:
        node = self.nodes[source - 1] if source else None
        if isinstance(node, FloatPool):
            return forward.pooled(node, self._values(node.source, step, batch))
        sent = self._sent[source][step, batch].astype(np.float32)
        return sent * self.unit(node) if isinstance(node, FloatNeurons) else sent


def _mean(values: NDArray[np.float32] | NDArray[np.uint8]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = values.mean(axis=(0, 1, 2, 3), dtype=np.float64)
    return means


def _moved(bias: NDArray[np.float32], by: NDArray[np.float64]) -> NDArray[np.float32]:
    return (bias + by).astype(np.float32)
