"""What is bet on: functions g of a frame, each in 0..1, and the most that their mean may be while nothing is wrong.

For each column (its rank u in the reference): u, 1 - u, |2u - 1|, 1 - |2u - 1|, and whether it lies beyond the upper
or the lower tail point. For each signal: how much likelier its bin became if the signal, taken as normal, moved up or
down by .8, 1.6 or 3 standard deviations. A bet on u pays 1.6 times a frame at most, one on such a tilt nearly what the
likelihood ratio does, so these find a shift in half the frames. For each predicted class: whether it is this one,
whether it is another. For each health flag: whether it is set. Nothing is wrong while the mean of
every g, whatever came before, is at most its ``bound``:

    bound = max over contexts (m + tau),  tau = max(dead_band * s, 3.5 * s / sqrt(n), 5 / n)

with mean m and standard deviation s of g in a context that n independent frames measured. The first term is the shift
that does not count, the others are what the reference itself does not know. Shares (tails, classes) have Wilson's
interval (Wilson 1927) at 3.5 standard errors instead, which does not end at 0 for what was never seen. As the bound is
the largest of the contexts', frames may come from any of them, in any order.

A bet pays ``1 + stake * (g - bound)``: 1 on average at most, and never below .05.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from edge_models.drift.columns import Columns
from edge_models.profile.quantiles import BINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_models.profile import Context, Profile

HEALTH = ("refused", "out_of_range")
"""Flags of a frame that are never set while nothing is wrong."""
DEAD_BAND_SD = 0.1
MAX_CLASSES = 32  # of more classes only the most frequent have bets of their own

_ERRORS = 3.5  # standard errors of the reference's own mean
_UNSEEN = 5.0  # frames: what n frames never showed happens in 5 of n with a probability of 99.3 % at most
_TAIL_BAND = 0.02
_STAKES = np.array([0.25, 0.7, 1.5]) * 0.289  # of a standard deviation; that of a uniform rank is .289
_TAIL_STAKES = np.array([2.0, 8.0, 25.0])
_TILTS_SD = (0.8, 1.6, 3.0)
_TILT_SHARES = np.array([0.3, 0.6, 1.0])  # of the largest stake, which makes the bet the likelihood ratio but for 5 %
_RISK = 0.95  # of what is there, so that a bet that loses keeps at least .05
_ROUNDING = 4e-6  # more than float32 can give back in one update: 5e-7 at a stake of at least .14
_SMALLEST_SD = 1e-3
_HOPELESS = 0.995  # a bound above leaves nothing to win


class BetName(NamedTuple):
    """What a bet is on: a column, class (``class_3``) or flag, and how it would have to change."""

    signal: str
    kind: str


_COLUMN_KINDS = ("up", "down", "spread", "centre", "high", "low")
_TILT_KINDS = ("slightly_up", "slightly_down", "up_a_lot", "down_a_lot", "far_up", "far_down")


class Bets:
    """The functions g of one profile.

    Args:
        profile: The reference.
        contexts: All conditions that are all right, those learnt on the device included; None for the profile's.
        dead_band: Shift of a function's mean, in its standard deviations, that does not count.

    Attributes:
        columns: How signals become columns.
        names: What each of the K bets is on.
        classes: Class indices that have bets of their own, (C,).
        bound: The most that the mean of each g may be, (K,) float32.
        stakes: Three stakes for each, (3, K) float32; 0 where nothing can be won.
    """

    __slots__ = ("_buffer", "_place", "_ranked", "bound", "classes", "columns", "names", "stakes")

    def __init__(
        self, profile: Profile, contexts: Sequence[Context] | None = None, dead_band: float = DEAD_BAND_SD
    ) -> None:
        if not dead_band >= 0:
            raise ValueError(f"dead band {dead_band}, expected 0 or more standard deviations")
        known = tuple(contexts) if contexts else profile.contexts
        self.columns = Columns(profile)
        prior = np.max([context.class_prior for context in known], axis=0)
        self.classes = np.sort(np.argsort(-prior, kind="stable")[:MAX_CLASSES])
        self._ranked = 6 * len(self.columns.names) + len(_TILT_KINDS) * len(profile.signals)
        self._place = {int(index): place for place, index in enumerate(self.classes)}
        self.names = tuple(
            [BetName(name, kind) for kind in _COLUMN_KINDS for name in self.columns.names]
            + [BetName(name, kind) for kind in _TILT_KINDS for name in profile.signals]
            + [BetName(f"class_{index}", kind) for kind in ("more", "less") for index in self.classes]
            + [BetName(name, "flag") for name in HEALTH]
        )
        bounds, spreads = zip(*(_allowed(context, self.classes, dead_band) for context in known), strict=True)
        bound = np.max(bounds, axis=0) + _ROUNDING
        self.bound: NDArray[np.float32] = np.nextafter(bound.astype(np.float32), np.float32(2))
        self.stakes: NDArray[np.float32] = _stakes(bound, np.max(spreads, axis=0), self.names)
        self._buffer: NDArray[np.float32] = self.bound.copy()

    def of(
        self, columns: NDArray[np.float32] | None, predicted: int | None = None, health: Sequence[bool] = ()
    ) -> NDArray[np.float32]:
        """The functions of one frame, (K,) float32, in a buffer that the next call writes over.

        Args:
            columns: ``Columns.of`` of the frame, (J,); None for a frame without signals, such as a refused one.
            predicted: Class that was predicted; None without one.
            health: Whether each flag of ``HEALTH`` is set; none when left out.

        What is not known equals its bound: it neither wins nor loses.
        """
        g = self._buffer
        ranked, classes = self._ranked, len(self.classes)
        if columns is None:
            g[:ranked] = self.bound[:ranked]
        else:
            self._rank(columns, g)
        more, less = g[ranked : ranked + classes], g[ranked + classes : ranked + 2 * classes]
        if predicted is None:
            g[ranked : ranked + 2 * classes] = self.bound[ranked : ranked + 2 * classes]
        else:
            more.fill(0)
            less.fill(1)
            place = self._place.get(predicted)
            if place is not None:
                more[place], less[place] = 1, 0
        g[ranked + 2 * classes :] = health if len(health) else 0
        return g

    def batch(
        self, columns: NDArray[np.float32], predicted: NDArray[Any] | None = None, health: NDArray[Any] | None = None
    ) -> NDArray[np.float32]:
        """The functions of n frames, (n, K): columns (n, J), classes (n,), flags (n, H)."""
        n, missing = len(columns), np.isnan(columns)
        u = self.columns.ranks(np.where(missing, 0, columns).astype(np.float32))
        v = np.abs(2 * u - 1)
        low, high = self.columns.tails(columns)
        k = columns.shape[1] // 2
        parts: list[NDArray[Any]] = [u, 1 - u, v, 1 - v, high, low]
        parts += [_TILTS[:, _bins_at(u[:, :k])].transpose(1, 0, 2).reshape(n, -1)]
        if predicted is None:
            at = self._ranked
            parts += [np.broadcast_to(self.bound[at : at + 2 * len(self.classes)], (n, 2 * len(self.classes)))]
        else:
            is_it = np.asarray(predicted)[:, None] == self.classes
            parts += [is_it, ~is_it]
        parts += [np.zeros((n, len(HEALTH))) if health is None else health]
        g = np.concatenate(parts, axis=1, dtype=np.float32, casting="unsafe")
        if missing.any():
            where = np.concatenate([np.tile(missing, 6), np.tile(missing[:, :k], len(_TILT_KINDS))], axis=1)
            np.copyto(g[:, : self._ranked], self.bound[: self._ranked], where=where)
        return g

    def _rank(self, columns: NDArray[np.float32], g: NDArray[np.float32]) -> None:
        count = len(columns)
        table = g[: 6 * count].reshape(6, count)
        table[0] = self.columns.ranks(columns)
        np.subtract(1, table[0], out=table[1])
        np.subtract(table[0], table[1], out=table[2])  # u - (1 - u) = 2u - 1
        np.abs(table[2], out=table[2])
        np.subtract(1, table[2], out=table[3])
        table[5], table[4] = self.columns.tails(columns)
        tilts = g[6 * count : self._ranked].reshape(len(_TILT_KINDS), count // 2)
        np.take(_TILTS, _bins_at(table[0, : count // 2]), axis=1, out=tilts, mode="clip")
        missing = np.isnan(columns)
        if missing.any():
            np.copyto(table, self.bound[: 6 * count].reshape(6, count), where=missing)
            np.copyto(tilts, self.bound[6 * count : self._ranked].reshape(tilts.shape), where=missing[: count // 2])


def _allowed(
    context: Context, classes: NDArray[np.intp], dead_band: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bound and standard deviation of each bet in one context, both (K,)."""
    n = context.n
    u, v, prior = (np.asarray(m, np.float64) for m in (context.u_mean, context.v_mean, context.class_prior[classes]))
    mean = np.concatenate([u, 1 - u, v, 1 - v])
    spread = np.concatenate([context.u_std, context.u_std, context.v_std, context.v_std]).astype(np.float64)
    tilted, tilted_spread = _tilted(context)
    tails = np.concatenate([context.high, context.low]).astype(np.float64)
    shares = np.concatenate([prior, 1 - prior])
    share_band = dead_band * np.sqrt(shares * (1 - shares))
    bound = np.concatenate(
        [
            mean + _slack(spread, n, dead_band),
            np.maximum(tails + _TAIL_BAND, wilson_upper(tails, n)),
            tilted + _slack(tilted_spread, n, dead_band),
            np.maximum(shares + share_band, wilson_upper(shares, n)),
            np.full(len(HEALTH), _TAIL_BAND),
        ]
    )
    rest = [bound[mean.size :][: tails.size], bound[mean.size + tails.size + tilted.size :]]
    low, high = (np.sqrt(part.clip(0, 1) * (1 - part.clip(0, 1))) for part in rest)
    return bound, np.concatenate([spread, low, tilted_spread, high])


