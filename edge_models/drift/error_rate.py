"""An e-process for the error rate, from labels: whether the model errs more often than on the reference.

Nothing is wrong while an answer is wrong with a probability of at most ``reference_error + tolerance``, whatever came
before. Four stakes look for rates from hardly above that to twice as much and more, as in ``edge_models.drift.bank``.
"""

from __future__ import annotations

import struct

import numpy as np

from edge_models.drift.budget import checked
from edge_models.errors import DriftStateError

TOLERANCE = 0.02

_STATE = struct.Struct("<4sI4d")
_MAGIC = b"DER1"
_STAKES = np.array([0.05, 0.2, 0.5, 0.95])
_LARGEST_BOUND = 0.98


class ErrorRate:
    """Alarms when labels show more errors than the reference has.

    Args:
        reference_error: Share of wrong answers on the reference, 0..1.
        threshold: Average run length to a false alarm, in labels; 1 or more.
        tolerance: What may be added to the reference's share.

    Raises:
        ValueError: An argument outside its range.

    Examples:
        >>> errors = ErrorRate(0.07, 2.6e6)
        >>> [errors.update(True) for _ in range(9)].index(True) + 1
        7
    """

    __slots__ = ("_bound", "_is_over", "_labels", "_stakes", "_sums", "_threshold")

    def __init__(self, reference_error: float, threshold: float, tolerance: float = TOLERANCE) -> None:
        if not (0 <= reference_error <= 1 and tolerance >= 0 and threshold >= 1):
            raise ValueError(
                f"found error {reference_error}, tolerance {tolerance}, threshold {threshold}, "
                "expected 0 to 1, 0 or more, 1 or more"
            )
        self._bound = min(max(reference_error + tolerance, 1e-3), 1.0)
        self._stakes = _STAKES / self._bound if self._bound < _LARGEST_BOUND else np.zeros_like(_STAKES)
        self._threshold = threshold
        self._sums = np.zeros(len(_STAKES))
        self._labels = 0
        self._is_over = False

    @property
    def value(self) -> float:
        """The mean of the sums; the threshold or more right after an alarm."""
        return float(self._sums.mean())

    def update(self, is_wrong: bool) -> bool:  # noqa: FBT001 - as detectors of errors take it
        """Take one labelled answer; whether it makes it an alarm. The next update then begins anew."""
        if self._is_over:
            self.reset()
        self._sums += 1
        self._sums *= 1 + self._stakes * (float(bool(is_wrong)) - self._bound)
        self._labels += 1
        self._is_over = self._bound < _LARGEST_BOUND and self.value >= self._threshold
        return self._is_over

    def set_threshold(self, threshold: float) -> None:
        """Go on with another threshold and all evidence, as when frames are thinned otherwise.

        Raises:
            ValueError: A threshold below 1.
        """
        self._threshold = checked(threshold)

    def reset(self) -> None:
        """Forget all labels, as after a new model."""
        self._sums[:] = 0
        self._labels = 0
        self._is_over = False

    def save(self) -> bytes:
        """All that it knows; a restored one goes on exactly alike."""
        if self._is_over:
            return _STATE.pack(_MAGIC, 0, 0.0, 0.0, 0.0, 0.0)
        return _STATE.pack(_MAGIC, min(self._labels, 2**32 - 1), *self._sums)

    def restore(self, data: bytes) -> None:
        """Go on from ``save``.

        Raises:
            DriftStateError: No such state.
        """
        if len(data) != _STATE.size or not data.startswith(_MAGIC):
            raise DriftStateError(
                f"state of error_rate: found {len(data)} bytes, expected {_STATE.size} that begin with DER1"
            )
        _, labels, *sums = _STATE.unpack(data)
        if not np.isfinite(sums).all() or min(sums) < 0:
            raise DriftStateError("state of error_rate: found a sum that is negative or no number, expected sums")
        self._sums[:] = sums
        self._labels = labels
        self._is_over = False
