"""From real weights and ceilings to the integers of ``edge_models.spiking.network``; nothing is trained here.

With T levels and ceiling lam a neuron's activation is lam * c / T for a count c. A weight W therefore becomes
W' = W * lam_source (first layer: W * scale of the input's codes), in steps s of its output channel: W8 = rint(W' / s),
bias rint(b / s), threshold lam / s. The step is 1/127 of the channel's largest W', or a little more, so that the
threshold is a whole number and loses nothing. The readout has one step for all classes, because its integers are
compared.

The branches of an addition share one step; a branch k times as large has its weights shifted by log2(k) bits instead of
taking them from the smaller one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from converter.errors import ModelError
from converter.spiking.float_network import FloatNetwork, FloatNeurons, FloatPool, FloatReadout, FloatSynapses
from edge_models.spiking.network import Coding, Network, Neurons, Node, Pool, Readout, Synapses
from edge_models.spiking.ranges import COLLAPSED_STEP_LIMIT, INT32_MAX
from edge_models.tensors import DTYPE_RANGE, TensorSpec

_WEIGHT_MAX = 127
_FINE = 0.1  # of a level: steps whose rounding stays below it are fine enough
_COARSE = 0.5  # of a level: what rounding may cost a channel that would otherwise leave int32
_SHIFT_MAX = 12
_COARSEST = 8.0  # three of eight bits, which such a channel may lose in any case


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Source:
    """What a node gives: its value is unit / levels times its integer, per channel, and the integers' ends.

    The input counts as levels times its codes, which is what its synapses add.
    """

    unit: NDArray[np.float64]
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Branches:
    """Synapses in integers, and the ends (channels,) of what they can add up to."""

    synapses: tuple[Synapses, ...]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


def time_steps(coding: Coding, levels: int, steps: int | None = None) -> int:
    """Time steps (for radix bit planes) of a coding with ``levels`` levels.

    Args:
        coding: How the network is executed.
        levels: The largest count.
        steps: Only for ``if``: steps that were asked for; as many as levels when None.

    Raises:
        ModelError: Radix with levels that are not one less than a power of two.

    Examples:
        >>> time_steps("atf", 15), time_steps("radix", 15), time_steps("if", 4, 8)
        (15, 4, 8)
    """
    if coding == "if":
        return levels if steps is None else steps
    if coding == "atf":
        return levels
    planes = (levels + 1).bit_length() - 1
    if levels + 1 != 1 << planes:
        below, above = (1 << planes) - 1, (2 << planes) - 1
        raise ModelError(f"radix with {levels} levels: expected one less than a power of two, such as {below or above}")
    return planes


def to_network(
    network: FloatNetwork,
    *,
    coding: Coding,
    steps: int,
    input: TensorSpec,  # noqa: A002 - as in Network
    levels: int | None = None,
) -> Network:
    """The network in integers; every accumulator provably stays inside int32.

    Args:
        network: With a ceiling for every channel of every population.
        coding: How it will be executed.
        steps: Time steps; for radix bit planes.
        input: Codes of the input, of ``converter.spiking.input_codes.input_spec``.
        levels: Levels that the ceilings are meant for; refused where ``coding`` and ``steps`` give others. Plain
            ``if`` runs with any number of steps.

    Raises:
        ModelError: Weights, biases or ceilings that no integer can express; the text names the layer.
        ValueError: Arguments that do not fit each other.
    """
    if input.quant is None or math.prod(input.shape) != math.prod(network.input_shape):
        raise ValueError(f"input {input} is no code for a network of {network.input_shape}")
    counted = (1 << steps) - 1 if coding == "radix" else steps
    if levels is not None and coding != "if" and levels != counted:
        raise ValueError(f"{coding} in {steps} steps has {counted} levels, not {levels}")
    ends = [(end - input.quant.zero_point) * counted for end in DTYPE_RANGE[input.dtype]]
    unit = np.full(network.input_shape[2], input.quant.scale)
    sources = [_Source(unit=unit, low=ends[0], high=ends[1])]
    nodes: list[Node] = []
    for node in network.nodes:
        match node:
            case FloatPool():
                made: Node = Pool(
                    name=node.name, shape=node.shape, source=node.source, size=node.size, stride=node.stride
                )
                sources.append(_pooled(node, sources[node.source]))
            case FloatNeurons():
                made = _neurons(node, sources, counted)
                ceiling = np.asarray(node.ceiling, np.float64)
                sources.append(_Source(unit=ceiling, low=0, high=counted))
            case FloatReadout():
                made = _readout(node, sources, counted)
            case _:
                assert_never(node)
        nodes.append(made)
    return Network(coding=coding, steps=steps, input=input, input_shape=network.input_shape, nodes=tuple(nodes))


def _pooled(node: FloatPool, source: _Source) -> _Source:
    cells = math.prod(node.size)
    return _Source(unit=source.unit / cells, low=source.low * cells, high=source.high * cells)


def _neurons(node: FloatNeurons, sources: list[_Source], levels: int) -> Neurons:
    if node.ceiling is None:
        raise ValueError(f"layer {node.name} has no ceiling yet")
    ceiling = _sound(node.name, "ceiling", node.ceiling)
    if (ceiling <= 0).any():
        raise ModelError(
            f"layer {node.name}: ceiling {ceiling.min():g}, expected more than 0; calibrate or train again"
        )
    folded = [_folded(synapses, sources[synapses.source], node.name) for synapses in node.synapses]
    largest = np.array([_largest(weight) for weight in folded])
    shifts = _shifts(largest)
    noise = _noise(node.synapses, sources, shifts)
    fine = np.minimum(ceiling / (COLLAPSED_STEP_LIMIT // (levels + 1) - 1), _FINE * ceiling / noise)
    step = np.maximum((largest / (_WEIGHT_MAX * 2.0 ** shifts[:, None])).max(axis=0), fine)
    coarser = np.ones_like(step)
    while ((coarser <= _COARSEST) | (step * coarser * noise <= _COARSE * ceiling)).all():
        threshold, wide = _threshold(ceiling, step * coarser)
        branches = _branches(node.synapses, folded, sources, wide, shifts)
        bias = _bias(_sound(node.name, "bias", node.bias) / wide, branches, threshold, levels)
        reach = np.maximum(-branches.low, branches.high) + levels * np.abs(bias) + (levels + 1) * threshold
        if (reach <= INT32_MAX).all():
            return Neurons(
                name=node.name,
                shape=node.shape,
                synapses=branches.synapses,
                bias=bias.astype(np.int32),
                threshold=threshold.astype(np.int32),
            )
        coarser = coarser * np.maximum(1, 1.1 * reach / INT32_MAX)
    raise _overflow(node.name, levels)


def _readout(node: FloatReadout, sources: list[_Source], levels: int) -> Readout:
    folded = [_folded(synapses, sources[synapses.source], node.name) for synapses in node.synapses]
    offset = _sound(node.name, "bias", node.bias)
    step = max(float(_largest(folded[0]).max()) / _WEIGHT_MAX, float(np.abs(offset).max()) * levels / (1 << 24))
    steps = np.full(len(offset), step or 1.0)
    branches = _branches(node.synapses, folded, sources, steps, np.zeros(1, np.int64))
    bias = np.rint(offset / steps).astype(np.int64)
    if (np.maximum(-branches.low, branches.high) + levels * np.abs(bias) > INT32_MAX).any():
        raise _overflow(node.name, levels)
    return Readout(
        name=node.name,
        shape=node.shape,
        synapses=branches.synapses,
        bias=bias.astype(np.int32),
        scale=float(steps[0]),
    )


def _folded(synapses: FloatSynapses, source: _Source, name: str) -> NDArray[np.float64]:
    """The weight times the unit of what it reads, along its axis of incoming channels."""
    weight = _sound(name, "weight", synapses.weight)
    match synapses.kind:
        case "dense":
            return weight * np.tile(source.unit, len(weight) // len(source.unit))[:, None]
        case "conv":
            return weight * source.unit[:, None]
        case "depthwise":
            return weight * source.unit
    assert_never(synapses.kind)


def _largest(weight: NDArray[np.float64]) -> NDArray[np.float64]:
    largest: NDArray[np.float64] = np.abs(weight).max(axis=tuple(range(weight.ndim - 1)))
    return largest


def _shifts(largest: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bits by which each branch is larger than the smallest one, in the geometric mean over the channels.

    Args:
        largest: Largest weight of each branch and channel, (branches, channels).
    """
    means = [np.log2(row[row > 0]).mean() if (row > 0).any() else np.inf for row in largest]
    excess = np.array(means) - min(means) if np.isfinite(means).any() else np.zeros(len(means))
    return np.where(np.isfinite(excess), np.rint(np.minimum(excess, _SHIFT_MAX)), 0).astype(np.int64)