def _slack(spread: NDArray[np.float64], n: int, dead_band: float) -> NDArray[np.float64]:
    """What a mean may differ by: the shift that does not count, and what n frames of the reference do not know."""
    return np.asarray(np.maximum(np.maximum(dead_band * spread, _ERRORS * spread / np.sqrt(n)), _UNSEEN / n))


def _bins_at(u: NDArray[np.float32]) -> NDArray[np.intp]:
    """The bin 0..31 of ranks 0..1, of the same shape."""
    return np.fmin(np.fmax(u * BINS, 0), BINS - 1).astype(np.intp)  # a NaN is left out afterwards


def _tilt_tables() -> NDArray[np.float32]:
    """Likelihood ratios of the 32 bins of a normal signal that moved, divided by the largest, (6, 32)."""
    normal = NormalDist()
    z = np.array([normal.inv_cdf((place + 0.5) / BINS) for place in range(BINS)])
    ratios = [np.exp(tilt * (z - z[-1])) for tilt in _TILTS_SD]
    return np.array([side for ratio in ratios for side in (ratio, ratio[::-1])], np.float32)


_TILTS = _tilt_tables()


def _tilted(context: Context) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of the tilts of each signal in a context, both (6k,)."""
    share = context.histogram / context.n
    tilts = _TILTS.astype(np.float64)
    mean, square = (tilts @ share.T).ravel(), (tilts**2 @ share.T).ravel()
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def wilson_upper(share: NDArray[np.float64], n: int, errors: float = _ERRORS) -> NDArray[np.float64]:
    """Upper end of Wilson's interval for shares that were measured on n frames, at so many standard errors."""
    square = errors * errors / n
    centre = share + square / 2
    return np.asarray((centre + errors * np.sqrt(share * (1 - share) / n + square / (4 * n))) / (1 + square))


def _stakes(bound: NDArray[np.float64], spread: NDArray[np.float64], names: Sequence[BetName]) -> NDArray[np.float32]:
    rare = np.array([name.kind in ("high", "low", "flag") for name in names])
    largest = _RISK / np.maximum(bound, 1e-9)
    wanted = np.where(rare, _TAIL_STAKES[:, None], _STAKES[:, None] / np.maximum(spread, _SMALLEST_SD))
    wanted = np.where([name.kind in _TILT_KINDS for name in names], _TILT_SHARES[:, None] * largest, wanted)
    stakes = np.minimum(wanted, largest)
    return np.where(bound < _HOPELESS, stakes, 0).astype(np.float32)
