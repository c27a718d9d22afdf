"""How a network bears damage: dead neurons, dead synapses and flipped bits, with one definition for spikes and int8.

    dead neurons    so many output channels of hidden layers say nothing: their weights and biases are 0
    dead synapses   so many weights are 0
    bit flips       so many weights have one of their eight bits flipped

Which ones is random, with several seeds; where both networks are the same chain of layers, they are struck at the same
places. The readout's channels, being the answer, do not die. The wire of a residual addition, which has no weights in
an ANN, is no layer in spikes either: what it carries goes on when a channel beside it dies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from converter.progress import Progress
from edge_models.spiking.network import Network, Node, Pool, Synapses

Fault = Literal["dead neurons", "dead synapses", "bit flips"]
FAULTS: tuple[Fault, ...] = get_args(Fault)
SHARES = (0.01, 0.05, 0.1)
_STAGE = "breaking on purpose"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """Numbers of one layer that faults strike, arrays that are written to.

    Attributes:
        weight: int8, the outgoing channels first.
        bias: int32 (channels,); None where there is none, or where another layer has it.
    """

    weight: NDArray[np.int8]
    bias: NDArray[np.int32] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultFound:
    """Accuracy with one kind and share of faults.

    Attributes:
        fault: Kind.
        share: Of neurons or weights.
        spiking: Mean over the seeds.
        spiking_low: The worst seed.
        int8: The same of the int8 ANN; None where there is none.
        int8_low: The worst seed.
    """

    fault: Fault
    share: float
    spiking: float
    spiking_low: float
    int8: float | None
    int8_low: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """What faults do.

    Attributes:
        examples: Of the test part that were asked each time.
        seeds: Random choices that each figure is the mean of.
        spiking: Accuracy without faults.
        int8: The same of the int8 ANN; None where there is none.
        faults: By kind and share.
    """

    examples: int
    seeds: int
    spiking: float
    int8: float | None
    faults: tuple[FaultFound, ...]


SpikingAccuracy = Callable[[Network], float]
AnnAccuracy = Callable[[bytes], float]


def try_faults(
    network: Network,
    accuracy: SpikingAccuracy,
    ann: AnnUnderTest | None,
    *,
    examples: int,
    seeds: int,
    seed: int,
    progress: Progress,
) -> Robustness:
    """Damage both networks in every way and ask them again.

    Args:
        network: That spikes.
        accuracy: Its accuracy, whatever has happened to it.
        ann: The int8 network; None for none.
        examples: That ``accuracy`` asks, for the record.
        seeds: Random choices for each kind and share.
        seed: Of the first one.
        progress: Told of each kind and share.
    """
    found = []
    for number, (fault, share) in enumerate((fault, share) for fault in FAULTS for share in SHARES):
        progress.step(_STAGE, number, len(FAULTS) * len(SHARES), f"{100 * share:g} % {fault}")
        spiking, int8 = [], []
        for one in range(seeds):
            choice = (seed, FAULTS.index(fault), one)  # the same for each share: more faults contain the fewer ones
            spiking.append(accuracy(damaged(network, fault, share, np.random.default_rng(choice))))
            if ann is not None:
                int8.append(ann.damaged_accuracy(fault, share, np.random.default_rng(choice)))
        found.append(
            FaultFound(
                fault=fault,
                share=share,
                spiking=float(np.mean(spiking)),
                spiking_low=min(spiking),
                int8=float(np.mean(int8)) if int8 else None,
                int8_low=min(int8) if int8 else None,
            )
        )
    progress.step(_STAGE, len(found), len(found))
    whole = None if ann is None else ann.accuracy(bytes(ann.file))
    return Robustness(examples=examples, seeds=seeds, spiking=accuracy(network), int8=whole, faults=tuple(found))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnnUnderTest:
    """An int8 file, how to find its weights, and how to ask it.

    Attributes:
        file: A .tflite file.
        layers: Its layers, as arrays over the bytes that are given.
        accuracy: Of a file.
    """

    file: bytes
    layers: Callable[[bytearray], Sequence[Layer]]
    accuracy: AnnAccuracy

    def damaged_accuracy(self, fault: Fault, share: float, rng: np.random.Generator) -> float:
        """Accuracy of a damaged copy."""
        copy = bytearray(self.file)
        strike(self.layers(copy), fault, share, rng)
        return self.accuracy(bytes(copy))


def damaged(network: Network, fault: Fault, share: float, rng: np.random.Generator) -> Network:
    """A copy of the network with faults."""
    nodes: list[Node] = []
    layers = []
    for node in network.nodes:
        if isinstance(node, Pool):
            nodes.append(node)
            continue
        bias = node.bias.copy()
        synapses = tuple(replace(one, weight=one.weight.copy()) for one in node.synapses)
        breakable = [one for one in synapses if len(synapses) == 1 or not _is_wire(one)]
        for number, one in enumerate(breakable):
            layers.append(Layer(weight=np.moveaxis(one.weight, -1, 0), bias=None if number else bias))
        nodes.append(replace(node, synapses=synapses, bias=bias))
    strike(layers, fault, share, rng)
    return replace(network, nodes=tuple(nodes))


def _is_wire(branch: Synapses) -> bool:
    """Whether a branch of an addition passes its source on as it is."""
    return branch.kind == "depthwise" and branch.weight.shape[:2] == (1, 1)


def strike(layers: Sequence[Layer], fault: Fault, share: float, rng: np.random.Generator) -> None:
    """Put faults into the arrays of ``layers``, the last of which is the readout."""
    struck = layers[:-1] if fault == "dead neurons" else layers
    sizes = [len(layer.weight) if fault == "dead neurons" else layer.weight.size for layer in struck]
    total = sum(sizes)
    chosen = rng.permutation(total)[: max(1, round(share * total))]
    bits = (1 << rng.integers(0, 8, total)).astype(np.uint8).view(np.int8)
    begin = 0
    for layer, size in zip(struck, sizes, strict=True):
        here = chosen[(chosen >= begin) & (chosen < begin + size)] - begin
        begin += size
        if fault == "dead neurons":
            layer.weight[here] = 0
            if layer.bias is not None:
                layer.bias[here] = 0
            continue
        places = np.unravel_index(here, layer.weight.shape)
        if fault == "dead synapses":
            layer.weight[places] = 0
        else:
            layer.weight[places] ^= bits[here + begin - size]
