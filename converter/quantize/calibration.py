"""Which examples set the ranges of the activations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from converter.datasets.split import stratified

_SEED = 0  # of the choice: the same examples for every training of the same data


def calibration_choice(y: NDArray[np.int64], group: NDArray[np.int64] | None, count: int) -> NDArray[np.intp]:
    """Indices of ``count`` examples that take turns through the classes of every group; all when there are fewer.

    A site or a season that only a few examples come from is in it, as is a rare class: both widen ranges.

    Args:
        y: Class of each example, (n,).
        group: Group of each, (n,), or None.
        count: How many.

    Examples:
        >>> y, group = np.array([0] * 90 + [1] * 10), np.array([0] * 98 + [1] * 2)
        >>> chosen = calibration_choice(y, group, 6)
        >>> sorted(zip(y[chosen].tolist(), group[chosen].tolist()))
        [(0, 0), (0, 0), (1, 0), (1, 0), (1, 1), (1, 1)]
    """
    if group is None:
        return stratified(y, count, _SEED)
    _, places = np.unique(group, return_inverse=True)
    _, cells = np.unique(np.stack([y, places.astype(np.int64)]), axis=1, return_inverse=True)
    return stratified(cells.reshape(-1).astype(np.int64), count, _SEED)
