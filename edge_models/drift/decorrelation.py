"""How many frames it takes until a source says something new, and how many to leave out because of that."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAIR_ENDS = 0.05  # a pair of autocorrelations below says that the rest is noise
_MARGIN = 1.2
_INDEPENDENT = 1.25  # an integrated time up to here cannot be told from that of independent frames
_LONGEST_SHARE = 8  # lags beyond an eighth of the frames are not measured well


def integrated_time(u: NDArray[np.floating]) -> NDArray[np.float64]:
    """Integrated autocorrelation time of each column, in frames, (J,).

    1 + 2 * the sum of the autocorrelations, in pairs until one sums to less than .05 (after Geyer 1992, initial
    positive sequence).

    Args:
        u: Ranks of n successive frames, (n, J).

    Returns:
        At least 1; NaN for a column that is constant or has a value that is no number.
    """
    return np.array([_time(np.asarray(column, np.float64)) for column in u.T])


def thin_of(tau: NDArray[np.floating]) -> int:
    """One of how many frames counts as independent, from the integrated times; 1 when all do.

    Examples:
        >>> thin_of(np.array([1.0, 1.1, 40.0])), thin_of(np.array([18.1, 18.3, 18.5]))
        (1, 22)
    """
    known = tau[np.isfinite(tau)]
    if not known.size:
        return 1
    median = float(np.median(known))
    return 1 if median <= _INDEPENDENT else math.ceil(_MARGIN * median)


def _time(column: NDArray[np.float64]) -> float:
    n = len(column)
    if n < 2 * _LONGEST_SHARE or not np.isfinite(column).all():
        return math.nan
    centred = column - column.mean()
    if not centred.any() or centred @ centred <= 1e-12 * n:
        return math.nan
    size = 1 << (2 * n - 1).bit_length()
    power = np.abs(np.fft.rfft(centred, size)) ** 2
    covariance = np.fft.irfft(power, size)[: n // _LONGEST_SHARE + 1]
    rho = covariance[1:] / covariance[0]
    pairs = rho[: len(rho) // 2 * 2].reshape(-1, 2).sum(axis=1)
    ends = np.flatnonzero(pairs < _PAIR_ENDS)
    return float(1 + 2 * pairs[: ends[0] if ends.size else None].sum())
