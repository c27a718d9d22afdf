"""The e-detector bank: Shiryaev-Roberts sums over bounded bets (Shin, Ramdas & Rinaldo 2022, "E-detectors").

Each bet k has three sums, one for each stake: ``R <- (R + 1) * (1 + stake * (g - bound))``. While no mean of a g, given
what came before, exceeds its bound, every ``R - t`` is a supermartingale, and so is ``value - t`` for the mean of all
sums. Therefore the average run length to a false alarm (``value >= threshold``) is the threshold at least, and T frames
hold T / threshold false alarms on average at most, whatever the signals' distribution or dependence is. The bounds
allow for float32: the rounding of one update gives back less than they take.

Drift makes some sum grow exponentially; those tell which signal it was.
"""

from __future__ import annotations

import hashlib
import math
import struct
from typing import TYPE_CHECKING

import numpy as np

from edge_models.errors import DriftStateError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edge_models.drift.bets import Bets

_HEADER = struct.Struct("<4s8sIf")  # magic, what was bet on, frames since the start, log2 of the largest sum
_MAGIC = b"DEB1"
_SMALLEST = 0.04  # a sum is at least .05 after its first update
_FLOAT_SUM = 1e-4  # relative error of a float32 dot product of a thousand terms, at most
_MAX_THRESHOLD = 1e24  # a thousand times that, times the largest factor, is still a float32


