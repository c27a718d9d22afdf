"""The executor in numpy: the definition that every other executor is held against, fast enough to be used.

``atf`` computes whole counts, layer by layer. ``radix`` really sends bit planes, the highest first, and gives the same
integers as ``atf`` with 2 ** steps - 1 levels. ``if`` runs step by step with membranes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from edge_models.spiking.arithmetic import LinearMap, fired, pooled
from edge_models.spiking.executor import SpikingAnswer
from edge_models.spiking.network import Network, Neurons, Node, Pool, Readout
from edge_models.spiking.ranges import check, value_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Values = NDArray[np.int32]  # (batch, height, width, channels)


class Reference:
    """Runs a network, one frame or a batch."""

    def __init__(self, network: Network, silent: Mapping[int, NDArray[np.bool_]] | None = None) -> None:
        """Prepare ``network``.

        Args:
            network: Checked here once more, so that no sum leaves its integers.
            silent: Neurons that never fire, as a broken chip has them: a mask of a node's shape by its index.

        Raises:
            NetworkError: The network cannot be executed exactly.
        """
        check(network)
        self._network = network
        self._silent = dict(silent or {})
        ranges = value_ranges(network)
        self._maps = [
            ()
            if isinstance(node, Pool)
            else tuple(LinearMap(s, network.shape_of(s.source), *ranges[s.source]) for s in node.synapses)
            for node in network.nodes
        ]

    @property
    def name(self) -> str:
        """``numpy``."""
        return "numpy"

    def run(self, x: NDArray[np.int32]) -> SpikingAnswer:
        """Run one frame, int32 of the network's ``input_shape``."""
        logits, counts = self.run_batch(x[np.newaxis])
        return SpikingAnswer(logits=logits[0], counts=counts[0], steps=self._network.steps)

    def run_batch(self, x: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Run many frames at once.

        Args:
            x: Centred codes, int32 (batch, height, width, channels).

        Returns:
            Logits int32 (batch, classes) and counts int32 (batch, features), as in ``SpikingAnswer``.
        """
        if self._network.coding != "if":
            values = self._counts(x)
            return values[-1].reshape(len(x), -1), self._features(values)
        logits: NDArray[np.int32] = np.empty((len(x), 0), np.int32)
        features = np.zeros((len(x), self._network.features), np.int32)
        for values in self._steps(x):
            logits = values[-1].reshape(len(x), -1)
            features += self._features(values)
        return logits, features

    def run_early(self, x: NDArray[np.int32], margin: int) -> SpikingAnswer:
        """Run one frame of a network with coding ``if`` until its answer is decided.

        Stops after step t when the two largest logits differ by at least ``margin`` * t.

        Args:
            x: Centred codes, int32 of the network's ``input_shape``.
            margin: Of one step, in the units of the accumulators; above what is ever reached, all steps are run.

        Returns:
            The answer after ``steps`` steps: its logits are in units of the readout's scale / steps.
        """
        if self._network.coding != "if":
            raise ValueError(f"early exit needs coding if, found {self._network.coding}")
        features = np.zeros(self._network.features, np.int32)
        logits: NDArray[np.int32] = np.empty(0, np.int32)
        steps = 0
        for steps, values in enumerate(self._steps(x[np.newaxis]), start=1):
            logits = values[-1].reshape(-1)
            features += self._features(values)[0]
            if decided(logits, margin * steps):
                break
        return SpikingAnswer(logits=logits, counts=features, steps=steps)

    def trace(self, x: NDArray[np.int32]) -> tuple[NDArray[np.int32], ...]:
        """What every node said to one frame: the input, then node 1, 2, ... as (height, width, channels).

        With coding ``if`` each but the input has a first axis of steps: spikes, sums of spikes, and for the readout
        the logits after each step.
        """
        if self._network.coding != "if":
            return tuple(value[0] for value in self._counts(x[np.newaxis]))
        steps = list(self._steps(x[np.newaxis]))
        return (x, *(np.concatenate(node) for node in list(zip(*steps, strict=True))[1:]))

    def close(self) -> None:
        """Nothing is held."""

    def _features(self, values: list[Values]) -> NDArray[np.int32]:
        source = values[self._network.readout.synapses[0].source]
        return source.reshape(len(source), -1)

    def _counts(self, x: Values) -> list[Values]:
        """Values of all nodes for the codings that accumulate before they fire."""
        sent = [x]
        for index, node in enumerate(self._network.nodes, start=1):
            if isinstance(node, Pool):
                sent.append(pooled(node, sent[node.source]))
                continue
            total = self._accumulated(index, node, sent) + np.int32(self._network.levels) * node.bias
            if isinstance(node, Neurons):
                counts = fired(total + node.threshold // 2, node.threshold, self._network.levels)
                total = self._sent(self._silenced(index, counts))
            sent.append(total)
        return [x, *(self._received(value, len(x)) for value in sent[1:-1]), sent[-1]]

    def _accumulated(self, index: int, node: Neurons | Readout, sent: list[Values]) -> Values:
        """Sums over all steps, without bias; the input is a constant current, the same in every step."""
        batch = len(sent[0])
        total = np.zeros((batch, *node.shape), np.int32)
        for synapses, linear in zip(node.synapses, self._maps[index - 1], strict=True):
            if synapses.source == 0:
                total += linear(sent[0]) * np.int32(self._network.levels)
            else:
                total += self._received(linear(sent[synapses.source]), batch)
        return total

    def _sent(self, counts: Values) -> Values:
        """How counts travel: as they are, or with radix as bit planes, the highest first, along the batch axis."""
        if self._network.coding != "radix":
            return counts
        bits = np.arange(self._network.steps - 1, -1, -1, dtype=np.int32).reshape(-1, 1, 1, 1, 1)
        planes: Values = (counts >> bits) & 1
        return planes.reshape(-1, *counts.shape[1:])

    def _received(self, value: Values, batch: int) -> Values:
        """What arrives, added up; each bit plane is worth half of the one before: A <- 2 A + plane."""
        if self._network.coding != "radix":
            return value
        planes = value.reshape(self._network.steps, batch, *value.shape[1:])
        total: Values = planes[0].copy()
        for plane in planes[1:]:
            total *= 2
            total += plane
        return total

    def _silenced(self, index: int, counts: Values) -> Values:
        if index in self._silent:
            counts[:, self._silent[index]] = 0
        return counts

    def _steps(self, x: Values) -> Iterator[list[Values]]:
        """Step by step for coding ``if``: spikes of each node, for the readout the logits so far."""
        membranes = [self._rest(node, len(x)) for node in self._network.nodes]
        constant = [self._constant(index, x) for index in range(1, len(self._network.nodes) + 1)]
        for _ in range(self._network.steps):
            values = [x]
            for index, node in enumerate(self._network.nodes, start=1):
                if isinstance(node, Pool):
                    values.append(pooled(node, values[node.source]))
                    continue
                membrane = membranes[index - 1]
                membrane += constant[index - 1]
                for synapses, linear in zip(node.synapses, self._maps[index - 1], strict=True):
                    if synapses.source != 0:
                        membrane += linear(values[synapses.source])
                if isinstance(node, Readout):
                    values.append(membrane.copy())
                else:
                    spikes = self._silenced(index, (membrane >= node.threshold).astype(np.int32))
                    membrane -= spikes * node.threshold
                    values.append(spikes)
            yield values

    def _rest(self, node: Node, batch: int) -> Values:
        """Membranes before the first step: half a threshold, so that rounding is to the nearest; the readout's at 0."""
        membrane = np.zeros((batch, *node.shape), np.int32)
        if isinstance(node, Neurons):
            membrane += node.threshold // 2
        return membrane

    def _constant(self, index: int, x: Values) -> Values:
        """What flows into a node in every step: its bias and the weighted input."""
        node = self._network.nodes[index - 1]
        if isinstance(node, Pool):
            return np.zeros((), np.int32)
        current = np.zeros((len(x), *node.shape), np.int32) + node.bias
        for synapses, linear in zip(node.synapses, self._maps[index - 1], strict=True):
            if synapses.source == 0:
                current += linear(x)
        return current


def decided(logits: NDArray[np.int32], margin: int) -> bool:
    """Whether the largest logit leads the second by at least ``margin``; with one class, never.

    Examples:
        >>> decided(np.array([3, 9, 5], np.int32), 4), decided(np.array([3, 9, 5], np.int32), 5)
        (True, False)
    """
    if logits.size < 2:
        return False
    second, first = np.partition(logits, -2)[-2:]
    return int(first) - int(second) >= margin
