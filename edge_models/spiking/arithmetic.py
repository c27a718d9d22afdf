"""Linear maps and pools of a spiking network in numpy, exact: matrix products in floating point that cannot round.

A product of integers in float32 is exact, in any order of summation and with fused operations, while no partial sum
reaches 2 ** 24; in float64, 2 ** 53. The worst case of the weights decides which of them a map uses, so every BLAS
gives the same integers. Convolutions lay their windows side by side (im2col) for one matrix product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.spiking.network import Pool, Shape, Synapses
from edge_models.spiking.ranges import weighted_range
from edge_models.spiking.shapes import output_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FLOAT32_EXACT = 1 << 24


class LinearMap:
    """What one synapse gives for the values of its source, shifted."""

    def __init__(self, synapses: Synapses, source: Shape, low: int, high: int) -> None:
        """Prepare the weights of ``synapses`` for a source of shape ``source`` with values from ``low`` to ``high``."""
        weight = synapses.weight
        negative, positive = weighted_range(synapses, 0, 1)
        largest = int((positive - negative).max()) * max(-low, high)
        self._dtype = np.dtype(np.float32 if largest < _FLOAT32_EXACT else np.float64)
        self._synapses = synapses
        self._source = source
        self._shape = output_shape(synapses, source)
        self._is_pointwise = synapses.kind == "conv" and weight.shape[:2] == (1, 1) and synapses.stride == (1, 1)
        matrix = weight if synapses.kind == "depthwise" else weight.reshape(-1, weight.shape[-1])
        self._weight = np.ascontiguousarray(matrix, self._dtype)

    def __call__(self, values: NDArray[np.int32]) -> NDArray[np.int32]:
        """The weighted sums.

        Args:
            values: int32 (batch, height, width, channels) of the source, within the range that was declared.

        Returns:
            int32 (batch, height, width, channels) of the target.
        """
        given = values.astype(self._dtype)
        if self._synapses.kind == "dense":
            sums: NDArray[Any] = given.reshape(len(given), -1) @ self._weight
        elif self._synapses.kind == "conv":
            sums = self._convolved(given)
        else:
            sums = self._filtered(self._padded(given))
        whole: NDArray[np.int32] = sums.reshape(len(given), *self._shape).astype(np.int32)
        return whole << np.int32(self._synapses.shift) if self._synapses.shift else whole

    def _convolved(self, given: NDArray[Any]) -> NDArray[Any]:
        if self._is_pointwise:
            return given.reshape(-1, given.shape[3]) @ self._weight
        rows, columns = self._synapses.weight.shape[:2]
        padded = self._padded(given)
        # (batch, places down, places across, channels, rows, columns) with the stride, then channels last
        windows = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(1, 2))
        windows = windows[:, :: self._synapses.stride[0], :: self._synapses.stride[1]]
        patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, self._weight.shape[0])
        product: NDArray[Any] = patches @ self._weight
        return product

    def _filtered(self, padded: NDArray[Any]) -> NDArray[Any]:
        """Each channel with its own window: one addition for each cell of it."""
        down, across = self._synapses.stride
        height, width, channels = self._shape
        sums = np.zeros((len(padded), height, width, channels), self._dtype)
        for row, column in np.ndindex(self._weight.shape[:2]):
            seen = padded[
                :, row : row + down * (height - 1) + 1 : down, column : column + across * (width - 1) + 1 : across
            ]
            sums += seen * self._weight[row, column]
        return sums

    def _padded(self, given: NDArray[Any]) -> NDArray[Any]:
        top, bottom, left, right = self._synapses.padding
        if not any(self._synapses.padding):
            return given
        height, width, channels = self._source
        padded = np.zeros((len(given), height + top + bottom, width + left + right, channels), self._dtype)
        padded[:, top : top + height, left : left + width] = given
        return padded


def pooled(node: Pool, values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Sums of the windows of ``node``, int32 (batch, height, width, channels)."""
    rows, columns = node.size
    if (rows, columns) == values.shape[1:3]:
        everything: NDArray[np.int32] = values.sum(axis=(1, 2), keepdims=True, dtype=np.int32)
        return everything
    down, across = node.stride
    height, width, _ = node.shape
    sums = np.zeros((len(values), *node.shape), np.int32)
    for row in range(rows):
        for column in range(columns):
            sums += values[
                :, row : row + down * (height - 1) + 1 : down, column : column + across * (width - 1) + 1 : across
            ]
    return sums


def fired(total: NDArray[np.int32], threshold: NDArray[np.int32], levels: int) -> NDArray[np.int32]:
    """clip(floor(total / threshold), 0, levels); ``total`` has bias and half a threshold in it already.

    A float64 quotient of two int32 is never rounded up to an integer that it is below: it is at least 2 ** -31 away
    from it and the rounding error is at most 2 ** -22 of that distance.
    """
    counts: NDArray[np.int32] = np.clip(np.floor(total / threshold), 0, levels).astype(np.int32)
    return counts
