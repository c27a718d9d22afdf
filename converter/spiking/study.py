"""What a report tells of a spiking network beyond its accuracy: operations, energy, faults, stopping early."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from converter.measure.running import loaded, outputs_of
from converter.progress import Progress, SilentProgress
from converter.spiking.ann_weights import int8_layers
from converter.spiking.early_exit import EarlyExit, early_exits
from converter.spiking.energy import COSTS, EnergyEstimate, energy_estimate
from converter.spiking.faults import FAULTS, SHARES, AnnUnderTest, Robustness, try_faults
from converter.spiking.operations import Operations, count_operations
from edge_models.errors import EngineError, NetworkError, RuntimeMissingError
from edge_models.quantize import quantize
from edge_models.spiking.kernel import Kernel
from edge_models.spiking.network import Network
from edge_models.spiking.reference import Reference

_COUNTED = 64  # examples whose operations are counted
_BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyLimits:
    """How much is tried.

    Attributes:
        examples: Of the test part that damaged networks and margins are asked.
        least: As few of them are taken for a network so large that ``macs`` would be exceeded.
        seeds: Random choices of each kind and share of faults.
        macs: Multiply-accumulates for all of that together; a kernel does some thousand million in a second.
    """

    examples: int = 400
    least: int = 100
    seeds: int = 5
    macs: float = 3e11

    def affordable(self, network: Network, dense_macs: int) -> int:
        """Examples for a network with so many multiply-accumulates in one pass."""
        passes = (1 if network.coding == "atf" else network.steps) * (len(FAULTS) * len(SHARES) * self.seeds + 1)
        return min(self.examples, max(self.least, int(self.macs / (passes * dense_macs))))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpikingStudy:
    """All of it.

    Attributes:
        coding: Of the network.
        levels: Its largest count.
        operations: Per example.
        energy: Estimates, one for each process that costs are published for.
        robustness: With faults, beside the int8 ANN.
        early_exits: Empty unless the coding is ``if``.
    """

    coding: str
    levels: int
    operations: Operations
    energy: tuple[EnergyEstimate, ...]
    robustness: Robustness
    early_exits: tuple[EarlyExit, ...]


def study(
    network: Network,
    inputs: NDArray[np.float32],
    y: NDArray[np.int64],
    *,
    int8: bytes | None,
    output: int = 0,
    seed: int,
    limits: StudyLimits | None = None,
    progress: Progress | None = None,
) -> SpikingStudy:
    """Study a network on examples of the test part.

    Args:
        network: In integers.
        inputs: Preprocessed, (n, ...) float32.
        y: Class of each, (n,).
        int8: The int8 .tflite file of the same model; None where there is none.
        output: Number of its output that carries the answer.
        seed: Of which examples and what breaks.
        limits: How much is tried.
        progress: Told now and then.

    Raises:
        DatasetError: There are no examples.
    """
    bounds, told = limits or StudyLimits(), progress or SilentProgress()
    chosen = np.random.default_rng(seed).permutation(len(y))[: bounds.examples]
    operations = count_operations(network, codes(network, inputs[chosen[:_COUNTED]]))
    chosen = chosen[: bounds.affordable(network, operations.dense_macs)]
    some, truth = inputs[chosen], y[chosen]
    x = codes(network, some)
    robustness = try_faults(
        network,
        lambda damaged: _damaged_accuracy(damaged, x, truth),
        None if int8 is None else _ann(int8, some, truth, output, told),
        examples=len(truth),
        seeds=bounds.seeds,
        seed=seed,
        progress=told,
    )
    return SpikingStudy(
        coding=network.coding,
        levels=network.levels,
        operations=operations,
        energy=tuple(energy_estimate(operations, costs) for costs in COSTS),
        robustness=robustness,
        early_exits=early_exits(network, x, truth),
    )


def codes(network: Network, inputs: NDArray[np.float32]) -> NDArray[np.int32]:
    """Preprocessed inputs (n, ...) as the network takes them: centred codes, int32 (n, height, width, channels)."""
    if network.input.quant is None:
        raise ValueError("the network's input has no quantisation")
    stored = quantize(inputs, network.input).astype(np.int32) - np.int32(network.input.quant.zero_point)
    return stored.reshape(-1, *network.input_shape)


def accuracy(network: Network, x: NDArray[np.int32], y: NDArray[np.int64]) -> float:
    """Share of right answers, in C where the kernel is installed; the integers are the same in numpy."""
    try:
        kernel = Kernel(network)
    except RuntimeMissingError:
        reference = Reference(network)
        batches = [reference.run_batch(x[start : start + _BATCH])[0] for start in range(0, len(x), _BATCH)]
        return float((np.concatenate(batches).argmax(axis=1) == y).mean())
    return float(np.mean([kernel.run(frame).logits.argmax() == truth for frame, truth in zip(x, y, strict=True)]))


def _damaged_accuracy(network: Network, x: NDArray[np.int32], y: NDArray[np.int64]) -> float:
    try:
        return accuracy(network, x, y)
    except NetworkError:  # flipped bits may leave the proven range; a device that refuses them is silent
        return 0.0


def _ann(
    file: bytes, inputs: NDArray[np.float32], y: NDArray[np.int64], output: int, progress: Progress
) -> AnnUnderTest | None:
    """The int8 network, if its weights are int8 at all."""

    def asked(data: bytes) -> float:
        try:
            with loaded(data) as model:
                answers = outputs_of(model, inputs, output, "int8 with faults", progress)
        except EngineError:  # a runtime may refuse damaged weights; such a device is silent
            return 0.0
        return float((answers.argmax(axis=1) == y).mean())

    return AnnUnderTest(file=file, layers=int8_layers, accuracy=asked) if int8_layers(bytearray(file)) else None
