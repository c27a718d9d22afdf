"""The columns X that are watched: signals standardised, whitened, and as one distance from the reference."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.profile.quantiles import rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_DISTANCE_FLOOR = 1e-3


def column_names(signals: Sequence[str]) -> tuple[str, ...]:
    """Name of each of the 2k + 1 columns; a whitened one has the name of its place."""
    return tuple(itertools.chain(signals, (f"whitened_{i}" for i in range(len(signals))), ("distance",)))


def scale_of(mean: NDArray[np.float32], std: NDArray[np.float32]) -> NDArray[np.float64]:
    """What a signal is divided by: its standard deviation, or a thousandth of its size where it was constant.

    Runtimes and CPUs differ in the last digits of a float32, so a spread below a millionth is none.
    """
    size = np.abs(mean.astype(np.float64))
    return np.where(std > 1e-6 * size + 1e-9, std.astype(np.float64), 1e-3 * size + 1e-6)


def standardised(values: NDArray[Any], mean: NDArray[np.float32], std: NDArray[np.float32]) -> NDArray[np.float32]:
    """Signal values (..., k) in standard deviations from their mean, rounded."""
    return rounded((np.asarray(values, np.float64) - mean) / scale_of(mean, std))


def columns_of(
    standard: NDArray[np.float32], whitening: NDArray[np.float32], centres: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Standardised signals (..., k), the same whitened, and the logarithm of the distance from the nearest centre."""
    white = rounded(standard @ whitening.T)
    squares = np.stack([((white - centre).astype(np.float64) ** 2).sum(axis=-1) for centre in centres])
    distance = rounded(np.log(squares.min(axis=0) + _DISTANCE_FLOOR))
    return np.concatenate([standard, white, distance[..., None]], axis=-1)