class EBank:
    """Alarms when the mean of all sums reaches the threshold.

    Args:
        bets: What is bet on.
        threshold: Average run length to a false alarm, in updates; above 1.

    Raises:
        ValueError: A threshold that is no number above 1 and below 1e24.
    """

    __slots__ = (
        "_bets",
        "_factors",
        "_fingerprint",
        "_frames",
        "_gain",
        "_is_over",
        "_limit",
        "_live",
        "_sums",
        "_weights",
    )

    def __init__(self, bets: Bets, threshold: float) -> None:
        self._bets = bets
        self._limit = _limit(threshold)
        self._live = bets.stakes[0] > 0
        self._weights = _weights(bets)
        self._sums = np.zeros(bets.stakes.shape, np.float32)
        self._factors = np.empty_like(self._sums)
        self._gain = np.empty_like(bets.bound)
        self._fingerprint = _fingerprint(bets)
        self._frames = 0
        self._is_over = False

    @property
    def value(self) -> float:
        """The mean of all sums; the threshold or more right after an alarm."""
        return float(np.dot(self._weights, self._sums.ravel()))

    @property
    def frames(self) -> int:
        """Updates since the start or the last alarm."""
        return self._frames

    def update(self, g: NDArray[np.float32]) -> bool:
        """Take the functions of one frame, ``Bets.of``, (K,); whether they make it an alarm.

        After an alarm the next update begins anew, so ``value`` and ``ranked`` still tell of the alarm until then.
        A value that is no number counts as 0, which never wins.
        """
        if self._is_over:
            self.reset()
        gain, factors, sums = self._gain, self._factors, self._sums
        np.fmax(g, 0, out=gain)
        np.minimum(gain, 1, out=gain)
        np.subtract(gain, self._bets.bound, out=gain)
        np.multiply(self._bets.stakes, gain, out=factors)
        factors += 1
        sums += 1
        sums *= factors
        self._frames += 1
        self._is_over = self.value >= self._limit
        return self._is_over

    def ranked(self, count: int) -> list[tuple[str, float]]:
        """Signals, classes and flags that the evidence is about, the strongest first, with their shares of it.

        A sum is evidence as far as its logarithm exceeds that of the frames, which it does not reach by chance: its
        mean is the number of frames at most. Whitened columns have no name that a person knows: their evidence is the
        signals' that explain it. That of the distance is left out.
        """
        if not self._frames:
            return []
        means = np.maximum(self._sums.mean(axis=0, dtype=np.float64), 1e-30)
        logs = np.where(self._live, np.log(means / self._frames), -math.inf).tolist()
        whitened = self._bets.columns.names[len(self._bets.columns.names) // 2 :]
        evidence: dict[str, float] = {}
        of: dict[tuple[str, str], float] = {}
        for name, value in zip(self._bets.names, logs, strict=True):
            of[name] = value
            if name.signal not in whitened and value > -math.inf:
                evidence[name.signal] = max(evidence.get(name.signal, value), value)
        for signal, value in self._explained(of).items():
            evidence[signal] = max(evidence.get(signal, value), value)
        order = sorted(evidence, key=lambda name: -evidence[name])[:count]
        total = sum(max(value, 0.0) for value in evidence.values())
        if total <= 0:
            return [(order[0], 1.0)] if order else []
        return [(name, evidence[name] / total) for name in order if evidence[name] > 0]

    def _explained(self, logs: dict[tuple[str, str], float]) -> dict[str, float]:
        """What each signal explains of the whitened columns' evidence, were it the only one that moved.

        Evidence grows with the square of a shift, so its root is as long as the shift; a signal that moved alone moves
        the whitened columns along its own direction.
        """
        columns = self._bets.columns
        signals = len(columns.whitening)
        shift = np.zeros(signals)
        for i in range(signals):
            name = columns.names[signals + i]
            up, down = (max(logs[name, a], logs[name, b], 0.0) for a, b in (("up", "high"), ("down", "low")))
            shift[i] = math.sqrt(up) - math.sqrt(down)
        directions = columns.whitening.T.astype(np.float64)
        squares = (directions @ shift) ** 2 / np.maximum((directions**2).sum(axis=1), 1e-12)
        return dict(zip(columns.names, squares.tolist(), strict=False))

    def set_threshold(self, threshold: float) -> None:
        """Go on with another threshold and all evidence, as when frames are thinned otherwise.

        Raises:
            ValueError: As for the constructor.
        """
        self._limit = _limit(threshold)

    def reset(self) -> None:
        """Forget all evidence, as after a new model."""
        self._sums.fill(0)
        self._frames = 0
        self._is_over = False

    def save(self) -> bytes:
        """The sums, each rounded down to one of 255 steps, in a byte each; begins anew after an alarm."""
        top = np.float32(math.log2(self._limit * self._sums.size * 2))
        sums = np.zeros_like(self._sums) if self._is_over else self._sums
        codes = np.searchsorted(_steps(float(top)), sums.ravel(), side="right") - 1
        header = _HEADER.pack(_MAGIC, self._fingerprint, 0 if self._is_over else min(self._frames, 2**32 - 1), top)
        return header + codes.astype(np.uint8).tobytes()

    def restore(self, data: bytes) -> None:
        """Go on from ``save``; no sum is larger than it was.

        Raises:
            DriftStateError: No such state, or one of another profile, other contexts or another dead band.
        """
        size = _HEADER.size + self._sums.size
        if len(data) != size or not data.startswith(_MAGIC):
            raise DriftStateError(f"state of e_bank: found {len(data)} bytes, expected {size} that begin with DEB1")
        _, fingerprint, frames, top = _HEADER.unpack_from(data)
        if fingerprint != self._fingerprint or not 0 < top <= 120:
            raise DriftStateError("state of e_bank: found one of another reference, expected that of this profile")
        codes = np.frombuffer(data, np.uint8, offset=_HEADER.size)
        self._sums[:] = _steps(top)[codes].reshape(self._sums.shape)
        self._frames = frames
        self._is_over = False


class StreamBank:
    """The same bank over many parallel streams at once, to measure how it does.

    Args:
        bets: What is bet on.
        threshold: As for ``EBank``.
        streams: Number S of streams.
    """

    __slots__ = ("_bets", "_limit", "_over", "_weights", "sums")

    def __init__(self, bets: Bets, threshold: float, streams: int) -> None:
        self._bets = bets
        self._limit = _limit(threshold)
        self._weights = _weights(bets)
        self._over = np.zeros(streams, bool)
        self.sums: NDArray[np.float32] = np.zeros((streams, bets.stakes.size), np.float32)

    def factors(self, g: NDArray[np.float32]) -> NDArray[np.float32]:
        """What each bet pays on n frames (n, K), (n, 3K) float32; to be gathered by frame for ``update``."""
        gain = np.clip(np.nan_to_num(g), 0, 1) - self._bets.bound
        factors = self._bets.stakes[None] * gain[:, None]
        factors += 1
        return np.asarray(factors.reshape(len(g), -1), np.float32)

    def update(self, factors: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Take one frame of each stream, (S, 3K) of ``factors``; which streams alarm. Those begin anew at the next."""
        if self._over.any():
            self.sums[self._over] = 0
        self.sums += 1
        self.sums *= factors
        self._over = self.sums @ self._weights >= self._limit
        return self._over


def _limit(threshold: float) -> float:
    if not 1 <= threshold < _MAX_THRESHOLD:
        raise ValueError(f"threshold {threshold}, expected a number from 1 to {_MAX_THRESHOLD:g}")
    return threshold * (1 + _FLOAT_SUM)


def _weights(bets: Bets) -> NDArray[np.float32]:
    live = bets.stakes.ravel() > 0
    return np.asarray(live / max(live.sum(), 1), np.float32)


def _fingerprint(bets: Bets) -> bytes:
    names = "\n".join(f"{name.signal} {name.kind}" for name in bets.names).encode()
    return hashlib.blake2b(names + bets.bound.tobytes() + bets.stakes.tobytes(), digest_size=8).digest()


def _steps(top: float) -> NDArray[np.float32]:
    """What the 256 codes of a saved sum stand for: 0, and 255 steps of one ratio up to 2 ** top."""
    return np.concatenate([[0], np.exp2(np.linspace(math.log2(_SMALLEST), top, 255))]).astype(np.float32)
