"""Whether a spiking network's graph, shapes and dtypes fit together, before any of its numbers is used.

A file from a stranger may claim anything; after this an executor can index without looking. Sizes are bounded too: a
small file must not make a device allocate gigabytes or compute for minutes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from edge_models.errors import NetworkError
from edge_models.spiking.network import Network, Neurons, Node, Pool, Readout, Shape, Synapses
from edge_models.tensors import DTYPE_RANGE, TensorSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_LEVELS = 255  # a count is one byte
MAX_NODES = 1000
MAX_SHIFT = 15
MAX_VALUES = 1 << 22  # of one node: 512 x 512 with 16 channels
MAX_PATCH_VALUES = 1 << 26  # of one convolution: windows * their cells, which a matrix product lays side by side
MAX_PADDED_VALUES = 2 * MAX_VALUES  # of one source with its zeros around it
MAX_SIDE = 1 << 22  # of a window, and of the way to the next one
MAX_TOTAL_VALUES = 1 << 23  # of all nodes: MobileNet of 224 x 224 has 5 million
MAX_TOTAL_WEIGHTS = 1 << 25  # of all synapses
MAX_WORK = 1 << 33  # products and terms of one frame: a minute of a Pi
CHANNEL_BLOCK = 16  # executors round channels up to whole vectors; totals count what is allocated
MAX_NAME = 200


def check_shapes(network: Network) -> None:
    """Refuse a network whose parts do not fit together.

    Raises:
        NetworkError: Says which node, what was found and what was expected.
    """
    _check_coding(network)
    _check_input(network.input, network.input_shape)
    if not 2 <= len(network.nodes) <= MAX_NODES:
        raise NetworkError(f"network has {len(network.nodes)} nodes, expected 2 (neurons, readout) to {MAX_NODES}")
    names = [node.name for node in network.nodes]
    for index, node in enumerate(network.nodes, start=1):
        if not (node.name.isprintable() and 0 < len(node.name) <= MAX_NAME):
            raise NetworkError(
                f"node {index} has name {node.name[:40]!r}, expected 1 to {MAX_NAME} printable characters"
            )
        if node.name in names[: index - 1]:
            raise NetworkError(f"node {index} has the name {node.name} of an earlier one, expected its own")
        is_last = index == len(network.nodes)
        if isinstance(node, Readout) is not is_last:
            found = "no readout" if is_last else "a readout"
            raise NetworkError(f"{node.name} is {found}, expected exactly one readout, as the last node")
        _check_shape(node.name, node.shape)
        _check_node(network, index, node)
    _check_totals(network)


def output_shape(synapses: Synapses, source: Shape) -> Shape:
    """Shape of what a synapse gives, from the shape of what it reads."""
    channels = synapses.weight.shape[-1]
    if synapses.kind == "dense":
        return (1, 1, channels)
    top, bottom, left, right = synapses.padding
    height = (source[0] + top + bottom - synapses.weight.shape[0]) // synapses.stride[0] + 1
    width = (source[1] + left + right - synapses.weight.shape[1]) // synapses.stride[1] + 1
    return (height, width, channels)


def _check_coding(network: Network) -> None:
    if network.coding not in ("atf", "radix", "if"):
        raise NetworkError(f"coding is {network.coding!r}, expected atf, radix or if")
    most = MAX_LEVELS.bit_length() if network.coding == "radix" else MAX_LEVELS
    if not 1 <= network.steps <= most:
        raise NetworkError(f"{network.coding} has {network.steps} steps, expected 1 to {most}")


def _check_input(spec: TensorSpec, shape: Shape) -> None:
    _check_shape("input", shape)
    if spec.dtype not in ("int8", "uint8") or spec.quant is None:
        raise NetworkError(f"input is {spec.dtype}, expected int8 or uint8 codes with scale and zero point")
    low, high = DTYPE_RANGE[spec.dtype]
    if not low <= spec.quant.zero_point <= high:
        raise NetworkError(f"input has zero point {spec.quant.zero_point}, expected a code, {low} to {high}")
    if math.prod(spec.shape) != math.prod(shape):
        raise NetworkError(f"input is {list(spec.shape)} and {list(shape)}, expected as many values in both")


def _check_shape(name: str, shape: Shape) -> None:
    if min(shape) < 1 or math.prod(shape) > MAX_VALUES:
        raise NetworkError(f"{name} has shape {list(shape)}, expected axes from 1 with at most {MAX_VALUES} values")


def _check_node(network: Network, index: int, node: Node) -> None:
    if isinstance(node, Pool):
        _check_pool(network, index, node)
        return
    _check_vector(node.name, "bias", node.bias, node.shape[2])
    if isinstance(node, Neurons):
        _check_vector(node.name, "threshold", node.threshold, node.shape[2])
        if int(node.threshold.min()) < 1:
            raise NetworkError(f"{node.name} has threshold {int(node.threshold.min())}, expected at least 1")
        if not 1 <= len(node.synapses) <= 16:
            raise NetworkError(f"{node.name} has {len(node.synapses)} synapses, expected 1 to 16")
    else:
        _check_readout(node, network.levels)
    for synapses in node.synapses:
        _check_source(node.name, synapses.source, least=0 if isinstance(node, Neurons) else 1, below=index)
        _check_synapses(node.name, synapses, network.shape_of(synapses.source), node.shape)


def _check_readout(node: Readout, levels: int) -> None:
    if not (math.isfinite(node.scale) and node.scale / levels > 0):
        raise NetworkError(f"{node.name} has scale {node.scale}, expected a finite number above 0")
    if len(node.synapses) != 1 or node.synapses[0].kind != "dense":
        kinds = ", ".join(synapses.kind for synapses in node.synapses) or "none"
        raise NetworkError(f"{node.name} has synapses: {kinds}, expected exactly one, dense")


def _check_source(name: str, source: int, *, least: int, below: int) -> None:
    if not least <= source < below:
        raise NetworkError(f"{name} is node {below} and reads node {source}, expected one from {least} to {below - 1}")


def _check_vector(name: str, field: str, values: NDArray[np.int32], length: int) -> None:
    if values.dtype != np.int32 or values.shape != (length,):
        raise NetworkError(f"{name} has {field} {values.dtype}{list(values.shape)}, expected int32[{length}]")


def _check_pool(network: Network, index: int, node: Pool) -> None:
    _check_source(node.name, node.source, least=1, below=index)
    height, width, channels = network.shape_of(node.source)
    found = f"window {list(node.size)}, stride {list(node.stride)}"
    if min(node.size) < 1 or min(node.stride) < 1 or node.size[0] > height or node.size[1] > width:
        raise NetworkError(f"{node.name} has {found}, expected at least 1 and a window inside {height} x {width}")
    if max(node.stride) > MAX_SIDE:
        raise NetworkError(f"{node.name} has {found}, expected strides of at most {MAX_SIDE}")
    rows, columns = ((height - node.size[0]) // node.stride[0] + 1, (width - node.size[1]) // node.stride[1] + 1)
    if node.shape != (rows, columns, channels):
        raise NetworkError(f"{node.name} has shape {list(node.shape)}, expected {[rows, columns, channels]}")
    if rows * columns * channels * math.prod(node.size) > MAX_PATCH_VALUES:
        raise NetworkError(f"{node.name} adds windows of {list(node.size)}, expected at most {MAX_PATCH_VALUES} terms")


def _check_synapses(name: str, synapses: Synapses, source: Shape, shape: Shape) -> None:
    weight = synapses.weight
    if not 0 <= synapses.shift <= MAX_SHIFT:
        raise NetworkError(f"{name} has shift {synapses.shift}, expected 0 to {MAX_SHIFT}")
    expected: dict[str, tuple[int, ...]] = {
        "dense": (math.prod(source), shape[2]),
        "conv": (*weight.shape[:2], source[2], shape[2]),
        "depthwise": (*weight.shape[:2], source[2]),
    }
    axes = expected.get(synapses.kind)
    if axes is None:
        raise NetworkError(f"{name} has synapses {synapses.kind!r}, expected dense, conv or depthwise")
    if weight.dtype != np.int8 or weight.shape != axes:
        found = f"{weight.dtype}{list(weight.shape)}"
        raise NetworkError(f"{name} has {synapses.kind} weights {found}, expected int8{list(axes)}")
    _check_window(name, synapses, source)
    given = output_shape(synapses, source)
    if given != shape:
        raise NetworkError(f"{name} has shape {list(shape)}, its {synapses.kind} synapses give {list(given)}")
    per_place = weight.size if synapses.kind != "conv" else weight.size // shape[2]
    if shape[0] * shape[1] * per_place > MAX_PATCH_VALUES:
        found = f"{shape[0] * shape[1]} windows of {per_place} values"
        raise NetworkError(f"{name} reads {found}, expected at most {MAX_PATCH_VALUES} values in all")


def _check_window(name: str, synapses: Synapses, source: Shape) -> None:
    if min(synapses.stride) < 1 or min(synapses.padding) < 0:
        found = f"stride {list(synapses.stride)}, padding {list(synapses.padding)}"
        raise NetworkError(f"{name} has {found}, expected strides from 1 and padding from 0")
    if synapses.kind == "dense":
        if synapses.stride != (1, 1) or any(synapses.padding):
            raise NetworkError(f"{name} is dense with a stride or padding, expected stride 1, 1 and no padding")
        return
    rows, columns = synapses.weight.shape[:2]
    if min(synapses.weight.shape) < 1:
        raise NetworkError(
            f"{name} has empty weights {list(synapses.weight.shape)}, expected at least one on each axis"
        )
    if max(synapses.padding[:2]) >= rows or max(synapses.padding[2:]) >= columns:
        found = f"padding {list(synapses.padding)}"
        raise NetworkError(f"{name} has {found}, expected less than its window of {rows} x {columns}")
    top, bottom, left, right = synapses.padding
    padded = (source[0] + top + bottom) * (source[1] + left + right) * source[2]
    if padded > MAX_PADDED_VALUES:
        raise NetworkError(f"{name} reads {padded} values with its padding, expected at most {MAX_PADDED_VALUES}")
    if max(rows, columns, *synapses.stride) > MAX_SIDE:
        found = f"window {[rows, columns]}, stride {list(synapses.stride)}"
        raise NetworkError(f"{name} has {found}, expected at most {MAX_SIDE}")


def _check_totals(network: Network) -> None:
    """Refuse what is too much for a device although each of its nodes is small."""
    values = weights = work = 0
    for node in network.nodes:
        height, width, channels = node.shape
        values += height * width * _in_blocks(channels)
        if isinstance(node, Pool):
            work += math.prod(node.shape) * math.prod(node.size)
            continue
        for synapses in node.synapses:
            weights += synapses.weight.size // channels * _in_blocks(channels)
            work += height * width * synapses.weight.size
    work *= 1 if network.coding == "atf" else network.steps
    for total, most, what in (
        (values, MAX_TOTAL_VALUES, "values"),
        (weights, MAX_TOTAL_WEIGHTS, "weights"),
        (work, MAX_WORK, "products"),
    ):
        if total > most:
            raise NetworkError(f"network has {total} {what} of all nodes together, expected at most {most}")


def _in_blocks(channels: int) -> int:
    return -(-channels // CHANNEL_BLOCK) * CHANNEL_BLOCK
