"""How near the artifact's outputs are to those of float32, and those to Keras'."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_NOTHING = 1e-30  # power that stands for none: equal outputs get a finite ratio


def sqnr_db(reference: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Signal-to-quantisation-noise ratio of outputs of one shape, in dB.

    Examples:
        >>> round(sqnr_db(np.ones(4, np.float32), np.full(4, 0.9, np.float32)), 3)
        20.0
    """
    exact = reference.astype(np.float64)
    signal, noise = float((exact**2).sum()), float(((exact - found) ** 2).sum())
    return 10 * math.log10(max(signal, _NOTHING) / max(noise, _NOTHING))


def largest_difference(reference: NDArray[np.float32], found: NDArray[np.float32], *, relative: bool = False) -> float:
    """Largest absolute difference of the first rows that both have, (n, k) each; NaN if one is NaN.

    Args:
        reference: Outputs.
        found: The same from elsewhere.
        relative: As a share of the largest output where that is above 1: a reconstruction has the unit of its input,
            in which 1e-4 may be less than float32 can tell.
    """
    n = min(len(reference), len(found))
    difference = float(np.abs(reference[:n].reshape(n, -1) - found[:n].reshape(n, -1)).max())
    return difference / max(1.0, float(np.abs(reference[:n]).max())) if relative else difference
