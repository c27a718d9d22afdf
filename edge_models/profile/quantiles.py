"""Where a value lies among 33 quantiles: its bin 0..31 and its rank 0..1, ties included.

Columns are in standard deviations and are rounded to float16 before anything is compared, edges as well as values, with
one unit in the last place of slack. So a value that was tied in the reference (a black border, an int8 confidence of
127) is tied on every device, whatever the last digits of its float32.

Ties: where edges a..b coincide, an equal value has bin (a + b) // 2 and rank (a + b) / 64, a smaller one lies below a,
a larger one at b or above: "less", "the same" and "more" stay apart even for a signal that was constant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 32
LIMIT = 60_000.0  # standard deviations; float16 ends at 65,504
SLACK = 2.0**-10  # one unit in the last place of a float16 between 1 and 2

TAIL_SHARE = 0.002


def rounded(columns: NDArray[Any]) -> NDArray[np.float32]:
    """Values in standard deviations as float16 holds them, in float32; what is no number counts as very large."""
    x = np.asarray(columns)
    x = np.clip(np.where(np.isnan(x), LIMIT, x), -LIMIT, LIMIT)  # before the cast: float32 does not hold every float64
    return x.astype(np.float32).astype(np.float16).astype(np.float32)


def quantile_edges(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Quantiles 0/32 .. 32/32 of rounded columns (n, j), (j, 33), rounded and never falling."""
    edges = np.quantile(columns.astype(np.float64), np.linspace(0, 1, BINS + 1), axis=0).T
    return np.maximum.accumulate(rounded(edges), axis=1)


def slackened(edges: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where "equal" begins and ends for each edge, both of the shape of ``edges`` and never falling."""
    slack = np.maximum(np.abs(edges), np.float32(1)) * np.float32(SLACK)
    return edges - slack, edges + slack


def passed_edges(
    x: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """How many edges each rounded value is above, and how many it is above or equal to.

    Args:
        x: (j,) or (n, j).
        low: First result of ``slackened``, (j, 33).
        high: Second result.

    Returns:
        Two arrays of the shape of ``x``.
    """
    if x.ndim == 1:
        return (high < x[:, None]).sum(axis=1), (low <= x[:, None]).sum(axis=1)
    above, reached = np.empty(x.shape, np.intp), np.empty(x.shape, np.intp)
    for j, column in enumerate(x.T):
        above[:, j] = np.searchsorted(high[j], column, side="left")
        reached[:, j] = np.searchsorted(low[j], column, side="right")
    return above, reached


def bins_of(x: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.intp]:
    """The bin 0..31 of rounded values (j,) or (n, j) among edges (j, 33)."""
    above, reached = passed_edges(x, *slackened(edges))
    return np.asarray(np.clip((above + reached - 1) // 2, 0, BINS - 1))


def ranks_of(x: NDArray[np.float32], edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rank 0..1 of rounded values (j,) or (n, j) among edges (j, 33): the reference's distribution function.

    Examples:
        >>> edges = np.arange(33, dtype=np.float32)[None]
        >>> [float(ranks_of(np.array([x], np.float32), edges)[0]) for x in (-5, 8, 8.5, 40)]
        [0.0, 0.25, 0.265625, 1.0]
    """
    above, reached = passed_edges(x, *slackened(edges))
    at = np.clip(reached - 1, 0, BINS - 1)
    row = np.arange(len(edges))
    lower, upper = edges[row, at], edges[row, at + 1]
    step = np.clip((x - lower) / np.maximum(upper - lower, np.float32(1e-9)), 0, 1)
    between = np.where(reached > BINS, np.float32(BINS), np.where(reached < 1, np.float32(0), at + step))
    tied = (above + reached - 1) / 2
    return (np.where(reached - above > 1, tied, between) / BINS).astype(np.float32)


def tail_points(columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Quantiles .002 and .998 of rounded columns (n, j), (j, 2), rounded."""
    points = np.quantile(columns.astype(np.float64), (TAIL_SHARE, 1 - TAIL_SHARE), axis=0)
    return rounded(points.T)


def beyond_tails(x: NDArray[np.float32], tails: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether rounded values lie below the lower and above the upper of the points (j, 2)."""
    low, high = slackened(tails)
    return x < low[:, 0], x > high[:, 1]


def count_bins(bins: NDArray[np.intp]) -> NDArray[np.uint32]:
    """Bins (n, k) of n frames counted for each signal, (k, 32)."""
    k = bins.shape[1]
    flat = (bins + np.arange(k) * BINS).reshape(-1)
    return np.bincount(flat, minlength=k * BINS).reshape(k, BINS).astype(np.uint32)
