"""The numpy executor against the formulas written out as loops over single neurons."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_models.spiking.arithmetic import LinearMap
from edge_models.spiking.network import Coding, Network, Neurons, Pool, Readout, Synapses
from edge_models.spiking.reference import Reference
from tests.assets.spiking import CODINGS, KINDS, Kind, frames, network

Array = NDArray[np.int64]
kinds = st.sampled_from(KINDS)
seeds = st.integers(0, 1000)


@given(kinds, seeds, st.integers(1, 9))
def test_accumulate_then_fire_is_the_formula(kind: Kind, seed: int, steps: int) -> None:
    net = network(seed, kind=kind, steps=steps)
    x = frames(net, seed, 1)[0]

    expected = accumulate_then_fire(net, x)

    assert all(np.array_equal(found, node) for found, node in zip(Reference(net).trace(x), expected, strict=True))


@given(kinds, seeds, st.integers(1, 6))
def test_integrate_and_fire_is_the_formula(kind: Kind, seed: int, steps: int) -> None:
    net = network(seed, kind=kind, coding="if", steps=steps)
    x = frames(net, seed, 1)[0]

    expected = integrate_and_fire(net, x)

    assert all(np.array_equal(found, node) for found, node in zip(Reference(net).trace(x), expected, strict=True))


@given(kinds, seeds, st.integers(1, 5))
def test_bit_planes_give_the_same_integers_as_whole_counts(kind: Kind, seed: int, planes: int) -> None:
    radix = network(seed, kind=kind, coding="radix", steps=planes)
    counts = dataclasses.replace(radix, coding="atf", steps=(1 << planes) - 1)
    x = frames(radix, seed, 3)

    for found, expected in zip(Reference(radix).run_batch(x), Reference(counts).run_batch(x), strict=True):
        assert np.array_equal(found, expected)


@given(kinds, st.sampled_from(CODINGS), seeds)
def test_a_batch_is_its_frames_one_by_one(kind: Kind, coding: Coding, seed: int) -> None:
    net = network(seed, kind=kind, coding=coding)
    x = frames(net, seed, 4)
    reference = Reference(net)

    logits, counts = reference.run_batch(x)

    for index, frame in enumerate(x):
        answer = reference.run(frame)
        assert np.array_equal(answer.logits, logits[index])
        assert np.array_equal(answer.counts, counts[index])
        assert answer.steps == net.steps


@pytest.mark.parametrize("coding", CODINGS)
def test_answers_are_int32_of_the_documented_shapes(coding: Coding) -> None:
    net = network(3, coding=coding, classes=7)

    answer = Reference(net).run(frames(net, 3, 1)[0])

    assert answer.logits.dtype == answer.counts.dtype == np.int32
    assert answer.logits.shape == (7,)
    assert answer.counts.shape == (net.features,)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_a_zero_point_inside_the_codes_gives_negative_inputs(kind: Kind, dtype: str) -> None:
    net = network(5, kind=kind, dtype="int8" if dtype == "int8" else "uint8", zero_point=7)
    x = frames(net, 5, 1)[0]

    assert x.min() < 0
    assert np.array_equal(Reference(net).run(x).logits, accumulate_then_fire(net, x)[-1].ravel())


def test_weights_beyond_float32_stay_exact() -> None:
    """Sums above 2 ** 24, which float32 would round."""
    inputs = np.full((1, 1, 1, 60_000), 255, np.int32)
    flat = Synapses(source=0, kind="dense", weight=np.full((60_000, 1), 127, np.int8))
    flat.weight[0] = 126

    found = LinearMap(flat, (1, 1, 60_000), 0, 255)(inputs)

    assert found.item() == 255 * (127 * 60_000 - 1)


def test_a_silent_neuron_never_fires() -> None:
    net = network(2, kind="conv")
    x = frames(net, 2, 1)[0]
    alive = Reference(net).trace(x)
    mask = alive[1] > 0

    dead = Reference(net, {1: mask}).trace(x)

    assert mask.any()
    assert not dead[1].any()
    assert not np.array_equal(dead[-1], alive[-1])


@given(seeds, st.integers(0, 4000))
def test_early_exit_stops_at_the_first_decided_step(seed: int, margin: int) -> None:
    net = network(seed, coding="if", steps=6)
    x = frames(net, seed, 1)[0]
    reference = Reference(net)
    course = reference.trace(x)[-1].reshape(net.steps, -1)
    source = reference.trace(x)[net.readout.synapses[0].source]

    answer = reference.run_early(x, margin)

    decided = [step for step, logits in enumerate(course, 1) if lead(logits) >= margin * step]
    assert answer.steps == min(decided, default=net.steps)
    assert np.array_equal(answer.logits, course[answer.steps - 1])
    assert np.array_equal(answer.counts, source[: answer.steps].sum(axis=0).ravel())


def test_early_exit_is_for_plain_spikes_only() -> None:
    net = network(0, coding="atf")

    with pytest.raises(ValueError, match="early exit needs coding if, found atf"):
        Reference(net).run_early(frames(net, 0, 1)[0], 1)


def lead(logits: NDArray[np.int32]) -> int:
    second, first = sorted(int(value) for value in logits)[-2:]
    return first - second


def accumulate_then_fire(net: Network, x: NDArray[np.int32]) -> list[Array]:
    values = [x.astype(np.int64)]
    for node in net.nodes:
        if isinstance(node, Pool):
            values.append(window_sums(node, values[node.source]))
            continue
        total = np.zeros(node.shape, np.int64) + net.levels * node.bias.astype(np.int64)
        for synapses in node.synapses:
            total += weighted(synapses, values[synapses.source], node.shape) * (1 if synapses.source else net.levels)
        if isinstance(node, Neurons):
            total = np.clip((total + node.threshold // 2) // node.threshold, 0, net.levels)
        values.append(total)
    return values


def integrate_and_fire(net: Network, x: NDArray[np.int32]) -> list[Array]:
    membranes = [
        np.zeros(node.shape, np.int64) + (node.threshold // 2 if isinstance(node, Neurons) else 0) for node in net.nodes
    ]
    course: list[list[Array]] = []
    for _ in range(net.steps):
        values = [x.astype(np.int64)]
        for index, node in enumerate(net.nodes):
            if isinstance(node, Pool):
                values.append(window_sums(node, values[node.source]))
                continue
            membrane = membranes[index]
            for synapses in node.synapses:
                membrane += weighted(synapses, values[synapses.source], node.shape)
            membrane += node.bias
            if isinstance(node, Readout):
                values.append(membrane.copy())
                continue
            spikes = (membrane >= node.threshold).astype(np.int64)
            membrane -= spikes * node.threshold
            values.append(spikes)
        course.append(values)
    return [x.astype(np.int64), *(np.stack([step[index] for step in course]) for index in range(1, len(net.nodes) + 1))]


def weighted(synapses: Synapses, source: Array, shape: tuple[int, int, int]) -> Array:
    """One place of the output after the other."""
    weight = synapses.weight.astype(np.int64)
    if synapses.kind == "dense":
        return ((source.ravel() @ weight) << synapses.shift).reshape(shape)
    top, bottom, left, right = synapses.padding
    padded = np.pad(source, ((top, bottom), (left, right), (0, 0)))
    result = np.zeros(shape, np.int64)
    for row, column in places(shape):
        y, x = row * synapses.stride[0], column * synapses.stride[1]
        window = padded[y : y + weight.shape[0], x : x + weight.shape[1]]
        if synapses.kind == "conv":
            result[row, column] = np.einsum("rci,rcio->o", window, weight)
        else:
            result[row, column] = (window * weight).sum(axis=(0, 1))
    return result << synapses.shift


def window_sums(node: Pool, source: Array) -> Array:
    result = np.zeros(node.shape, np.int64)
    for row, column in places(node.shape):
        y, x = row * node.stride[0], column * node.stride[1]
        result[row, column] = source[y : y + node.size[0], x : x + node.size[1]].sum(axis=(0, 1))
    return result


def places(shape: tuple[int, int, int]) -> Iterator[tuple[int, int]]:
    for flat in range(math.prod(shape[:2])):
        yield divmod(flat, shape[1])
