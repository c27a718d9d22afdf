"""An e-process for the shares of predicted classes, against every share that the reference does not rule out.

The null is a box around the reference's shares: lo <= p <= hi, as wide as z standard errors of the reference, at least
half a point. Three estimates q of the present shares forget at different rates. Each frame pays ``q[c] / p[c]`` where p
is the point of the box that is nearest to q (Kullback-Leibler): p = clip(a * q, lo, hi) with a such that p sums to 1.
For every null r in the box the pay is 1 on average at most. With S = sum p and any a > 0,

    sum r q/p = sum p q/p + sum (r - p)(q/p - 1/a) + (1 - S)/a <= 1 + (1 - S)/a

because q/p is above 1/a only where p = hi >= r and below only where p = lo <= r. The pay is divided by the right side,
so it is exact however well a was found. Plain estimates against the reference's shares themselves would alarm on the
reference's own error.

Classes above 32 share one place: the rare ones count together.
"""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import numpy as np

from edge_models.drift.bets import MAX_CLASSES, wilson_upper
from edge_models.drift.budget import checked
from edge_models.errors import DriftStateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from edge_models.profile import Context

_HEADER = struct.Struct("<4sHI")
_MAGIC = b"DCP1"
_DECAYS = np.array([0.99, 0.995, 0.998])
_KEPT = _DECAYS[:, None]
_PRIOR_FRAMES = 20.0  # what the reference's shares weigh in an estimate
_ERRORS = 3.0
_BAND = 0.005
_STEPS = 6  # of Newton's method; one or two are usual
_EXACT = 1e-9


class ClassPrior:
    """Alarms when the predicted classes have other shares than the reference.

    Args:
        prior: Shares of the c classes, (c,), or of each context, (m, c).
        n_ref: Independent frames that they were measured on; one number, or one for each context.
        threshold: Average run length to a false alarm, in updates; 1 or more.

    Raises:
        ValueError: Shares that do not sum to 1, no frame, or a threshold below 1.
    """

    __slots__ = (
        "_counts",
        "_frames",
        "_high",
        "_is_over",
        "_low",
        "_place",
        "_prior",
        "_scale",
        "_sums",
        "_threshold",
        "_weighed_prior",
        "classes",
    )

    def __init__(self, prior: NDArray[np.floating], n_ref: int | Sequence[int], threshold: float) -> None:
        shares = np.atleast_2d(np.asarray(prior, np.float64))
        measured = np.broadcast_to(np.asarray(n_ref, np.int64), len(shares))
        if not threshold >= 1 or (measured < 1).any() or shares.shape[1] < 2 or (shares < 0).any():
            raise ValueError(f"found {shares.shape[1]} classes, n_ref {n_ref}, threshold {threshold}, expected 2, 1, 1")
        if np.abs(shares.sum(axis=1) - 1).max() > 1e-3:
            raise ValueError(f"shares sum to {shares.sum(axis=1).tolist()}, expected 1")
        shares = shares / shares.sum(axis=1, keepdims=True)
        self.classes = np.sort(np.argsort(-shares.max(axis=0), kind="stable")[:MAX_CLASSES])
        self._place = {int(index): place for place, index in enumerate(self.classes)}
        shares = _gathered(shares, self.classes)
        self._low, self._high = _box(shares, measured)
        weight = measured[:, None] / measured.sum()
        smooth = (shares * measured[:, None] + 0.5) / (measured[:, None] + 0.5 * shares.shape[1])
        self._prior = (smooth * weight).sum(axis=0)
        self._weighed_prior = _PRIOR_FRAMES * self._prior
        self._threshold = threshold
        self._counts = np.zeros((len(_DECAYS), shares.shape[1]), np.float64)
        self._scale = np.ones(len(_DECAYS))
        self._sums = np.zeros(len(_DECAYS))
        self._frames = 0
        self._is_over = False

    @classmethod
    def of(cls, contexts: Sequence[Context], threshold: float) -> ClassPrior:
        """For the contexts of a profile and those learnt on a device."""
        return cls(np.stack([context.class_prior for context in contexts]), [c.n for c in contexts], threshold)

    @property
    def value(self) -> float:
        """The mean of the three sums; the threshold or more right after an alarm."""
        return sum(self._sums.tolist()) / len(_DECAYS)

    def update(self, predicted: int) -> bool:
        """Take one frame's predicted class; whether it makes it an alarm. The next update then begins anew."""
        if self._is_over:
            self._sums[:] = 0
            self._frames = 0
        place = self._place.get(predicted, len(self.classes))
        if place >= self._prior.size:
            raise ValueError(f"class {predicted}, expected one of {self._prior.size}")
        self._sums += 1
        self._sums *= self._pays()[:, place]
        self._counts *= _KEPT
        self._counts[:, place] += 1
        self._frames += 1
        self._is_over = self.value >= self._threshold
        return self._is_over

    def ranked(self, count: int) -> list[tuple[str, float]]:
        """Classes that are more or less frequent than the reference allows, with their shares of the difference."""
        q = self._estimates()[int(self._sums.argmax())]
        beyond = np.maximum(q - self._high, 0) + np.maximum(self._low - q, 0)
        total = float(beyond.sum())
        order = np.argsort(-beyond, kind="stable")[:count].tolist()
        names = [*(f"class_{index}" for index in self.classes), "class_other"]
        return [(names[place], float(beyond[place]) / total) for place in order if beyond[place] > 0]

    def set_threshold(self, threshold: float) -> None:
        """Go on with another threshold and all evidence, as when frames are thinned otherwise.

        Raises:
            ValueError: A threshold below 1.
        """
        self._threshold = checked(threshold)

    def reset(self) -> None:
        """Forget all evidence, as after a new model."""
        self._counts[:] = 0
        self._scale[:] = 1
        self._sums[:] = 0
        self._frames = 0
        self._is_over = False

    def save(self) -> bytes:
        """All that it knows; a restored one goes on exactly alike."""
        sums = np.zeros_like(self._sums) if self._is_over else self._sums
        header = _HEADER.pack(_MAGIC, self._prior.size, min(self._frames, 2**32 - 1))
        return header + np.concatenate([sums, self._scale, self._counts.ravel()]).astype("<f8").tobytes()

    def restore(self, data: bytes) -> None:
        """Go on from ``save``.

        Raises:
            DriftStateError: No such state, or one of another number of classes.
        """
        rows, columns = self._counts.shape
        size = _HEADER.size + 8 * rows * (columns + 2)
        if len(data) != size or not data.startswith(_MAGIC):
            raise DriftStateError(
                f"state of class_prior: found {len(data)} bytes, expected {size} that begin with DCP1"
            )
        numbers = np.frombuffer(data, "<f8", offset=_HEADER.size)
        if not np.isfinite(numbers).all() or (numbers < 0).any():
            raise DriftStateError("state of class_prior: found a number that is negative or none, expected sums")
        if not numbers[rows : 2 * rows].all():
            raise DriftStateError("state of class_prior: found a scale of 0, expected numbers above it")
        self._sums[:], self._scale = numbers[:rows], numbers[rows : 2 * rows].copy()
        self._counts[:] = numbers[2 * rows :].reshape(rows, columns)
        self._frames = _HEADER.unpack_from(data)[2]
        self._is_over = False

    def _estimates(self) -> NDArray[np.float64]:
        q = self._counts + self._weighed_prior
        q /= np.add.reduce(q, axis=1, keepdims=True)
        return np.asarray(q)

    def _pays(self) -> NDArray[np.float64]:
        """What each class would pay for each estimate, (3, c)."""
        q = self._estimates()
        nearest, self._scale, allowed = nearest_in_box(q, self._low, self._high, self._scale)
        nearest *= allowed[:, None]
        q /= nearest
        return q


