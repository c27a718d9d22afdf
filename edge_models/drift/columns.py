"""One frame's signals as columns and ranks, without the temporaries that ``Profile.columns`` makes for a batch.

A signal that is no finite number makes its own column, the whitened ones and the distance NaN: nothing is claimed about
what was not measured. ``edge_models.drift.bets`` leaves such columns out.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_models.profile.columns import column_names, scale_of
from edge_models.profile.quantiles import BINS, LIMIT, beyond_tails, slackened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.profile import Profile

_LIMIT = np.float32(LIMIT)
_DISTANCE_FLOOR = 1e-3  # as ``edge_models.profile.columns``; tests compare the two


class Columns:
    """The columns X of one profile, and where their values lie in its reference.

    Attributes:
        names: Name of each of the J = 2k + 1 columns.
        whitening: Takes standardised signals to whitened ones, (k, k).

    Examples:
        >>> from edge_models.profile import build_profile
        >>> rng = np.random.default_rng(0)
        >>> columns = Columns(build_profile(("level", "tone"), rng.normal(size=(2000, 2)), None, 0))
        >>> columns.names
        ('level', 'tone', 'whitened_0', 'whitened_1', 'distance')
        >>> [round(float(u), 2) for u in columns.ranks(columns.of(np.array([3.0, 0.0])))[:2]]
        [1.0, 0.51]
    """

    __slots__ = ("_centres", "_lookup", "_mean", "_profile", "_scale", "_tails", "names", "whitening")

    def __init__(self, profile: Profile) -> None:
        self.names = column_names(profile.signals)
        self._profile = profile
        self._mean = profile.mean.astype(np.float64)
        self._scale = scale_of(profile.mean, profile.std)
        self.whitening = np.ascontiguousarray(profile.whitening)
        self._centres = np.stack([context.centre for context in profile.contexts])
        self._lookup = _Lookup(profile.column_edges)
        self._tails = tuple(np.ascontiguousarray(side) for side in _tail_ends(profile.tails))

    def of(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The columns (J,) of one frame's signals (k,), rounded; NaN where they depend on a value that is none."""
        k = len(self._mean)
        columns = np.empty(2 * k + 1, np.float32)
        standard = np.clip((values - self._mean) / self._scale, -LIMIT, LIMIT)
        columns[:k] = standard.astype(np.float16)
        known = np.isfinite(values)
        if not known.all():
            columns[:k][~known] = np.nan
            columns[k:] = np.nan
            return columns
        white = self.whitening @ columns[:k]
        np.minimum(white, _LIMIT, out=white)
        np.maximum(white, -_LIMIT, out=white)
        columns[k:-1] = white.astype(np.float16)
        offsets = (columns[k:-1] - self._centres).astype(np.float64)
        nearest = float(np.einsum("ck,ck->c", offsets, offsets).min())
        columns[-1] = np.float16(math.log(nearest + _DISTANCE_FLOOR))
        return columns

    def batch(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The columns (n, J) of n frames (n, k), as ``of`` gives them."""
        values = np.asarray(values, np.float64)
        known = np.isfinite(values)
        columns = self._profile.columns(np.where(known, values, self._mean))
        k = len(self._mean)
        columns[:, :k][~known] = np.nan
        columns[~known.all(axis=1), k:] = np.nan
        return columns

    def ranks(self, columns: NDArray[np.float32]) -> NDArray[np.float32]:
        """The rank 0..1 in the reference of columns (J,) or (n, J); what a rank of NaN is, is not defined."""
        if columns.ndim == 1:
            return self._lookup.ranks(columns)
        return self._profile.ranks(columns)

    def tails(self, columns: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Whether columns (J,) or (n, J) lie below the lower and above the upper tail point; a NaN does neither."""
        if columns.ndim > 1:
            return beyond_tails(columns, self._profile.tails)
        low, high = self._tails
        return columns < low, columns > high


class _Lookup:
    """Ranks of one value for each column, from tables by the number of edges that it has reached."""

    __slots__ = ("_base", "_high", "_inverse", "_low", "_lower", "_row")

    def __init__(self, edges: NDArray[np.float32]) -> None:
        low, high = slackened(edges)
        self._low, self._high = np.ascontiguousarray(low.T), np.ascontiguousarray(high.T)  # (33, J)
        columns = len(edges)
        step = np.maximum(np.diff(edges, axis=1), np.float32(1e-9))
        self._lower = np.concatenate([edges[:, :1], edges], axis=1).T.ravel()  # by reached edges 0..33, then column
        zero = np.zeros((columns, 1), np.float32)
        self._inverse = np.concatenate([zero, 1 / step, zero], axis=1).T.ravel().astype(np.float32)
        self._base = np.array([0, *range(BINS), BINS], np.float32) / BINS
        self._row = np.arange(columns)

    def ranks(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        reached = np.add.reduce((self._low <= x).view(np.int8), axis=0, dtype=np.intp)
        above = np.add.reduce((self._high < x).view(np.int8), axis=0, dtype=np.intp)
        at = reached * len(x)
        at += self._row
        step: NDArray[np.float32] = x - self._lower.take(at)
        step *= self._inverse.take(at)
        np.minimum(step, 1, out=step)
        np.maximum(step, 0, out=step)
        step /= BINS
        step += self._base.take(reached)
        tied = reached - above > 1
        if tied.any():
            step[tied] = (above[tied] + reached[tied] - 1) / (2 * BINS)
        return step


def _tail_ends(tails: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    low, high = slackened(tails)
    return low[:, 0], high[:, 1]