def _noise(synapses: tuple[FloatSynapses, ...], sources: list[_Source], shifts: NDArray[np.int64]) -> float:
    """What rounding the weights adds to a sum: its standard deviation in steps, sources at half of their range."""
    total = 0.0
    for one, shift in zip(synapses, shifts.tolist(), strict=True):
        inputs = math.prod(one.weight.shape[:2] if one.kind == "depthwise" else one.weight.shape[:-1])
        width = (sources[one.source].high - sources[one.source].low) * 2.0**shift
        total += inputs * (width / 2) ** 2 / 12
    return math.sqrt(total)


def _threshold(
    ceiling: NDArray[np.float64], step: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Whole thresholds, and the steps that make them exact: each at least as large as the one that is given."""
    threshold = np.maximum(1, np.floor(ceiling / step))
    return threshold.astype(np.int64), np.maximum(step, ceiling / threshold)


def _branches(
    synapses: tuple[FloatSynapses, ...],
    folded: list[NDArray[np.float64]],
    sources: list[_Source],
    step: NDArray[np.float64],
    shifts: NDArray[np.int64],
) -> _Branches:
    made, low, high = [], np.zeros(len(step), np.int64), np.zeros(len(step), np.int64)
    for one, weight, shift in zip(synapses, folded, shifts.tolist(), strict=True):
        stored = np.clip(np.rint(weight / (step * 2.0**shift)), -_WEIGHT_MAX, _WEIGHT_MAX).astype(np.int8)
        wide, inputs = stored.astype(np.int64) << shift, tuple(range(stored.ndim - 1))
        positive, negative = np.maximum(wide, 0).sum(axis=inputs), np.minimum(wide, 0).sum(axis=inputs)
        source = sources[one.source]
        low += positive * min(source.low, 0) + negative * max(source.high, 0)
        high += positive * max(source.high, 0) + negative * min(source.low, 0)
        made.append(
            Synapses(
                source=one.source,
                kind=one.kind,
                weight=stored,
                stride=one.stride,
                padding=one.padding,
                shift=shift,
            )
        )
    return _Branches(synapses=tuple(made), low=low, high=high)


def _bias(
    exact: NDArray[np.float64], branches: _Branches, threshold: NDArray[np.int64], levels: int
) -> NDArray[np.int64]:
    """The bias, no larger than what silences the neuron, or fires it in every step, whatever else comes in."""
    silent = -(branches.high // levels + threshold + 1)
    always = -(branches.low // levels) + threshold + 1
    return np.clip(np.rint(exact), silent, always).astype(np.int64)


def _sound(name: str, what: str, values: NDArray[np.float32]) -> NDArray[np.float64]:
    if not np.isfinite(values).all():
        raise ModelError(f"layer {name}: a {what} is not finite; train again, with a lower learning rate")
    return values.astype(np.float64)


def _overflow(name: str, levels: int) -> ModelError:
    return ModelError(
        f"layer {name}: with {levels} levels its sums leave int32 even with weights of 5 bits; "
        "take fewer levels, or a layer with fewer inputs"
    )