def nearest_in_box(
    q: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64], scale: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """The points of the box that are nearest to estimates q, (r, c), by Newton's method from ``scale``, (r,).

    Returns:
        clip(a * q, low, high), (r, c); a, (r,); and the most that a null can make of q / p on average, (r,).
    """
    a: list[float] = scale.tolist()  # of a few numbers, which Python handles faster than numpy does
    p = _clipped(scale, q, low, high)
    excess = (np.add.reduce(p, axis=1) - 1).tolist()
    for _ in range(_STEPS):
        if max(excess) < _EXACT and min(excess) > -_EXACT:
            break
        slopes = np.add.reduce(q * ((p > low) & (p < high)), axis=1).tolist()
        a = [_stepped(*row) for row in zip(a, excess, slopes, strict=True)]
        p = _clipped(np.array(a), q, low, high)
        excess = (np.add.reduce(p, axis=1) - 1).tolist()
    allowed = [1 + max(-over / each, 0.0) + _EXACT for each, over in zip(a, excess, strict=True)]
    return p, np.array(a), np.array(allowed)


def _clipped(
    a: NDArray[np.float64], q: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    p = q * a[:, None]
    np.maximum(p, low, out=p)  # np.clip does the same at four times the cost
    return np.minimum(p, high, out=p)


def _stepped(a: float, excess: float, slope: float) -> float:
    step = excess / max(slope, 1e-12) if slope > 0 else math.copysign(a / 2, excess)
    return min(max(a - step, a / 4), a * 4)


def _box(shares: NDArray[np.float64], measured: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    upper = np.stack([wilson_upper(row, int(n), _ERRORS) for row, n in zip(shares, measured, strict=True)])
    lower = 1 - np.stack([wilson_upper(1 - row, int(n), _ERRORS) for row, n in zip(shares, measured, strict=True)])
    high = np.maximum(upper, shares + _BAND).max(axis=0)
    return np.maximum(np.minimum(lower, shares - _BAND).min(axis=0), 0), np.minimum(high, 1)


def _gathered(shares: NDArray[np.float64], kept: NDArray[np.intp]) -> NDArray[np.float64]:
    """Shares of the kept classes, and of all others together where there are others."""
    if len(kept) == shares.shape[1]:
        return shares
    rest = 1 - shares[:, kept].sum(axis=1, keepdims=True)
    return np.concatenate([shares[:, kept], np.maximum(rest, 0)], axis=1)
